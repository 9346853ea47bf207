//! The floor: what `h2load` (nghttp2) spends on a fixed request to the same simulator.

use std::process::Stdio;

use anyhow::{Context, bail};
use fanfare_providers::apns::Signer;
use fanfare_types::Timestamp;
use tokio::process::Command;

use crate::world::{App, address};

/// A payload as long as a campaign's.
const BODY: &str = r#"{"aps":{"alert":{"title":"Hello","body":"The spring collection is here: twenty new things that you will like"}}}"#;

pub(crate) struct Floor {
    pub(crate) cpu_us: f64,
    pub(crate) per_second: f64,
}

/// Sends `requests` over four connections with a hundred streams each.
pub(crate) async fn h2load(app: &App, requests: u64) -> anyhow::Result<Floor> {
    let directory = tempfile::tempdir().context("making a directory")?;
    let body = directory.path().join("body.json");
    std::fs::write(&body, BODY).context("writing a body")?;
    let key = &app.providers.material.apns_key;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    let now = Timestamp(u64::try_from(now.as_millis())?);
    let token = Signer::new(key.p8.as_bytes(), &key.key_id, &key.team_id)?.sign(now)?;
    let token = token.expose().to_str().context("a token")?.to_owned();
    let timed = Command::new("/usr/bin/time")
        .args(["-f", "%U %S %e", "h2load", "-c4", "-m100"])
        .args(["-n", &requests.to_string(), "-d"])
        .arg(&body)
        .args(["-H", &format!("authorization: {token}")])
        .args([
            "-H",
            &format!("apns-topic: {}", app.providers.material.topic),
        ])
        .args(["-H", "apns-push-type: alert"])
        .arg(format!(
            "{}/3/device/{}",
            app.providers.apns_url,
            address(0)
        ))
        .stdin(Stdio::null())
        .output()
        .await
        .context("starting h2load (package nghttp2-client) under time (package time)")?;
    let said = String::from_utf8_lossy(&timed.stdout);
    let succeeded = format!("{requests} succeeded");
    if !timed.status.success() || !said.contains(&succeeded) {
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
        cpu_us: (user + system) * 1e6 / requests,
        per_second: requests / elapsed.max(0.01),
    })
}
