//! The simulators and the gateway as child processes, in a directory that goes away with them.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use fanfare_simulator::Addresses;
use fanfare_types::Secret;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::crowd::Crowd;
use crate::sandbox;

/// Longest wait for a child to be ready, or to end when asked.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) struct Processes {
    simulator: Child,
    gateway: Child,
    pub(super) url: String,
    pub(super) api_key: Secret<String>,
    pub(super) control: String,
    directory: Directory,
}

/// A temporary directory, removed on drop unless kept.
struct Directory {
    path: PathBuf,
    keep: bool,
}

impl Drop for Directory {
    fn drop(&mut self) {
        if self.keep {
            eprintln!("kept {}", self.path.display());
        } else if let Err(error) = std::fs::remove_dir_all(&self.path) {
            eprintln!("cannot remove {}: {error}", self.path.display());
        }
    }
}

impl Processes {
    pub(super) async fn start(crowd: &Crowd, keep: bool) -> anyhow::Result<Self> {
        let path = std::env::temp_dir().join(format!("fanfare-demo-{}", std::process::id()));
        let directory = Directory { path, keep };
        let material = sandbox::material(&directory.path)?;
        let (simulator, line) = start_simulator(&directory.path, crowd).await?;
        let at: Addresses =
            serde_json::from_str(&line).context("the simulators gave no addresses")?;
        let control = at
            .control_url()
            .context("the simulators have no control address")?;
        let listen = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
        let sandbox = sandbox::write(&directory.path, &material, &at, listen)?;
        let (gateway, line) = start_gateway(&sandbox.config).await?;
        let url = line
            .rsplit(' ')
            .next()
            .context("the gateway gave no address")?
            .to_owned();
        Ok(Processes {
            simulator,
            gateway,
            url,
            api_key: sandbox.api_key,
            control,
            directory,
        })
    }

    /// CPU time of the gateway so far, user and system.
    pub(super) fn gateway_cpu(&self) -> anyhow::Result<Duration> {
        let pid = self.gateway.id().context("the gateway has ended")?;
        cpu_time(pid)
    }

    /// The provider refuses the receipt once, so that the report has a retry to show.
    pub(super) async fn script_receipt_retry(&self, crowd: &Crowd) -> anyhow::Result<()> {
        let device = crowd
            .receipt_address()
            .context("the receipt has nobody to go to")?;
        let rule = receipt_rule(device.channel, &device.address);
        let client = crate::commands::http_client()?;
        let put = client
            .put(format!("{}/rules", self.control))
            .json(&json!({ "rules": [rule] }));
        put.send()
            .await?
            .error_for_status()
            .context("the simulators refused the rule")?;
        Ok(())
    }

    /// A page of the simulators' control API.
    pub(super) async fn control(&self, path: &str) -> anyhow::Result<Value> {
        let get = crate::commands::http_client()?.get(format!("{}{path}", self.control));
        get.send()
            .await?
            .error_for_status()?
            .json()
            .await
            .with_context(|| format!("reading {path} of the simulators"))
    }

    /// Ends both, the gateway by a drain.
    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        end(&mut self.gateway, "gateway").await?;
        end(&mut self.simulator, "simulators").await?;
        drop(self.directory);
        Ok(())
    }
}

fn receipt_rule(channel: &str, address: &str) -> Value {
    let (provider, reason) = match channel {
        "ios_push" => ("apns", "ServiceUnavailable"),
        _ => ("fcm", "UNAVAILABLE"),
    };
    json!({
        "when": { "provider": provider, "address": address },
        "times": 1,
        "then": { "answer": { "status": 503, "reason": reason, "headers": { "retry-after": "1" } } },
    })
}

async fn start_simulator(directory: &Path, crowd: &Crowd) -> anyhow::Result<(Child, String)> {
    let any = "127.0.0.1:0";
    let mut command = ourselves()?;
    command.args(["simulate", "--json", "--dead-prefix", "dead"]);
    command.args([
        "--apns",
        any,
        "--fcm",
        any,
        "--oauth",
        any,
        "--control",
        any,
    ]);
    command.arg("--dir").arg(directory);
    // Room for every push (of the notifications, and of the campaign) to be compared one by one, and for as many again.
    let entries = (3 * crowd.devices.len()).to_string();
    command.args(["--book-entries", &entries]);
    first_line(command, "simulators").await
}

async fn start_gateway(config: &Path) -> anyhow::Result<(Child, String)> {
    let mut command = ourselves()?;
    command
        .arg("serve")
        .arg("--config")
        .arg(config)
        .env("FANFARE_LOG__LEVEL", "warn");
    first_line(command, "gateway").await
}

fn ourselves() -> anyhow::Result<Command> {
    let mut command = Command::new(std::env::current_exe().context("finding this program")?);
    // What the caller exported for a gateway of their own is not meant for this one.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("FANFARE_") {
            command.env_remove(name);
        }
    }
    command
        .kill_on_drop(true)
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    Ok(command)
}

/// Starts a child and waits for the line that says it is ready.
async fn first_line(mut command: Command, what: &str) -> anyhow::Result<(Child, String)> {
    let mut child = command
        .spawn()
        .with_context(|| format!("starting the {what}"))?;
    let stdout = child.stdout.take().context("a child without output")?;
    let mut lines = BufReader::new(stdout).lines();
    let line = tokio::time::timeout(PATIENCE, lines.next_line()).await;
    match line.with_context(|| format!("the {what} did not get ready"))?? {
        Some(line) => Ok((child, line)),
        None => bail!("the {what} ended at once: {}", child.wait().await?),
    }
}

async fn end(child: &mut Child, what: &str) -> anyhow::Result<()> {
    let pid = child
        .id()
        .with_context(|| format!("the {what} ended by itself"))?;
    let asked = Command::new("kill")
        .arg(pid.to_string())
        .status()
        .await
        .context("asking a child to end")?;
    anyhow::ensure!(asked.success(), "asking the {what} to end failed");
    let status = tokio::time::timeout(PATIENCE, child.wait())
        .await
        .with_context(|| format!("the {what} did not end"))??;
    anyhow::ensure!(
        status.success() || what != "gateway",
        "the {what} ended with {status}"
    );
    Ok(())
}

/// User and system time of a process, in the kernel's ticks of 10 ms (`proc(5)`, fields 14 and 15).
fn cpu_time(pid: u32) -> anyhow::Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .context("reading the gateway's CPU time")?;
    let after_name = stat
        .rsplit_once(')')
        .context("reading the gateway's CPU time")?
        .1;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks = |index: usize| {
        fields
            .get(index)
            .and_then(|field| field.parse::<u64>().ok())
    };
    let sum = ticks(11)
        .zip(ticks(12))
        .context("reading the gateway's CPU time")?;
    Ok(Duration::from_millis((sum.0 + sum.1) * 10))
}
