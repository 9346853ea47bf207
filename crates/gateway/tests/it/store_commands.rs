//! `fanfare store check|backup|restore`, and what `serve` says of a store it will not open.

use std::path::{Path, PathBuf};
use std::process::Output;

use fanfare_gateway::storage::STORE_FILE;
use futures_util::future::join_all;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::harness::{World, apns_token};
use crate::outside::{Client, Outside};
use crate::process::fanfare;

fn said(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8(both).expect("UTF-8")
}

async fn store(world: &World, arguments: &[&str]) -> Output {
    let all = [&["store"], arguments].concat();
    fanfare(world.directory.path(), &all).await
}

fn file_of(world: &World) -> PathBuf {
    world.directory.path().join("data").join(STORE_FILE)
}

/// Sends to Ada until told to stop; the ids that were acknowledged.
async fn send_some(client: &Client, from: u32, count: u32) -> Vec<String> {
    let calls = (from..from + count).map(|number| async move {
        let body = json!({ "to": { "users": ["ada"] }, "message": { "title": "hi" } });
        let answer = client.notify(&format!("call-{number}"), &body).await;
        let (status, answer) = answer.expect("an answer");
        assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
        answer["id"].as_str().expect("an id").to_owned()
    });
    join_all(calls).await
}

async fn is_there(client: &Client, id: &str) -> bool {
    let answer = client.get(&format!("/v1/notifications/{id}")).await;
    answer.expect("an answer").0 == StatusCode::OK
}

/// A world with a device whose gateway is not running.
async fn world() -> World {
    let mut world = World::embedded().await;
    world.register("ada", "ios_push", &apns_token(1)).await;
    assert!(world.drain().await);
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_made_while_serving_and_put_back_when_not() {
    let world = world().await;
    let mut outside = Outside::start(&world, &[]).await;
    outside.ready().await;
    let before = send_some(&outside.client, 0, 50).await;
    let (made, _) = tokio::join!(
        store(&world, &["backup", "--to", "copy.db", "--json"]),
        send_some(&outside.client, 100, 50)
    );
    assert!(made.status.success(), "{}", said(&made));
    let told: Value = serde_json::from_slice(&made.stdout).expect("JSON");
    assert_eq!(told["devices"], 1, "{told}");
    assert!(told["notifications"].as_u64() >= Some(50), "{told}");
    let after = send_some(&outside.client, 200, 1).await;

    let twice = store(&world, &["backup", "--to", "copy.db"]).await;
    assert_eq!(twice.status.code(), Some(1));
    assert!(said(&twice).contains("--force"), "{}", said(&twice));
    let checked = store(&world, &["check", "--file", "copy.db"]).await;
    assert!(
        checked.status.success() && said(&checked).contains("sound"),
        "{}",
        said(&checked)
    );

    let refused = store(&world, &["restore", "--from", "copy.db"]).await;
    assert_eq!(refused.status.code(), Some(1));
    let process = outside.serving.child.id().expect("alive").to_string();
    assert!(
        said(&refused).contains("in use") && said(&refused).contains(&process),
        "{}",
        said(&refused)
    );
    assert!(
        is_there(&outside.client, &after[0]).await,
        "it goes on serving"
    );

    outside.kill().await;
    let restored = store(&world, &["restore", "--from", "copy.db"]).await;
    assert!(restored.status.success(), "{}", said(&restored));
    assert!(
        said(&restored).contains(".before-restore-"),
        "{}",
        said(&restored)
    );
    let mut outside = Outside::start(&world, &[]).await;
    outside.ready().await;
    for id in &before {
        assert!(is_there(&outside.client, id).await, "{id}");
        outside.client.completed(id).await;
    }
    assert!(!is_there(&outside.client, &after[0]).await);
    outside.serving.signal("TERM").await;
    assert!(outside.serving.ended().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn check_ends_with_1_and_lists_every_fault() {
    let world = world().await;
    let sound = store(&world, &["check", "--json"]).await;
    assert!(sound.status.success(), "{}", said(&sound));
    let told: Value = serde_json::from_slice(&sound.stdout).expect("JSON");
    assert_eq!((&told["ok"], &told["devices"]), (&json!(true), &json!(1)));

    let path = file_of(&world);
    let mut bytes = std::fs::read(&path).expect("the store");
    for page in [3, 5] {
        bytes[4096 * page..][..64].fill(0xa5);
    }
    std::fs::write(&path, &bytes).expect("written");
    let damaged = store(&world, &["check", "--json"]).await;
    assert_eq!(damaged.status.code(), Some(1));
    let told: Value = serde_json::from_slice(&damaged.stdout).expect("JSON");
    assert_eq!(told["ok"], false);
    assert!(
        told["faults"]
            .as_array()
            .is_some_and(|faults| faults.len() > 1),
        "{told}"
    );
    let damaged = store(&world, &["check"]).await;
    assert!(
        said(&damaged).contains("fanfare store restore"),
        "{}",
        said(&damaged)
    );
    assert!(
        std::fs::read(&path).expect("the store") == bytes,
        "left as it is"
    );

    let missing = store(&world, &["check", "--data-dir", "nowhere"]).await;
    assert_eq!(missing.status.code(), Some(1));
    assert!(said(&missing).contains("nowhere"), "{}", said(&missing));
}

/// Each must be refused with the file, the fault and the commands to use, and stay as it is.
async fn serve_refuses(world: &World, damage: &str, fault: &str) {
    let path = file_of(world);
    let before = std::fs::read(&path).expect("the store");
    let config = world.sandbox.config.to_str().expect("UTF-8");
    let output = fanfare(world.directory.path(), &["serve", "--config", config]).await;
    let said = said(&output);
    assert_eq!(output.status.code(), Some(1), "{damage}: {said}");
    for word in [
        path.to_str().expect("UTF-8"),
        fault,
        "fanfare store check",
        "fanfare store restore",
    ] {
        assert!(said.contains(word), "{damage}: no {word} in {said}");
    }
    assert!(
        std::fs::read(&path).expect("the store") == before,
        "{damage}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_store_is_refused_with_what_to_do() {
    let world = world().await;
    let path = file_of(&world);
    let sound = std::fs::read(&path).expect("the store");
    let write = |bytes: &[u8]| std::fs::write(&path, bytes).expect("written");
    write(b"");
    serve_refuses(&world, "emptied", "the file is empty").await;
    write(&b"no database ".repeat(1000));
    serve_refuses(&world, "something else", "not a database").await;
    write(&sound[..sound.len() - 4096]);
    serve_refuses(&world, "truncated", "cut short").await;
    let mut bent = sound.clone();
    bent[100..4096].fill(0xa5);
    write(&bent);
    serve_refuses(&world, "bent", "malformed").await;
    let mut foreign = sound.clone();
    foreign[68..72].copy_from_slice(b"Evil");
    write(&foreign);
    serve_refuses(&world, "foreign", "not a fanfare store").await;
    write(&sound);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_damaged_or_gone_is_refused_with_what_to_do() {
    let world = world().await;
    let mut outside = Outside::start(&world, &[]).await;
    outside.ready().await;
    for from in 0..5 {
        send_some(&outside.client, from * 10, 2).await;
    }
    outside.kill().await;
    let log = PathBuf::from(format!("{}-wal", file_of(&world).display()));
    let whole = std::fs::read(&log).expect("a log");
    let mut bent = whole.clone();
    bent[32 + 24 + 99] ^= 1;
    std::fs::write(&log, &bent).expect("written");
    serve_refuses(&world, "bent log", "-wal is damaged").await;
    assert!(
        std::fs::read(&log).expect("the log") == bent,
        "left as it is"
    );
    std::fs::remove_file(&log).expect("removed");
    serve_refuses(&world, "log gone", "missing").await;
    std::fs::write(&log, &whole).expect("written");
    check_sound(&world, &file_of(&world)).await;
}

async fn check_sound(world: &World, path: &Path) {
    let checked = store(world, &["check", "--data-dir", "data"]).await;
    assert!(
        checked.status.success(),
        "{}: {}",
        path.display(),
        said(&checked)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_gateway_on_the_same_store_is_told_who_has_it() {
    let world = world().await;
    let mut outside = Outside::start(&world, &[]).await;
    let config = world.sandbox.config.to_str().expect("UTF-8");
    let second = fanfare(world.directory.path(), &["serve", "--config", config]).await;
    assert_eq!(second.status.code(), Some(1));
    let process = outside.serving.child.id().expect("alive").to_string();
    assert!(
        said(&second).contains("in use") && said(&second).contains(&process),
        "{}",
        said(&second)
    );
    outside.kill().await;
}

/// A page goes bad under the running gateway.
#[tokio::test(flavor = "multi_thread")]
async fn damage_found_while_serving_is_503_unready_and_not_written_over() {
    let mut world = world().await;
    world.start().await;
    for number in 0..40 {
        world
            .register(
                &format!("user-{number}"),
                "ios_push",
                &apns_token(100 + number),
            )
            .await;
    }
    assert!(world.drain().await);
    let mut outside = Outside::start(&world, &[]).await;
    outside.ready().await;
    let path = file_of(&world);
    let mut bytes = std::fs::read(&path).expect("the store");
    for page in bytes[4096..].chunks_exact_mut(4096) {
        page[..8].fill(0xa5);
    }
    std::fs::write(&path, &bytes).expect("written");
    let mut code = Value::Null;
    for number in 0..40 {
        let path = format!("/v1/users/user-{number}/devices");
        let (status, answer) = outside.client.get(&path).await.expect("an answer");
        if status == StatusCode::SERVICE_UNAVAILABLE {
            code = answer["code"].clone();
            break;
        }
    }
    assert_eq!(code, "store_corrupt");
    let body = json!({ "to": { "users": ["ada"] }, "message": { "title": "hi" } });
    let (status, answer) = outside.client.notify("k", &body).await.expect("an answer");
    assert_eq!(
        (status.as_u16(), &answer["code"]),
        (503, &json!("store_corrupt"))
    );
    let (status, ready) = outside.client.get("/readyz").await.expect("an answer");
    assert_eq!(
        (status.as_u16(), &ready["reasons"]),
        (503, &json!(["store_corrupt"]))
    );
    outside.kill().await;
    let checked = store(&world, &["check", "--data-dir", "data"]).await;
    assert_eq!(checked.status.code(), Some(1), "{}", said(&checked));
}
