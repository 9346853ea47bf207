//! Child processes.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::usage::Usage;

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
    /// Starts `fanfare` with these arguments, on these processors, without any of its variables that are set here.
    pub(crate) async fn start(
        program: &Path,
        cores: Option<&str>,
        arguments: &[&str],
    ) -> anyhow::Result<Self> {
        let what = arguments.first().copied().unwrap_or_default();
        let mut command = match cores {
            Some(cores) => {
                let mut command = Command::new("taskset");
                command.args(["-c", cores]).arg(program);
                command
            }
            None => Command::new(program),
        };
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
        let mut child = command.spawn().with_context(|| match cores {
            Some(_) => format!("starting fanfare {what} under taskset (package util-linux)"),
            None => format!("starting fanfare {what}"),
        })?;
        let stdout = child.stdout.take().context("a child without output")?;
        let mut lines = BufReader::new(stdout).lines();
        let line = tokio::time::timeout(PATIENCE, lines.next_line()).await;
        match line.with_context(|| format!("fanfare {what} did not get ready"))?? {
            Some(line) => Ok(Process { child, line }),
            None => bail!("fanfare {what} ended at once: {}", child.wait().await?),
        }
    }

    pub(crate) fn id(&self) -> anyhow::Result<u32> {
        self.child.id().context("the process has ended")
    }

    pub(crate) fn usage(&self) -> anyhow::Result<Usage> {
        Usage::of(self.id()?)
    }

    /// CPU time so far.
    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        Ok(self.usage()?.cpu)
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
