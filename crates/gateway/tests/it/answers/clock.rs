//! The machine's clock is set, an hour forward or back, while pushes wait, are retried and delivered.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use fanfare_gateway::clock;
use fanfare_types::{Clock, Timestamp};
use reqwest::{Method, StatusCode};
use serde_json::json;

use super::{APNS, proven, requests, token};
use crate::harness::{Options, World, apns_token, eventually, expect, fcm_token};

const HOUR: i64 = 3_600_000;

/// Of an access token.
const LIFE: Duration = Duration::from_secs(2);

/// What a loaded machine takes longer.
const LATE: u64 = 3_000;

/// A machine's clock that can be set.
#[derive(Clone)]
struct Machine {
    off_ms: Arc<AtomicI64>,
}

impl Machine {
    /// Right, until somebody sets it.
    async fn with_world() -> (Machine, World) {
        let machine = Machine {
            off_ms: Arc::default(),
        };
        let (began, off_ms) = (Instant::now(), machine.off_ms.clone());
        let wall = move || {
            let right = Clock::system().now().as_millis();
            Timestamp(right.saturating_add_signed(off_ms.load(Ordering::Relaxed)))
        };
        let world = World::with(Options {
            clock: Some(clock::steady(move || began.elapsed(), wall)),
            simulated: Some(|config| config.fcm.access_token_ttl = LIFE),
            ..Options::default()
        })
        .await;
        (machine, world)
    }

    /// Sets it, and waits until the gateway has noticed.
    async fn set(&self, world: &World, off_ms: i64) {
        self.off_ms.store(off_ms, Ordering::Relaxed);
        eventually(|| async {
            let metrics = world.request(Method::GET, "/metrics").send().await.ok()?;
            let text = metrics.text().await.ok()?;
            let ahead = text
                .lines()
                .find_map(|line| line.strip_prefix("fanfare_clock_ahead_seconds "))?;
            let ahead: i64 = ahead.parse().ok()?;
            ((ahead - off_ms / 1_000).abs() <= 2).then_some(())
        })
        .await;
    }
}

/// Milliseconds between the attempts at an address.
fn waits(world: &World, address: &str) -> Vec<u64> {
    let seen = requests(world, APNS, address);
    seen.windows(2)
        .map(|pair| pair[1].at_ms - pair[0].at_ms)
        .collect()
}

async fn jumps(off_ms: i64) {
    let (machine, world) = Machine::with_world().await;
    proven(&world).await;
    let addresses = [10, 11, 12].map(apns_token);
    for (user, address) in ["told", "own", "later"].iter().zip(&addresses) {
        world.register(user, "ios_push", address).await;
    }
    let busy = |headers| json!({ "answer": { "status": 503, "reason": "ServiceUnavailable", "headers": headers } });
    world.rules(&json!([
        { "when": { "address": addresses[0] }, "times": 2, "then": busy(json!({ "retry-after": "3" })) },
        { "when": { "address": addresses[1] }, "times": 1, "then": busy(json!({})) },
    ]));
    let ten_minutes =
        |user: &str| json!({ "to": { "users": [user] }, "message": { "title": "hi" }, "ttl": 600 });
    let told = world.send(&ten_minutes("told")).await;
    let own = world.send(&ten_minutes("own")).await;
    let due = Clock::system().now() + Duration::from_secs(5);
    let mut scheduled = ten_minutes("later");
    scheduled["send_at"] = json!(due.to_rfc3339());
    let scheduled = world.send(&scheduled).await;
    eventually(|| async {
        let tried = addresses[..2]
            .iter()
            .all(|address| requests(&world, APNS, address).len() == 1);
        tried.then_some(())
    })
    .await;

    machine.set(&world, off_ms).await;
    for id in [&told, &own, &scheduled] {
        assert_eq!(
            world.view(id).await["counts"]["waiting"],
            1,
            "nothing expires, nothing hurries"
        );
    }
    for id in [&told, &scheduled, &own] {
        assert_eq!(world.ended(id).await["delivered"], 1);
    }
    // An hour is an hour or, at worst, a hundredth less.
    let told = waits(&world, &addresses[0]);
    let as_told = |wait: &u64| (2_970..3_300 + LATE).contains(wait);
    assert!(told.len() == 2 && told.iter().all(as_told), "{told:?}");
    let own = waits(&world, &addresses[1]);
    assert!(
        own.len() == 1 && (7_400..15_200 + LATE).contains(&own[0]),
        "{own:?}"
    );
    let sent = requests(&world, APNS, &addresses[2]);
    let late = sent[0].at_ms as i64 - due.as_millis() as i64;
    assert!(
        sent.len() == 1 && (-100..200 + LATE as i64).contains(&late),
        "{late} ms"
    );

    // And when it is set to rights again, nothing jumps back.
    let during = world.send(&ten_minutes("told")).await;
    machine.set(&world, 0).await;
    let after = world.send(&ten_minutes("told")).await;
    assert_eq!(world.ended(&after).await["delivered"], 1);
    let created = async |id: &str| {
        let view = world.view(id).await;
        Timestamp::parse_rfc3339(view["created_at"].as_str().expect("a time")).expect("a time")
    };
    let apart = created(&after).await.since(created(&during).await);
    assert!(apart < Duration::from_secs(60), "{apart:?}");
    assert!(created(&during).await <= created(&after).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hour_forward_or_back_hurries_nothing_holds_nothing_up_and_ends_nothing_early() {
    tokio::join!(jumps(HOUR), jumps(-HOUR));
}

/// The providers' clocks are right and the machine's is not: what it has dated is refused, and dated anew by the
/// gateway's.
async fn tokens_are_renewed(off_ms: i64) {
    let (machine, world) = Machine::with_world().await;
    machine.set(&world, off_ms).await;
    for n in 0..2 {
        let user = format!("user-{n}");
        let register = world.service(Method::POST, &format!("/v1/users/{user}/devices"));
        let device = json!({ "channel": "ios_push", "token": token(APNS, n) });
        expect(register.json(&device), StatusCode::CREATED).await;
        let register = world.service(Method::POST, &format!("/v1/users/{user}/devices"));
        let device = json!({ "channel": "fcm", "token": fcm_token(n) });
        expect(register.json(&device), StatusCode::CREATED).await;
        // Each finds the access token of the one before at its end, or past it.
        let id = world.send_to(&[&user]).await;
        assert_eq!(world.ended(&id).await["delivered"], 2);
        let ended = Instant::now();
        eventually(|| async { (ended.elapsed() > LIFE).then_some(()) }).await;
    }
    let totals = world.simulator.books().totals();
    let refused = totals.apns.answered(403, None);
    assert!(refused <= 1, "APNs refused {refused}");
    let refused = totals.oauth.answered(400, None);
    assert!(refused <= 1, "the token endpoint refused {refused}");
    assert!(totals.oauth.accepted >= 2, "{totals:?}");
    assert_eq!(totals.fcm.answered(401, None), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_renewed_while_the_machines_clock_is_wrong() {
    tokio::join!(tokens_are_renewed(HOUR), tokens_are_renewed(-HOUR));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_users_jwt_is_judged_by_the_machines_clock() {
    let (machine, world) = Machine::with_world().await;
    let list = || world.user("ada", Method::GET, "/v1/devices");
    expect(list(), StatusCode::OK).await;
    machine.set(&world, HOUR).await;
    let refused = list().send().await.expect("an answer");
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    machine.set(&world, 0).await;
    expect(list(), StatusCode::OK).await;
}
