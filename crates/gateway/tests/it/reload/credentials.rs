//! Keys and accounts that are rotated while pushes wait and are on their way.

use std::sync::OnceLock;

use fanfare_simulator::config::ApnsKey;
use fanfare_simulator::{Config, Material};
use serde_json::{Value, json};

use super::{crowd, to_crowd};
use crate::harness::{Options, World, eventually};

const CROWD: u32 = 60;

/// Where the next APNs key comes from.
fn next() -> &'static Material {
    static NEXT: OnceLock<Material> = OnceLock::new();
    NEXT.get_or_init(|| Material::generate().expect("keys"))
}

/// Apple knows the next key already.
fn two_keys(config: &mut Config) {
    let key = &next().apns_key;
    config.apns.keys.push(ApnsKey {
        key_id: key.key_id.clone(),
        team_id: key.team_id.clone(),
        public_key_pem: key.public_key_pem.clone(),
    });
}

/// Points the configuration to the next APNs key, and the account file to another key id.
fn rotate(world: &World) {
    let next = &next().apns_key;
    let path = |name: &str| world.directory.path().join(name);
    std::fs::write(path("next.p8"), &next.p8).expect("a file");
    let written = world.configuration();
    let lines = written.lines().map(|line| match line.split_once(" = ") {
        Some(("key_file", _)) => "key_file = \"next.p8\"".to_owned(),
        Some(("key_id", _)) => format!("key_id = \"{}\"", next.key_id),
        Some(("team_id", _)) => format!("team_id = \"{}\"", next.team_id),
        _ => line.to_owned(),
    });
    world.configure(&lines.collect::<Vec<_>>().join("\n"));
    let account = std::fs::read(path("service-account.json")).expect("a file");
    let mut account: Value = serde_json::from_slice(&account).expect("JSON");
    account["private_key_id"] = json!("rotated");
    std::fs::write(path("service-account.json"), account.to_string()).expect("a file");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_credential_takes_over_without_loss_or_duplicate() {
    let world = World::with(Options {
        simulated: Some(two_keys),
        ..Options::default()
    })
    .await;
    crowd(&world, CROWD).await;
    world.ended(&world.send(&to_crowd(CROWD)).await).await;
    world.rules(&json!([{ "delay_ms": { "min": 400, "max": 600 } }]));
    let mut ids = Vec::new();
    for _ in 0..20 {
        ids.push(world.send(&to_crowd(CROWD)).await);
    }
    let under_way = eventually(|| async {
        for id in ids.iter().rev() {
            if world.view(id).await["counts"]["in_flight"] != 0 {
                return Some(());
            }
        }
        None
    });
    under_way.await;
    rotate(&world);
    let (live, _) = world.reload().await;
    assert_eq!(live, ["apps.demo.apns replaced", "apps.demo.fcm replaced"]);
    for _ in 0..5 {
        ids.push(world.send(&to_crowd(CROWD)).await);
    }
    for id in &ids {
        assert_eq!(world.ended(id).await["delivered"], CROWD);
    }
    let totals = world.simulator.books().totals();
    let sent = u64::try_from(ids.len() + 1).expect("few") * u64::from(CROWD);
    assert_eq!(totals.apns.requests + totals.fcm.requests, sent);
    assert_eq!(
        (
            totals.apns.accepted + totals.fcm.accepted,
            totals.apns.duplicates
        ),
        (sent, 0)
    );
    assert_eq!(
        totals.oauth.accepted, 2,
        "one access token for each account"
    );
    let old_ones_closed = eventually(|| async {
        let totals = world.simulator.books().totals();
        let (apns, fcm) = (totals.apns.connections, totals.fcm.connections);
        (apns.open <= 4 && fcm.open <= 4 && apns.opened > apns.open && fcm.opened > fcm.open)
            .then_some(())
    });
    old_ones_closed.await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_is_cured_by_a_reload() {
    let world = World::new().await;
    world
        .register("ada", "ios_push", &crate::harness::apns_token(1))
        .await;
    world.ended(&world.send_to(&["ada"]).await).await;
    let good = world.configuration();
    // Apple does not know this one.
    rotate(&world);
    world.reload().await;
    let id = world.send_to(&["ada"]).await;
    assert_eq!(world.ended(&id).await["failed"], 1);
    eventually(|| async {
        let ready = world
            .request(reqwest::Method::GET, "/readyz")
            .send()
            .await
            .expect("an answer");
        let text = ready.text().await.expect("text");
        text.contains("credential:demo/ios_push").then_some(())
    })
    .await;
    world.configure(&good);
    world.reload().await;
    let ready = world
        .request(reqwest::Method::GET, "/readyz")
        .send()
        .await
        .expect("an answer");
    assert_eq!(ready.status(), 200, "the new pool knows of no refusal");
    let id = world.send_to(&["ada"]).await;
    assert_eq!(world.ended(&id).await["delivered"], 1);
}
