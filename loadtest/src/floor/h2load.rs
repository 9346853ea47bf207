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
    let succeeded = succeeded(&said).context("reading what h2load says")?;
    // It sends before it knows how many streams may be open: APNs refuses those of the first moment.
    let refused_at_most = (CONNECTIONS * STREAMS) as u64;
    if !timed.status.success() || succeeded + refused_at_most < requests {
        bail!(
            "h2load failed: {succeeded} of {requests} requests succeeded, {}",
            timed.status
        );
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
    let each = succeeded as f64;
    Ok(Floor {
        name: "h2load",
        requests: succeeded,
        cpu_us: (user + system) * 1e6 / each,
        per_second: each / elapsed.max(0.01),
    })
}

/// Of its line `requests: 10 total, 10 started, 10 done, 10 succeeded, 0 failed, …`.
fn succeeded(said: &str) -> Option<u64> {
    let line = said.lines().find(|line| line.starts_with("requests:"))?;
    let part = line.split(", ").find(|part| part.ends_with(" succeeded"))?;
    part.split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_succeeded_is_read() {
        let said = "finished in 1s\nrequests: 10 total, 10 started, 10 done, 9 succeeded, 1 failed, 1 errored\n";
        assert_eq!(super::succeeded(said), Some(9));
        assert_eq!(super::succeeded("nothing"), None);
    }
}
