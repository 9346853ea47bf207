use fanfare_simulator::Provider;
use fanfare_simulator::rules::{
    Code, Goaway, Last, Loss, Reaction, Reply, Reset, Rule, Span, When,
};
use fanfare_types::DeviceId;

use super::*;

fn rule(when: When, then: Reaction) -> Rule {
    Rule {
        when: When {
            provider: Some(Provider::Apns),
            ..when
        },
        then,
        ..Rule::default()
    }
}

fn first(count: u64, then: Reaction) -> Rule {
    let when = When {
        first: Some(count),
        ..When::default()
    };
    rule(when, then)
}

fn answer(status: u16, reason: &str) -> Reaction {
    Reaction::Answer(Reply::new(status, reason))
}

#[tokio::test]
async fn starts_with_one_stream_and_grows() {
    let latency = |config: &mut fanfare_simulator::Config| config.latency = Some(Span::Fixed(20));
    let rig = Rig::with(latency, Vec::new()).await;
    let live = rig.send(Channel::IosPush, 1_000);
    rig.wait_ended(1_000).await;
    assert_eq!(rig.outcomes(), [(Outcome::Delivered, String::new(), 1_000)]);
    let books = rig.simulator.books().totals();
    assert_eq!((books.apns.accepted, books.apns.duplicates), (1_000, 0));
    assert_eq!(books.apns.connections.violations, 0);
    assert!(books.apns.connections.streams_peak > 100);
    assert!(books.apns.connections.opened <= 4);
    assert_eq!(live.progress.counts().in_flight, 0);
    let telemetry =
        r#"fanfare_verdicts_total{app="shop",channel="ios_push",verdict="accepted"} 1000"#;
    assert!(rig.metric(telemetry), "{}", rig.telemetry.encode());
    let renewed = r#"fanfare_provider_token_renewals_total{app="shop",channel="ios_push",result="renewed"} 1"#;
    assert!(rig.metric(renewed));
    rig.endings.lock().clear();
    assert_eq!(rig.budget.taken(), 0, "permits come back");
}

#[tokio::test]
async fn goes_on_elsewhere_after_a_goaway() {
    let rig = Rig::start().await;
    let when = When {
        skip: Some(100),
        first: Some(3),
        ..When::default()
    };
    let goaway = Goaway {
        debug: r#"{"reason":"Shutdown"}"#.to_owned(),
        last: Last::Before,
        ..Goaway::default()
    };
    let rules = vec![rule(when, Reaction::Goaway(goaway))];
    rig.simulator.set_rules(rules).unwrap();
    rig.send(Channel::IosPush, 500);
    rig.wait_ended(500).await;
    assert_eq!(rig.outcomes(), [(Outcome::Delivered, String::new(), 500)]);
    let books = rig.simulator.books().totals();
    assert_eq!((books.apns.accepted, books.apns.duplicates), (500, 0));
    assert!(books.apns.connections.opened >= 2);
    let closed =
        r#"fanfare_connections_closed_total{app="shop",channel="ios_push",cause="going_away"}"#;
    eventually("it is counted", async || {
        rig.telemetry.encode().contains(closed)
    })
    .await;
}

#[tokio::test]
async fn a_stale_token_is_renewed_once_for_all_that_wait() {
    let rig = Rig::start().await;
    // The first push opens the way, so that many are under way when the token goes stale.
    rig.send(Channel::IosPush, 10);
    rig.wait_ended(10).await;
    let rules = vec![first(50, answer(403, "ExpiredProviderToken"))];
    rig.simulator.set_rules(rules).unwrap();
    rig.send(Channel::IosPush, 50);
    rig.wait_ended(60).await;
    assert_eq!(rig.outcomes(), [(Outcome::Delivered, String::new(), 60)]);
    let renewed = r#"fanfare_provider_token_renewals_total{app="shop",channel="ios_push",result="renewed"} 2"#;
    assert!(rig.metric(renewed), "{}", rig.telemetry.encode());
    let books = rig.simulator.books().totals();
    assert_eq!(books.apns.answered(429, None), 0);
}

#[tokio::test]
async fn refused_streams_go_again_at_once_and_resets_later() {
    let rig = Rig::start().await;
    let reset = Reset {
        code: Code::InternalError,
        processed: true,
    };
    let rules = vec![first(2, Reaction::Refuse), first(1, Reaction::Reset(reset))];
    rig.simulator.set_rules(rules).unwrap();
    rig.send(Channel::IosPush, 5);
    rig.wait_ended(5).await;
    assert_eq!(rig.outcomes(), [(Outcome::Delivered, String::new(), 5)]);
    // The one without an answer went again under the same apns-id.
    assert_eq!(rig.simulator.books().totals().apns.duplicates, 1);
    let attempts: u32 = rig
        .endings
        .lock()
        .iter()
        .map(|e| e.finished.delivery.attempts)
        .sum();
    assert_eq!(attempts, 6, "refused streams are no attempts");
}

#[tokio::test]
async fn one_time_passwords_are_not_sent_twice() {
    let rig = Rig::start().await;
    let reset = Reset {
        code: Code::InternalError,
        processed: true,
    };
    let rules = vec![first(1, Reaction::Reset(reset))];
    rig.simulator.set_rules(rules).unwrap();
    let live = rig.live(OnUnknown::Drop);
    rig.pools
        .deliver(rig.deliveries(&live, Channel::IosPush, 1));
    rig.wait_ended(1).await;
    let failed = (Outcome::Failed, "no_answer".to_owned(), 1);
    assert_eq!(rig.outcomes(), [failed]);
    assert_eq!(rig.simulator.books().totals().apns.requests, 1);
}

#[tokio::test]
async fn retries_after_the_time_the_provider_asked_for() {
    let rig = Rig::start().await;
    let reply = Reply::new(503, "ServiceUnavailable").header("retry-after", "1");
    let rules = vec![first(1, Reaction::Answer(reply))];
    rig.simulator.set_rules(rules).unwrap();
    let began = std::time::Instant::now();
    rig.send(Channel::IosPush, 1);
    rig.wait_ended(1).await;
    assert!(began.elapsed() >= Duration::from_secs(1));
    let delivered = (Outcome::Delivered, String::new(), 1);
    assert_eq!(rig.outcomes(), [delivered]);
    assert_eq!(rig.endings.lock()[0].finished.delivery.attempts, 2);
}

#[tokio::test]
async fn answers_reach_the_outcomes_as_they_are() {
    let rig = Rig::start().await;
    let rules = vec![
        first(1, answer(410, "Unregistered")),
        first(1, answer(400, "BadDeviceToken")),
        first(1, answer(400, "BadPriority")),
    ];
    rig.simulator.set_rules(rules).unwrap();
    rig.send(Channel::IosPush, 3);
    rig.wait_ended(3).await;
    let mut outcomes = rig.outcomes();
    outcomes.sort_by(|a, b| a.1.cmp(&b.1));
    let one = |outcome, reason: &str| (outcome, reason.to_owned(), 1);
    assert_eq!(
        outcomes,
        [
            one(Outcome::Dead, "BadDeviceToken"),
            one(Outcome::Rejected, "BadPriority"),
            one(Outcome::Dead, "Unregistered"),
        ]
    );
}

#[tokio::test]
async fn a_refused_credential_stops_the_pool() {
    let rig = Rig::start().await;
    let rules = vec![rule(When::default(), answer(403, "InvalidProviderToken"))];
    rig.simulator.set_rules(rules).unwrap();
    rig.send(Channel::IosPush, 20);
    rig.wait_ended(1).await;
    eventually("the breaker opens", async || {
        rig.stats_of("ios_push").await.breaker == "open"
    })
    .await;
    let stats = rig.stats_of("ios_push").await;
    assert!(stats.waiting >= 15, "{stats:?}");
    assert_eq!(rig.stats_of("fcm").await.breaker, "closed");
}

#[tokio::test]
async fn a_device_that_moved_is_routed_again() {
    let rig = Rig::start().await;
    let live = rig.live(OnUnknown::Retry);
    let mut batch = rig.deliveries(&live, Channel::IosPush, 2);
    let device = DeviceId::new(rig.clock.now(), 7);
    let user = fanfare_types::UserId::new("ada").unwrap();
    batch[0].device = Some((device, user));
    rig.revocations.revoke(device, rig.clock.now());
    rig.pools.deliver(batch);
    rig.wait_ended(1).await;
    let mut rerouted = rig.rerouted.clone();
    let waited = tokio::time::timeout(DEADLINE, rerouted.wait_for(|count| *count == 1)).await;
    assert!(waited.is_ok());
    assert_eq!(rig.simulator.books().totals().apns.requests, 1);
}

#[tokio::test]
async fn a_lost_connection_gives_everything_back() {
    let rig = Rig::start().await;
    let silence = Reaction::Silence(Loss::default());
    rig.simulator.set_rules(vec![first(1, silence)]).unwrap();
    let live = rig.send(Channel::IosPush, 1);
    eventually("the push is under way", async || {
        rig.simulator.books().totals().apns.requests == 1
    })
    .await;
    assert_eq!(live.progress.counts().in_flight, 1);
    rig.simulator
        .close_connections(Provider::Apns)
        .await
        .unwrap();
    rig.wait_ended(1).await;
    let delivered = (Outcome::Delivered, String::new(), 1);
    assert_eq!(rig.outcomes(), [delivered]);
    assert_eq!(live.progress.counts().in_flight, 0);
}
