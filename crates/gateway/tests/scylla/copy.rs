//! `fanfare store copy`: an embedded store into a cluster.

use std::path::PathBuf;

use fanfare_store::scylla::Scylla;
use fanfare_store::{Campaigns, Journal, Registry};
use fanfare_types::{AppId, CampaignId, NotificationId, UserId};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::campaigns::rig::{to_all, with};
use crate::harness::{World, apns_token, expect, fcm_token};
use crate::keyspaces::Loan;
use crate::process::fanfare;

/// What was in the embedded store.
struct Before {
    sent: String,
    cancelled: String,
    finished: String,
    draft: String,
}

/// Devices, a notification that was delivered, one that was scheduled and cancelled, a campaign that is over and a draft
/// with an upload.
async fn filled(world: &World) -> Before {
    for n in 0..40 {
        let (channel, token) = match n % 2 {
            0 => ("ios_push", apns_token(n)),
            _ => ("fcm", fcm_token(n)),
        };
        world
            .register(&format!("user-{}", n / 2), channel, &token)
            .await;
    }
    let body = json!({ "to": { "users": ["user-1", "user-2"] }, "message": { "title": "hi" } });
    let request = world.service(Method::POST, "/v1/notifications");
    let request = request.header("idempotency-key", "once").json(&body);
    let sent = expect(request, StatusCode::ACCEPTED).await["id"]
        .as_str()
        .map(str::to_owned);
    let sent = sent.expect("an id");
    assert_eq!(world.ended(&sent).await["delivered"], 4);
    let later = fanfare_types::Timestamp(fanfare_types::Clock::system().now().0 + 3_600_000);
    let mut scheduled = body.clone();
    scheduled["send_at"] = json!(later.to_rfc3339());
    let cancelled = world.send(&scheduled).await;
    let path = format!("/v1/notifications/{cancelled}");
    expect(world.service(Method::DELETE, &path), StatusCode::OK).await;
    let finished = world.launch(&to_all()).await;
    world.completed(&finished).await;
    let members = json!({ "audience": { "recipients": "upload" } });
    let draft = world.create(&with(to_all(), &members)).await;
    let rows: String = (0..20)
        .map(|n| format!("{}\n", json!({"user_id": format!("user-{n}")})))
        .collect();
    world.upload(&draft, "application/x-ndjson", &rows).await;
    Before {
        sent,
        cancelled,
        finished,
        draft,
    }
}

fn configuration(world: &World, loan: &Loan) -> PathBuf {
    let text = std::fs::read_to_string(&world.sandbox.config).expect("a configuration");
    let path = world.directory.path().join("cluster.toml");
    let lease = "[fleet]\nlease = \"1s\"\nsettle = \"400ms\"\n";
    std::fs::write(&path, format!("{text}\n{}{lease}", loan.table())).expect("a file");
    path
}

async fn copy(world: &World, config: &std::path::Path) -> (Option<i32>, Value, String) {
    let config = config.to_str().expect("UTF-8");
    let arguments = ["store", "copy", "--config", config, "--json"];
    let output = fanfare(world.directory.path(), &arguments).await;
    let said = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), said, error)
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_there_afterwards_and_twice_does_no_harm() {
    let mut world = World::embedded().await;
    let before = filled(&world).await;
    let loan = Loan::take().await;
    let config = configuration(&world, &loan);
    let (code, _, error) = copy(&world, &config).await;
    assert_eq!(code, Some(1), "it is served");
    assert!(error.contains("in use"), "{error}");
    assert!(world.drain().await);
    for _ in 0..2 {
        let (code, said, error) = copy(&world, &config).await;
        assert_eq!(code, Some(0), "{error}");
        let all = |n: u64| json!({ "there": n, "copied": n });
        assert_eq!(said["devices"], all(40));
        assert_eq!(said["notifications"], all(2));
        assert_eq!(said["campaigns"], all(2));
        is_there(&loan, &before).await;
    }
}

async fn is_there(loan: &Loan, before: &Before) {
    let store = Box::pin(Scylla::open(&loan.config()))
        .await
        .expect("a store");
    let app = AppId::new("demo").expect("an app");
    let user = UserId::new("user-1").expect("a user");
    let devices = store.devices_of(&app, vec![user]).await.expect("devices");
    assert_eq!(devices.len(), 2);
    let notification = |id: &str| NotificationId::parse_uuid(id).expect("an id");
    let sent = store.summary(&app, notification(&before.sent)).await;
    let sent = sent.expect("an answer").expect("a notification");
    assert_eq!((sent.counts.delivered, sent.recipients), (4, 4));
    let cancelled = store.summary(&app, notification(&before.cancelled)).await;
    assert!(
        cancelled
            .expect("an answer")
            .expect("a notification")
            .cancelled
    );
    let campaign = |id: &str| CampaignId::parse_uuid(id).expect("an id");
    let finished = store.campaign(&app, campaign(&before.finished)).await;
    let finished = finished.expect("an answer").expect("a campaign");
    assert_eq!((finished.counts.delivered, finished.scan.opened), (40, 40));
    let draft = store.campaign(&app, campaign(&before.draft)).await;
    let draft = draft.expect("an answer").expect("a campaign");
    assert!(draft.upload.is_complete && draft.upload.rows == 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_campaign_in_its_middle_is_not_copied_and_is_named() {
    let mut world = World::embedded().await;
    for n in 0..20 {
        world
            .register(&format!("user-{n}"), "ios_push", &apns_token(n))
            .await;
    }
    let id = world.launch(&with(to_all(), &json!({ "rate": 1 }))).await;
    world.steer(&id, "pause").await;
    assert!(world.drain().await);
    let loan = Loan::take().await;
    let config = configuration(&world, &loan);
    let (code, _, error) = copy(&world, &config).await;
    assert_eq!(code, Some(1));
    assert!(error.contains(&id) && error.contains("cancel"), "{error}");
}
