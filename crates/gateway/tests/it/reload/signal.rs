//! The real binary and real signals.

use std::path::Path;

use reqwest::{Method, StatusCode};
use serde_json::json;

use super::{crowd, to_crowd};
use crate::harness::{World, apns_token, eventually};
use crate::process::{Serving, log_of};

const CROWD: u32 = 20;

/// The gateway of this world as a process of its own.
struct Gateway<'a> {
    world: &'a World,
    serving: Serving,
    client: reqwest::Client,
}

impl<'a> Gateway<'a> {
    async fn start(world: &'a World) -> Self {
        let config = world.sandbox.config.to_str().expect("UTF-8");
        let arguments = ["serve", "--config", config];
        Gateway {
            world,
            serving: Serving::start(world.directory.path(), &arguments, &[]).await,
            client: reqwest::Client::new(),
        }
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let url = format!("{}{path}", self.serving.url());
        let key = self.world.sandbox.api_key.expose();
        self.client.request(method, url).bearer_auth(key)
    }

    async fn send(&self) -> String {
        let body = to_crowd(CROWD);
        let answer = self
            .request(Method::POST, "/v1/notifications")
            .json(&body)
            .send()
            .await;
        let answer = answer.expect("an answer");
        assert_eq!(answer.status(), StatusCode::ACCEPTED);
        let answer: serde_json::Value = answer.json().await.expect("JSON");
        answer["id"].as_str().expect("an id").to_owned()
    }

    async fn completed(&self, id: &str) {
        eventually(|| async {
            let path = format!("/v1/notifications/{id}");
            let view = self.request(Method::GET, &path).send().await.ok()?;
            let view: serde_json::Value = view.json().await.ok()?;
            (view["counts"]["delivered"] == CROWD).then_some(())
        })
        .await;
    }

    /// Sends a SIGHUP and waits for its result to be counted.
    async fn hangup(&self, result: &str, times: u32) {
        self.serving.signal("HUP").await;
        let line = format!("fanfare_config_reloads_total{{result=\"{result}\"}} {times}");
        eventually(|| async {
            let metrics = self.request(Method::GET, "/metrics").send().await.ok()?;
            let metrics = metrics.text().await.ok()?;
            metrics.lines().any(|found| found == line).then_some(())
        })
        .await;
    }

    fn log(&self) -> String {
        log_of(self.world.directory.path())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hangups_under_load_good_bad_and_unchanged() {
    let mut world = World::new().await;
    crowd(&world, CROWD).await;
    assert!(world.drain().await);
    let mut gateway = Gateway::start(&world).await;
    let good = world.configuration();
    let mut ids = vec![gateway.send().await];
    gateway.completed(&ids[0]).await;
    let opened = || {
        let totals = world.simulator.books().totals();
        (
            totals.apns.connections.opened,
            totals.fcm.connections.opened,
        )
    };
    let connections = opened();

    gateway.hangup("unchanged", 1).await;
    ids.push(gateway.send().await);
    world.configure(&good.replace("rate_max = 1000000", "rate_max = 0"));
    gateway.hangup("refused", 1).await;
    assert!(
        gateway.log().contains("rate_max: must be between"),
        "{}",
        gateway.log()
    );
    ids.push(gateway.send().await);
    let changed = good.replace("rate_max = 1000000", "rate_max = 900000");
    world.configure(&format!("sender_threads = 2\n{changed}"));
    gateway.hangup("applied", 1).await;
    ids.push(gateway.send().await);
    gateway.hangup("deferred", 1).await;
    world.configure(&good);
    gateway.serving.signal("HUP").await;
    gateway.serving.signal("HUP").await;
    gateway.hangup("applied", 2).await;
    ids.push(gateway.send().await);
    for id in &ids {
        gateway.completed(id).await;
    }
    let totals = world.simulator.books().totals();
    let sent = u64::try_from(ids.len()).expect("few") * u64::from(CROWD);
    assert_eq!(totals.apns.requests + totals.fcm.requests, sent);
    assert_eq!(opened(), connections, "no connection was replaced");
    gateway.serving.signal("TERM").await;
    assert!(gateway.serving.ended().await.success());
    let log = gateway.log();
    for line in [
        "apps.demo.fcm.rate_max from 1000000 to 900000",
        "sender_threads from 1 to 2",
        "needs a restart",
        "nothing changed",
        "configuration refused, nothing was changed",
    ] {
        assert!(log.contains(line), "no {line} in\n{log}");
    }
    for secret in [
        world.sandbox.api_key.expose(),
        world.sandbox.jwt_secret.expose(),
    ] {
        assert!(!log.contains(secret));
    }
}

/// Whether the process answers SIGHUP by itself (bit 0 of the caught signals, proc(5)).
fn catches_hangup(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let caught = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    caught.is_some_and(|mask| mask & 1 == 1)
}

async fn kill(pid: u32, signal: &str) {
    let mut kill = tokio::process::Command::new("kill");
    let sent = kill.args(["-s", signal, &pid.to_string()]).status().await;
    assert!(sent.expect("kill").success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hangup_during_the_start_is_a_reload_after_it_and_none_during_a_drain() {
    let mut world = World::new().await;
    world.register("ada", "ios_push", &apns_token(1)).await;
    assert!(world.drain().await);
    let config = world.sandbox.config.to_str().expect("UTF-8");
    let directory = world.directory.path();
    let arguments = ["serve", "--config", config];
    let hangup = async |pid| {
        eventually(|| async { catches_hangup(pid).then_some(()) }).await;
        kill(pid, "HUP").await;
    };
    let mut serving = Serving::start_while(directory, &arguments, hangup).await;
    eventually(|| async { log_of(directory).contains("nothing changed").then_some(()) }).await;

    world.rules(
        &json!([{ "when": { "provider": "apns" }, "delay_ms": { "min": 500, "max": 500 } }]),
    );
    let body = json!({ "to": { "users": ["ada"] }, "message": { "title": "Hi" } });
    let url = format!("{}/v1/notifications", serving.url());
    let key = world.sandbox.api_key.expose();
    let sent = reqwest::Client::new()
        .post(url)
        .bearer_auth(key)
        .json(&body)
        .send();
    assert_eq!(
        sent.await.expect("an answer").status(),
        StatusCode::ACCEPTED
    );
    eventually(|| async {
        (world.simulator.books().totals().apns.connections.open > 0).then_some(())
    })
    .await;
    serving.signal("TERM").await;
    eventually(|| async { has_line(directory, "draining").then_some(()) }).await;
    serving.signal("HUP").await;
    assert!(serving.ended().await.success());
    let log = log_of(directory);
    assert_eq!(log.matches("nothing changed").count(), 1, "{log}");
    assert!(log.contains("drained"));
}

fn has_line(directory: &Path, text: &str) -> bool {
    log_of(directory).contains(text)
}
