//! Writes or fsyncs that fail: no room, read-only, broken.

use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt};
use reqwest::{Method, StatusCode};
use serde_json::json;

use super::instrument::{Disk, EIO, ENOSPC, EROFS};
use super::{DEVICES, Rig, refused, refused_notification, start};
use crate::harness::{apns_token, eventually};
use crate::outside::store_is_sound;
use crate::process::log_of;

/// Callers at once that do not believe the first refusal.
const CALLERS: usize = 40;

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_writes_keeps_reading_and_heals() {
    let fail = |disk: &Disk| disk.refuse_writes(ENOSPC);
    Box::pin(fails_and_heals(fail, &["store_unavailable"])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_disk_refuses_writes_keeps_reading_and_heals() {
    let fail = |disk: &Disk| disk.refuse_writes(EROFS);
    Box::pin(fails_and_heals(fail, &["store_unavailable"])).await;
}

/// After a failed fsync nobody knows what is on disk, and callers are told so once; from then on the log has to be
/// emptied first, which fails as well.
#[tokio::test(flavor = "multi_thread")]
async fn a_disk_whose_fsync_fails_refuses_writes_keeps_reading_and_heals() {
    let fail = |disk: &Disk| disk.refuse_fsync(EIO);
    Box::pin(fails_and_heals(
        fail,
        &["store_outcome_unknown", "store_unavailable"],
    ))
    .await;
}

async fn fails_and_heals(fail: impl Fn(&Disk), codes: &[&str]) {
    let mut rig = Rig::new("").await;
    rig.world.rules(&json!([{ "delay_ms": 300 }]));
    let accepted = [rig.accepted("one").await, rig.accepted("two").await];
    fail(&rig.disk);
    let lines_before = log_of(rig.world.directory.path()).lines().count();

    // What is under way is sent; its outcomes are not shown before they are on disk, and keep their permits.
    let all = 2 * DEVICES as usize;
    eventually(|| async { (rig.taken("one") + rig.taken("two") == all).then_some(()) }).await;
    for id in &accepted {
        let view = rig.client().view(id).await.expect("reads go on");
        assert_eq!(view["counts"]["delivered"], 0, "{view}");
    }
    assert_eq!(rig.permits_taken().await, 2 * u64::from(DEVICES));

    // Whoever writes is refused, whoever reads is not.
    let calls = (0..CALLERS).map(|number| {
        let client = rig.client();
        async move { refused_notification(client, &format!("refused-{number}")).await }
    });
    for code in join_all(calls).await {
        assert!(codes.contains(&code.as_str()), "{code}");
    }
    let body = json!({ "channel": "ios_push", "token": apns_token(77) });
    let register = rig.client().service(Method::POST, "/v1/users/bob/devices");
    let code = refused(register.json(&body).send().await.expect("an answer")).await;
    assert!(codes.contains(&code.as_str()), "{code}");
    let list = rig.client().get("/v1/users/ada/devices").await;
    assert!(list.is_some_and(|(status, _)| status == StatusCode::OK));
    let reasons = rig.unready().await;
    assert!(codes.contains(&reasons[0].as_str()), "{reasons:?}");

    // Nobody hammers the disk, and nobody fills it with words about it.
    let before = rig.disk.refused();
    let seen = |tries: u32| tries > before + 1;
    eventually(|| async { seen(rig.disk.refused()).then_some(()) }).await;
    let calls = u32::try_from(CALLERS).expect("few") + 20;
    assert!(rig.disk.refused() < 3 * calls, "{}", rig.disk.refused());
    let log = log_of(rig.world.directory.path());
    let lines = log.lines().count() - lines_before;
    assert!(lines < 25, "{lines} lines:\n{log}");

    rig.disk.heal();
    rig.is_well(&accepted).await;
    for key in ["one", "two"] {
        assert_eq!(rig.taken(key), DEVICES as usize, "{key}: sent once");
    }
    let again = rig.accepted("refused-0").await;
    rig.is_well(&[again]).await;
    rig.outside.serving.signal("TERM").await;
    assert!(rig.outside.serving.ended().await.success());
    store_is_sound(&rig.world).await;
}

/// The disk fills and empties while callers go on, and the process is killed while it is full.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_around_a_full_disk_survives_kill_9() {
    let mut rig = Rig::new("").await;
    let mut accepted = Vec::new();
    let mut refused = Vec::new();
    for round in 0..6 {
        let calls = (0..20).map(|number| {
            let (rig, key) = (&rig, format!("{round}-{number}"));
            async move {
                // With others under way.
                match number {
                    7 => rig.disk.refuse_writes(ENOSPC),
                    14 if round < 5 => rig.disk.heal(),
                    _ => {}
                }
                let (status, answer) = rig.notify(&key).await.expect("an answer");
                (key, status, answer["id"].as_str().map(str::to_owned))
            }
        });
        let answers = stream::iter(calls).buffer_unordered(4);
        for (key, status, id) in answers.collect::<Vec<_>>().await {
            match (status, id) {
                (StatusCode::ACCEPTED, Some(id)) => accepted.push(id),
                (StatusCode::SERVICE_UNAVAILABLE, _) => refused.push(key),
                (other, _) => panic!("{key}: {other}"),
            }
        }
    }
    rig.outside.kill().await;
    rig.disk.heal();
    rig.outside = start(&rig.world, &rig.disk).await;
    rig.is_well(&accepted).await;
    assert!(!accepted.is_empty() && !refused.is_empty());
    for key in &refused {
        assert_eq!(rig.taken(key), 0, "{key} was refused");
    }
    println!("{} accepted, {} refused", accepted.len(), refused.len());
}
