//! Child processes, and what the kernel says of them.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// Longest wait for a child to be ready, or to end when asked.
const PATIENCE: Duration = Duration::from_secs(60);

/// The gateway's program: as given, or beside this one.
pub(crate) fn program(given: Option<PathBuf>) -> anyhow::Result<PathBuf> {
    let program = match given {
        Some(program) => program,
        None => std::env::current_exe()
            .context("finding this program")?
            .with_file_name("fanfare"),
    };
    if !program.exists() {
        bail!(
            "{} is not there; build it (cargo build --release --workspace) or name it with --fanfare",
            program.display()
        );
    }
    Ok(program)
}

/// A child that has said that it is ready.
pub(crate) struct Process {
    child: Child,
    /// Its first line.
    pub(crate) line: String,
}

impl Process {
    /// Starts `fanfare` with these arguments, without any of its variables that are set here.
    pub(crate) async fn start(program: &Path, arguments: &[&str]) -> anyhow::Result<Self> {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("FANFARE_") {
                command.env_remove(name);
            }
        }
        command
            .args(arguments)
            .kill_on_drop(true)
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let what = arguments.first().copied().unwrap_or_default();
        let mut child = command
            .spawn()
            .with_context(|| format!("starting fanfare {what}"))?;
        let stdout = child.stdout.take().context("a child without output")?;
        let mut lines = BufReader::new(stdout).lines();
        let line = tokio::time::timeout(PATIENCE, lines.next_line()).await;
        match line.with_context(|| format!("fanfare {what} did not get ready"))?? {
            Some(line) => Ok(Process { child, line }),
            None => bail!("fanfare {what} ended at once: {}", child.wait().await?),
        }
    }

    fn id(&self) -> anyhow::Result<u32> {
        self.child.id().context("the process has ended")
    }

    /// CPU time so far, user and system, in the kernel's ticks of 10 ms (`proc(5)`, fields 14 and 15).
    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.id()?))?;
        let after_name = stat.rsplit_once(')').context("no name in stat")?.1;
        let fields: Vec<&str> = after_name.split_whitespace().collect();
        let ticks = |index: usize| -> anyhow::Result<u64> {
            Ok(fields.get(index).context("too few fields")?.parse()?)
        };
        Ok(Duration::from_millis((ticks(11)? + ticks(12)?) * 10))
    }

    /// The most memory it ever held, in KiB (`VmHWM`).
    pub(crate) fn peak_kib(&self) -> anyhow::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id()?))?;
        let line = status.lines().find(|line| line.starts_with("VmHWM:"));
        let number = line.and_then(|line| line.split_whitespace().nth(1));
        Ok(number.context("no VmHWM")?.parse()?)
    }

    /// Asks it to end, and waits.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        let asked = Command::new("kill")
            .arg(self.id()?.to_string())
            .status()
            .await
            .context("asking a child to end")?;
        anyhow::ensure!(asked.success(), "a child could not be asked to end");
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        ended.context("a child did not end")??;
        Ok(())
    }
}
