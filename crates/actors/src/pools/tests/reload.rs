//! Other credentials and limits for pools that are at work.

use fanfare_simulator::Provider;
use fanfare_simulator::rules::{Reaction, Rule, Span, When};

use super::*;

/// Answers come only later.
fn slow(provider: Provider, delay_ms: u64) -> Rule {
    Rule {
        when: When {
            provider: Some(provider),
            ..When::default()
        },
        delay_ms: Some(Span::Fixed(delay_ms)),
        then: Reaction::Pass,
        ..Rule::default()
    }
}

/// The rig's app, changed.
fn changed(rig: &Rig, change: impl FnOnce(&mut ApnsCredential, &mut FcmCredential)) -> App {
    let mut app = app(&rig.simulator);
    let (mut apns, mut fcm) = (app.apns.take().unwrap(), app.fcm.take().unwrap());
    change(
        Arc::get_mut(&mut apns).unwrap(),
        Arc::get_mut(&mut fcm).unwrap(),
    );
    App {
        apns: Some(apns),
        fcm: Some(fcm),
        ..app
    }
}

/// Refused by the simulator.
fn wrong_team() -> apns_provider::Signer {
    let key = &material().apns_key;
    apns_provider::Signer::new(key.p8.as_bytes(), &key.key_id, "TEAM000000").unwrap()
}

#[tokio::test]
async fn the_same_credentials_keep_their_connections_under_other_limits() {
    let rig = Rig::start().await;
    rig.send(Channel::IosPush, 200);
    rig.send(Channel::Fcm, 200);
    rig.wait_ended(400).await;
    let before = rig.simulator.books().totals();
    let same = changed(&rig, |apns, fcm| {
        apns.connections_max = 7;
        fcm.rate_max = 50_000;
    });
    for app in [app(&rig.simulator), same] {
        rig.pools.reload(&[app]).await.unwrap();
        rig.send(Channel::IosPush, 20);
        rig.send(Channel::Fcm, 20);
    }
    rig.wait_ended(480).await;
    let after = rig.simulator.books().totals();
    for (before, after) in [(before.apns, after.apns), (before.fcm, after.fcm)] {
        assert_eq!(before.connections.opened, after.connections.opened);
        assert_eq!(after.connections.open, before.connections.open);
    }
    assert_eq!(
        before.oauth.requests, after.oauth.requests,
        "nor was a token fetched"
    );
}

#[tokio::test]
async fn another_account_takes_over_what_waits_and_no_push_is_doubled() {
    let rig = Rig::start().await;
    rig.simulator
        .set_rules(vec![slow(Provider::Fcm, 200)])
        .unwrap();
    rig.send(Channel::Fcm, 3_000);
    eventually("some are under way, and more wait", async || {
        let stats = rig.stats_of("fcm").await;
        stats.in_flight > 0 && stats.waiting > 0
    })
    .await;
    let other = other_account(&rig.simulator);
    let app = changed(&rig, |_, fcm| fcm.account = other);
    rig.pools.reload(&[app]).await.unwrap();
    assert!(rig.stats_of("fcm").await.waiting > 0, "they moved");
    rig.simulator.clear_rules();
    rig.wait_ended(3_000).await;
    let books = rig.simulator.books().totals();
    assert_eq!((books.fcm.requests, books.fcm.accepted), (3_000, 3_000));
    assert_eq!(books.fcm.accepted_addresses, 3_000);
    assert_eq!(books.oauth.requests, 2, "a token for each account");
    eventually("the old pool is gone", async || {
        rig.pools.0.retired.lock().is_empty()
    })
    .await;
}

#[tokio::test]
async fn what_the_old_credential_is_refused_for_goes_out_under_the_new_one() {
    let rig = Rig::start().await;
    rig.simulator
        .set_rules(vec![slow(Provider::Apns, 300)])
        .unwrap();
    let wrong = changed(&rig, |apns, _| apns.signer = Some(wrong_team()));
    rig.pools.reload(&[wrong]).await.unwrap();
    let live = rig.send(Channel::IosPush, 50);
    eventually("one tries the wrong key", async || {
        live.progress.counts().in_flight > 0
    })
    .await;
    rig.pools.reload(&[app(&rig.simulator)]).await.unwrap();
    rig.wait_ended(50).await;
    assert_eq!(rig.outcomes(), [(Outcome::Delivered, String::new(), 50)]);
    let books = rig.simulator.books().totals();
    assert_eq!(books.apns.answered(403, Some("InvalidProviderToken")), 1);
    assert_eq!((books.apns.accepted, books.apns.duplicates), (50, 0));
}

#[tokio::test]
async fn without_its_credential_a_delivery_fails_and_without_its_app_it_waits_in_the_journal() {
    let rig = Rig::start().await;
    let without = App {
        fcm: None,
        ..app(&rig.simulator)
    };
    rig.pools.reload(&[without]).await.unwrap();
    rig.send(Channel::Fcm, 3);
    rig.wait_ended(3).await;
    assert_eq!(
        rig.outcomes(),
        [(Outcome::Failed, "no_credential".to_owned(), 3)]
    );
    assert_eq!(rig.pools.stats(DEADLINE).await.unwrap().len(), 2);

    rig.pools.reload(&[]).await.unwrap();
    rig.endings.lock().clear();
    rig.send(Channel::IosPush, 5);
    assert_eq!((rig.endings.lock().len(), rig.budget.taken()), (0, 0));

    rig.pools.reload(&[app(&rig.simulator)]).await.unwrap();
    rig.send(Channel::Fcm, 4);
    rig.send(Channel::IosPush, 4);
    eventually("it is as if nothing had been", async || {
        rig.endings.lock().len() == 8
    })
    .await;
}

#[tokio::test]
async fn an_unusable_credential_changes_nothing() {
    let rig = Rig::start().await;
    let app = changed(&rig, |apns, _| apns.topic = "no topic".to_owned());
    assert!(rig.pools.reload(&[app]).await.is_err());
    rig.send(Channel::IosPush, 5);
    rig.wait_ended(5).await;
    assert_eq!(rig.simulator.books().totals().apns.accepted, 5);
}

#[tokio::test]
async fn a_drain_waits_for_the_answers_of_a_replaced_pool() {
    let rig = Rig::start().await;
    rig.simulator
        .set_rules(vec![slow(Provider::Fcm, 300)])
        .unwrap();
    rig.send(Channel::Fcm, 20);
    eventually("they are under way", async || {
        rig.stats_of("fcm").await.in_flight == 20
    })
    .await;
    let other = other_account(&rig.simulator);
    let app = changed(&rig, |_, fcm| fcm.account = other);
    rig.pools.reload(&[app]).await.unwrap();
    assert!(rig.pools.drain(DEADLINE).await);
    rig.wait_ended(20).await;
    assert_eq!(rig.simulator.books().totals().fcm.accepted, 20);
}

#[tokio::test]
async fn a_pool_that_is_started_again_has_the_credential_of_now() {
    let rig = Rig::start().await;
    let wrong = changed(&rig, |apns, _| apns.signer = Some(wrong_team()));
    rig.pools.reload(&[wrong]).await.unwrap();
    let slot = rig.pools.slots()[0].clone();
    let before = slot.get().unwrap();
    before.kill();
    eventually("there is another pool", async || {
        slot.get().unwrap().get_id() != before.get_id()
    })
    .await;
    rig.send(Channel::IosPush, 1);
    rig.wait_ended(1).await;
    let refused = (Outcome::Failed, "InvalidProviderToken".to_owned(), 1);
    assert_eq!(rig.outcomes(), [refused]);
}
