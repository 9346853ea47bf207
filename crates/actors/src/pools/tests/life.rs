use fanfare_simulator::Provider;
use fanfare_simulator::rules::{Reaction, Rule, Span, When};

use super::*;
use crate::failpoint::plan;

#[tokio::test]
async fn without_a_credential_it_ends_as_failed() {
    let rig = Rig::start().await;
    rig.send(Channel::WebPush, 3);
    rig.wait_ended(3).await;
    let failed = (Outcome::Failed, "no_credential".to_owned(), 3);
    assert_eq!(rig.outcomes(), [failed]);
}

#[tokio::test]
async fn a_mixed_batch_finds_its_pools() {
    let rig = Rig::start().await;
    let live = rig.live(OnUnknown::Retry);
    let mut batch = rig.deliveries(&live, Channel::IosPush, 10);
    batch.extend(rig.deliveries(&live, Channel::Fcm, 10));
    batch.extend(rig.deliveries(&live, Channel::WebPush, 1));
    rig.pools.deliver(batch);
    rig.wait_ended(21).await;
    let books = rig.simulator.books().totals();
    assert_eq!((books.apns.accepted, books.fcm.accepted), (10, 10));
}

/// Answers come only later.
fn slow(provider: Provider, millis: u64) -> Rule {
    Rule {
        when: When {
            provider: Some(provider),
            ..When::default()
        },
        delay_ms: Some(Span::Fixed(millis)),
        then: Reaction::Pass,
        ..Rule::default()
    }
}

#[tokio::test]
async fn draining_waits_for_answers_and_closes() {
    let rig = Rig::start().await;
    rig.send(Channel::Fcm, 1);
    rig.wait_ended(1).await;
    let rules = vec![slow(Provider::Fcm, 300)];
    rig.simulator.set_rules(rules).unwrap();
    rig.send(Channel::Fcm, 50);
    eventually("they are under way", async || {
        rig.stats_of("fcm").await.in_flight == 50
    })
    .await;
    assert!(rig.pools.drain(DEADLINE).await);
    rig.wait_ended(51).await;
    eventually("connections are closed", async || {
        rig.simulator.books().totals().fcm.connections.open == 0
    })
    .await;
    rig.send(Channel::Fcm, 5);
    eventually("what comes later is dropped", async || {
        rig.endings.lock().clear();
        rig.budget.taken() == 0
    })
    .await;
    assert_eq!(rig.simulator.books().totals().fcm.requests, 51);
}

#[tokio::test]
async fn draining_does_not_wait_for_ever() {
    let rig = Rig::start().await;
    rig.simulator
        .set_rules(vec![slow(Provider::Fcm, 60_000)])
        .unwrap();
    rig.send(Channel::Fcm, 1);
    eventually("it is under way", async || {
        rig.stats_of("fcm").await.in_flight == 1
    })
    .await;
    assert!(!rig.pools.drain(Duration::from_millis(100)).await);
}

#[tokio::test]
async fn a_crashed_pool_is_replaced_and_one_that_keeps_crashing_is_given_up() {
    let rig = Rig::start().await;
    let slot = &rig.pools.slots()[2];
    for _ in 0..2 {
        let before = slot.get().unwrap();
        before.kill();
        eventually("there is another", async || {
            slot.get().unwrap().get_id() != before.get_id()
        })
        .await;
        eventually("its connections went with it", async || {
            rig.simulator.books().totals().fcm.connections.open == 0
        })
        .await;
        let ended = *rig.ended.borrow();
        rig.send(Channel::Fcm, 5);
        rig.wait_ended(ended + 5).await;
    }
    slot.get().unwrap().kill();
    let mut gave_up = rig.gave_up.clone();
    let why = tokio::time::timeout(DEADLINE, gave_up.wait_for(Option::is_some)).await;
    let why = why.unwrap().unwrap().clone().unwrap();
    assert!(why.contains("shop") && why.contains("fcm"), "{why}");
}

#[tokio::test]
async fn a_crashed_connection_gives_back_what_it_had_and_is_replaced() {
    let rig = Rig::start().await;
    rig.simulator
        .set_rules(vec![slow(Provider::Apns, 60_000)])
        .unwrap();
    let live = rig.send(Channel::IosPush, 1);
    eventually("it is under way", async || {
        live.progress.counts().in_flight == 1
    })
    .await;
    let pool = rig.pools.slots()[0].get().unwrap();
    for connection in pool.get_children() {
        connection.kill();
    }
    // Its fate is unknown, so it goes again as the message says.
    eventually("it is back in the pool", async || {
        live.progress.counts().in_flight == 0 && rig.stats_of("ios_push").await.retrying == 1
    })
    .await;
    rig.simulator.clear_rules();
    rig.send(Channel::IosPush, 10);
    rig.wait_ended(11).await;
    assert_eq!(rig.outcomes(), [(Outcome::Delivered, String::new(), 11)]);
    assert!(live.progress.losses().is_empty());
}

#[tokio::test]
async fn a_crashed_connection_does_not_send_one_time_passwords_twice() {
    let rig = Rig::start().await;
    let rules = vec![slow(Provider::Apns, 60_000)];
    rig.simulator.set_rules(rules).unwrap();
    let live = rig.live(OnUnknown::Drop);
    rig.pools
        .deliver(rig.deliveries(&live, Channel::IosPush, 1));
    eventually("it is under way", async || {
        live.progress.counts().in_flight == 1
    })
    .await;
    let pool = rig.pools.slots()[0].get().unwrap();
    for connection in pool.get_children() {
        connection.kill();
    }
    rig.wait_ended(1).await;
    let failed = (Outcome::Failed, "no_answer".to_owned(), 1);
    assert_eq!(rig.outcomes(), [failed]);
}

#[tokio::test]
async fn connections_that_keep_crashing_are_given_up() {
    let rig = Rig::start().await;
    let mut gave_up = rig.gave_up.clone();
    let crash = async {
        loop {
            rig.send(Channel::Fcm, 1);
            plan::arm(&[(("connection", "Hand"), &[1])]);
            eventually("it has crashed", async || {
                plan::panicked(("connection", "Hand")) == 1
            })
            .await;
        }
    };
    let why = tokio::select! {
        () = crash => unreachable!(),
        why = tokio::time::timeout(DEADLINE, gave_up.wait_for(Option::is_some)) => why,
    };
    let why = why.unwrap().unwrap().clone().unwrap();
    assert!(why.contains("connections of shop (fcm)"), "{why}");
}

#[tokio::test]
async fn a_sender_runtime_that_is_gone_does_not_swallow_what_it_is_given() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let gone = runtime.handle().clone();
    runtime.shutdown_background();
    let rig = Rig::with(|_| {}, vec![gone, Handle::current()]).await;
    rig.send(Channel::IosPush, 5);
    rig.send(Channel::Fcm, 5);
    rig.wait_ended(10).await;
}

#[tokio::test]
async fn connections_live_on_the_runtimes_they_are_given() {
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let handle = runtime.handle().clone();
    let thread = std::thread::spawn(move || drop(runtime.block_on(stopped)));
    let rig = Rig::with(|_| {}, vec![handle.clone()]).await;
    rig.send(Channel::IosPush, 200);
    rig.wait_ended(200).await;
    // The actor and its driver.
    assert!(handle.metrics().num_alive_tasks() >= 2);
    rig.parent.stop(None);
    drop(rig);
    drop(stop);
    thread.join().unwrap();
}
