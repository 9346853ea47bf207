//! What a provider may answer, over real sockets: faults 12 to 16, 18 and 19 of `docs/faults.md`, and what becomes of
//! time and of secrets meanwhile.

mod bodies;
mod clock;
mod deaths;
mod late;
mod oauth;
mod retry_after;
mod secrets;

mod statuses;
mod storm;
mod tokens;

use fanfare_simulator::Provider;
use fanfare_simulator::books::{Entry, Query};
use futures_util::future::join_all;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{World, apns_token, expect, fcm_token};

pub(super) const APNS: &str = "apns";
pub(super) const FCM: &str = "fcm";

/// One answer to the first attempt of one push, and what must become of it.
#[derive(Clone)]
pub(super) struct Case {
    pub(super) provider: &'static str,
    /// As a rule's `answer`.
    pub(super) answer: Value,
    pub(super) outcome: &'static str,
    /// Attempts it takes: a second one is answered as documented.
    pub(super) attempts: u64,
}

impl Case {
    pub(super) fn new(
        provider: &'static str,
        answer: Value,
        outcome: &'static str,
        attempts: u64,
    ) -> Self {
        Case {
            provider,
            answer,
            outcome,
            attempts,
        }
    }
}

pub(super) fn token(provider: &str, n: u32) -> String {
    match provider {
        APNS => apns_token(n),
        _ => fcm_token(n),
    }
}

pub(super) fn channel(provider: &str) -> &'static str {
    match provider {
        APNS => "ios_push",
        _ => "fcm",
    }
}

/// A device of its own for each case (numbered from `first`), all pushed to at once, each first attempt answered as
/// the case says. Each delivery must end once, as expected, after as many attempts as expected; returns how each
/// device stands then.
pub(super) async fn all_end_as_expected(world: &World, first: u32, cases: &[Case]) -> Vec<String> {
    let numbered = || (first..).zip(cases);
    let mut rules = Vec::new();
    for (n, case) in numbered() {
        let token = token(case.provider, n);
        world
            .register(&format!("user-{n}"), channel(case.provider), &token)
            .await;
        rules.push(
            json!({ "when": { "provider": case.provider, "address": token },
            "times": 1, "then": { "answer": case.answer } }),
        );
    }
    proven(world).await;
    world.rules(&json!(rules));
    let each = numbered().map(|(n, case)| ends_as_expected(world, n, case));
    join_all(each).await
}

async fn ends_as_expected(world: &World, n: u32, case: &Case) -> String {
    let user = format!("user-{n}");
    let id = world.send_to(&[&user]).await;
    let counts = world.ended(&id).await;
    let told = format!("{} {}", case.provider, case.answer);
    let rows = world.deliveries(&id).await;
    assert_eq!(counts[case.outcome], 1, "{told}: {counts} {rows:?}");
    assert_eq!(rows.len(), 1, "{told}");
    assert_eq!(rows[0]["outcome"], case.outcome, "{told}");
    assert_eq!(rows[0]["attempts"], case.attempts, "{told}: {rows:?}");
    let seen = requests(world, case.provider, &token(case.provider, n));
    assert_eq!(seen.len() as u64, case.attempts, "{told}");
    let devices = world.devices(&user).await;
    assert_eq!(devices.len(), 1, "{told}");
    crate::harness::text(&devices[0]["status"])
}

/// Has both providers take a push, so that a single refusal does not open a breaker.
pub(super) async fn proven(world: &World) {
    if world.devices("prover").await.is_empty() {
        world.register("prover", "ios_push", &apns_token(1)).await;
        world.register("prover", "fcm", &fcm_token(1)).await;
    }
    let counts = world.ended(&world.send_to(&["prover"]).await).await;
    assert_eq!(counts["delivered"], 2, "{counts}");
}

/// What a provider was asked about one address, in order.
pub(super) fn requests(world: &World, provider: &str, address: &str) -> Vec<Entry> {
    let provider = match provider {
        APNS => Provider::Apns,
        _ => Provider::Fcm,
    };
    world.simulator.books().requests(&Query {
        provider: Some(provider),
        address: Some(address.to_owned()),
        ..Query::default()
    })
}

/// Token requests so far, whatever they were answered.
pub(super) fn token_requests(world: &World) -> u64 {
    world.simulator.books().totals().oauth.requests
}

/// Cancels a notification, which must have been waiting with exactly one attempt made.
pub(super) async fn still_waits_until_cancelled(world: &World, id: &str, told: &str) {
    let counts = world.view(id).await["counts"].clone();
    assert_eq!(counts["waiting"], 1, "{told}: {counts}");
    let path = format!("/v1/notifications/{id}");
    expect(world.service(Method::DELETE, &path), StatusCode::OK).await;
    let counts = world.ended(id).await;
    assert_eq!(counts["cancelled"], 1, "{told}: {counts}");
}
