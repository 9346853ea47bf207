use fanfare_simulator::Provider;
use fanfare_simulator::rules::{Reaction, Reply, Rule, When};

use super::*;

fn first(provider: Provider, count: u64, reply: Reply) -> Rule {
    Rule {
        when: When {
            provider: Some(provider),
            first: Some(count),
            ..When::default()
        },
        then: Reaction::Answer(reply),
        ..Rule::default()
    }
}

#[tokio::test]
async fn one_access_token_for_many_pushes() {
    let rig = Rig::start().await;
    rig.send(Channel::Fcm, 300);
    rig.wait_ended(300).await;
    assert_eq!(rig.outcomes(), [(Outcome::Delivered, String::new(), 300)]);
    let books = rig.simulator.books().totals();
    assert_eq!((books.fcm.accepted, books.oauth.accepted), (300, 1));
    assert_eq!(books.fcm.connections.violations, 0);
    assert_eq!(books.fcm.connections.pings, 0);
}

#[tokio::test]
async fn a_token_endpoint_in_trouble_is_asked_again() {
    let rig = Rig::start().await;
    let rules = vec![first(Provider::Oauth, 1, Reply::new(503, ""))];
    rig.simulator.set_rules(rules).unwrap();
    rig.send(Channel::Fcm, 20);
    rig.wait_ended(20).await;
    assert_eq!(rig.outcomes(), [(Outcome::Delivered, String::new(), 20)]);
    assert_eq!(rig.simulator.books().totals().oauth.requests, 2);
    assert!(rig.stats_of("fcm").await.credential_usable);
}

#[tokio::test]
async fn a_refused_service_account_shows_and_nothing_ends() {
    let rig = Rig::start().await;
    assert!(
        rig.stats_of("fcm").await.credential_usable,
        "not needed yet"
    );
    let rules = vec![first(
        Provider::Oauth,
        100,
        Reply::new(400, "invalid_grant"),
    )];
    rig.simulator.set_rules(rules).unwrap();
    rig.send(Channel::Fcm, 5);
    eventually("the credential shows as unusable", async || {
        !rig.stats_of("fcm").await.credential_usable
    })
    .await;
    assert_eq!(rig.stats_of("fcm").await.waiting, 5);
    assert_eq!(*rig.ended.borrow(), 0);
    let failed =
        r#"fanfare_provider_token_renewals_total{app="shop",channel="fcm",result="failed"} 1"#;
    assert!(rig.metric(failed));
}

#[tokio::test]
async fn an_expired_access_token_costs_one_renewal() {
    let rig = Rig::start().await;
    rig.send(Channel::Fcm, 1);
    rig.wait_ended(1).await;
    let rules = vec![first(Provider::Fcm, 30, Reply::new(401, "UNAUTHENTICATED"))];
    rig.simulator.set_rules(rules).unwrap();
    rig.send(Channel::Fcm, 30);
    rig.wait_ended(31).await;
    assert_eq!(rig.outcomes(), [(Outcome::Delivered, String::new(), 31)]);
    assert_eq!(rig.simulator.books().totals().oauth.accepted, 2);
}
