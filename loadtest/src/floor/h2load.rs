//! `h2load` of nghttp2.

use std::process::Stdio;

use anyhow::{Context, bail};
use tokio::process::Command;

use super::{CONNECTIONS, Floor, Request, STREAMS};

/// Where `time` tells of the CPU that a program took.
const TIME: &str = "/usr/bin/time";

/// Whether it can be run and measured here.
pub(super) fn is_there() -> bool {
    let version = std::process::Command::new("h2load")
        .arg("--version")
        .output();
    version.is_ok_and(|output| output.status.success()) && std::path::Path::new(TIME).exists()
}

pub(super) async fn run(request: &Request, requests: u64) -> anyhow::Result<Floor> {
    let directory = tempfile::tempdir().context("making a directory")?;
    let body = directory.path().join("body.json");
    std::fs::write(&body, &request.body).context("writing a body")?;
    let mut command = Command::new(TIME);
    command
        .args(["-f", "%U %S %e", "h2load"])
        .arg(format!("-c{CONNECTIONS}"))
        .arg(format!("-m{STREAMS}"))
        .args(["-n", &requests.to_string(), "-d"])
        .arg(&body);
    for (name, value) in &request.headers {
        command.args(["-H", &format!("{name}: {value}")]);
    }
    let timed = command
        .arg(&request.url)
        .stdin(Stdio::null())
        .output()
        .await
        .context("starting h2load (package nghttp2-client) under time (package time)")?;
    let said = String::from_utf8_lossy(&timed.stdout);
    let (succeeded, answered) = (
        format!("{requests} succeeded"),
        format!("status codes: {requests} 2xx"),
    );
    if !timed.status.success() || !said.contains(&succeeded) || !said.contains(&answered) {
        bail!("h2load failed: {}", timed.status);
    }
    let times = String::from_utf8_lossy(&timed.stderr);
    let times: Vec<f64> = times
        .lines()
        .last()
        .unwrap_or_default()
        .split(' ')
        .map(str::parse)
        .collect::<Result<_, _>>()
        .context("reading the times")?;
    let [user, system, elapsed] = times[..] else {
        bail!("three times were asked for");
    };
    let requests = requests as f64;
    Ok(Floor {
        name: "h2load",
        cpu_us: (user + system) * 1e6 / requests,
        per_second: requests / elapsed.max(0.01),
    })
}
