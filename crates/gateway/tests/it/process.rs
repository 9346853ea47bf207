//! The real binary as a process.

use std::path::Path;
use std::process::{Output, Stdio};

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::harness::PATIENCE;

/// Runs a command to its end.
pub(crate) async fn fanfare(directory: &Path, arguments: &[&str]) -> Output {
    let run = command(directory, arguments).output();
    tokio::time::timeout(PATIENCE, run)
        .await
        .expect("an end")
        .expect("a process")
}

fn command(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fanfare"));
    command
        .args(arguments)
        .current_dir(directory)
        .kill_on_drop(true)
        .stdin(Stdio::null());
    command
}

/// A process that serves until it is ended.
pub(crate) struct Serving {
    pub(crate) child: Child,
    pub(crate) lines: Lines<BufReader<ChildStdout>>,
    pub(crate) first_line: String,
}

impl Serving {
    /// Starts a command and waits for its first line.
    pub(crate) async fn start(
        directory: &Path,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Serving {
        let serving = Serving::spawn(directory, arguments, environment);
        serving.with_first_line(directory).await
    }

    /// Starts a command, does something with its process meanwhile, and waits for its first line.
    pub(crate) async fn start_while(
        directory: &Path,
        arguments: &[&str],
        meanwhile: impl AsyncFnOnce(u32),
    ) -> Serving {
        let serving = Serving::spawn(directory, arguments, &[]);
        meanwhile(serving.child.id().expect("a running process")).await;
        serving.with_first_line(directory).await
    }

    /// Starts a command and waits for nothing.
    pub(crate) fn spawn(
        directory: &Path,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Serving {
        let mut command = command(directory, arguments);
        command
            .stdout(Stdio::piped())
            .envs(environment.iter().copied());
        let log = std::fs::File::create(directory.join("stderr.log")).expect("a log file");
        let mut child = command.stderr(log).spawn().expect("a process");
        let lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
        Serving {
            child,
            lines,
            first_line: String::new(),
        }
    }

    async fn with_first_line(mut self, directory: &Path) -> Serving {
        let line = tokio::time::timeout(PATIENCE, self.lines.next_line())
            .await
            .expect("a line in time")
            .expect("UTF-8");
        self.first_line = line.unwrap_or_else(|| panic!("no line; stderr: {}", log_of(directory)));
        self
    }

    /// The address at the end of the first line.
    pub(crate) fn url(&self) -> String {
        self.first_line
            .rsplit(' ')
            .next()
            .expect("a word")
            .to_owned()
    }

    /// The most memory it ever held, in KiB (`proc(5)`).
    pub(crate) fn peak_kib(&self) -> u64 {
        let pid = self.child.id().expect("a process");
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
        let line = status.lines().find(|line| line.starts_with("VmHWM:"));
        let number = line.and_then(|line| line.split_whitespace().nth(1));
        number.and_then(|text| text.parse().ok()).expect("VmHWM")
    }

    pub(crate) async fn signal(&self, name: &str) {
        let pid = self.child.id().expect("a running process").to_string();
        let sent = Command::new("kill")
            .args(["-s", name, &pid])
            .status()
            .await
            .expect("kill");
        assert!(sent.success());
    }

    pub(crate) async fn ended(&mut self) -> std::process::ExitStatus {
        tokio::time::timeout(PATIENCE, self.child.wait())
            .await
            .expect("an end in time")
            .expect("a status")
    }
}

/// What the process wrote to its log.
pub(crate) fn log_of(directory: &Path) -> String {
    std::fs::read_to_string(directory.join("stderr.log")).expect("a log")
}
