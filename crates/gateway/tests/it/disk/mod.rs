//! A disk that is full, read-only, broken or slow, under the real binary: what is refused, what goes on, and that
//! all is well by itself once the disk is.

#![allow(
    clippy::print_stdout,
    reason = "figures for whoever asks with --nocapture"
)]

mod instrument;
mod refusing;
mod slow;

use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::harness::{Options, World, apns_token, eventually, fcm_token, json_of, text};
use crate::outside::{Client, Outside};
use crate::store::Kind;
use instrument::Disk;

const DEVICES: u32 = 20;

/// A world whose gateway runs outside, on a disk that can be made to fail.
struct Rig {
    world: World,
    disk: Disk,
    outside: Outside,
}

impl Rig {
    async fn new(tables: &'static str) -> Rig {
        let mut world = World::with(Options {
            tables,
            store: Some(Kind::Embedded),
            ..Options::default()
        })
        .await;
        for number in 0..DEVICES {
            let (channel, token) = match number % 2 {
                0 => ("ios_push", apns_token(number)),
                _ => ("fcm", fcm_token(number)),
            };
            world.register("ada", channel, &token).await;
        }
        assert!(world.drain().await);
        let disk = Disk::new(&world.directory.path().join("data"));
        let outside = start(&world, &disk).await;
        Rig {
            world,
            disk,
            outside,
        }
    }

    fn client(&self) -> &Client {
        &self.outside.client
    }

    /// Sends to every device under a key that the providers see, too; the notification's id.
    async fn accepted(&self, key: &str) -> String {
        let (status, answer) = self.notify(key).await.expect("an answer");
        assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
        text(&answer["id"])
    }

    async fn notify(&self, key: &str) -> Option<(StatusCode, Value)> {
        self.client().notify(key, &to_ada(key)).await
    }

    /// The gateway's reasons not to be ready; none when it is.
    async fn unready(&self) -> Vec<String> {
        let answer = self.client().get("/readyz").await;
        let (status, body) = answer.expect("an answer");
        let reasons: Vec<String> =
            serde_json::from_value(body["reasons"].clone()).expect("reasons");
        assert_eq!(status == StatusCode::OK, reasons.is_empty(), "{body}");
        reasons
    }

    async fn permits_taken(&self) -> u64 {
        let (_, stats) = self.client().get("/v1/stats").await.expect("stats");
        stats["permits_taken"].as_u64().expect("permits")
    }

    /// Pushes with this key that a provider took.
    fn taken(&self, key: &str) -> usize {
        let query = fanfare_simulator::books::Query {
            status: Some(200),
            limit: Some(10_000),
            ..Default::default()
        };
        let requests = self.world.simulator.books().requests(&query);
        let ours =
            |entry: &&fanfare_simulator::books::Entry| entry.collapse.as_deref() == Some(key);
        requests.iter().filter(ours).count()
    }

    /// Ready again, everything delivered that was accepted, and every permit back.
    async fn is_well(&self, accepted: &[String]) {
        eventually(|| async { self.unready().await.is_empty().then_some(()) }).await;
        for id in accepted {
            let counts = self.client().completed(id).await;
            assert_eq!(counts["delivered"], DEVICES, "{counts}");
        }
        eventually(|| async { (self.permits_taken().await == 0).then_some(()) }).await;
    }
}

async fn start(world: &World, disk: &Disk) -> Outside {
    let environment = disk.environment();
    let environment: Vec<_> = environment
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let outside = Outside::start(world, &environment).await;
    outside.ready().await;
    disk.is_loaded();
    outside
}

fn to_ada(key: &str) -> Value {
    json!({ "to": { "users": ["ada"] }, "message": { "title": key }, "collapse_key": key })
}

/// Must be a 503 that says when to come back; its code.
async fn refused(response: Response) -> String {
    let status = response.status();
    let after = response.headers().get("retry-after").cloned();
    let body = json_of(response).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{body}");
    assert!(after.is_some(), "when to come back: {body}");
    text(&body["code"])
}

async fn refused_notification(client: &Client, key: &str) -> String {
    let request = client.service(Method::POST, "/v1/notifications");
    let request = request.header("idempotency-key", key).json(&to_ada(key));
    refused(request.send().await.expect("an answer")).await
}
