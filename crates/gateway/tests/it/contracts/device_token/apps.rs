//! What apps do: register on login and on every new token.

use fanfare_simulator::Provider;
use fanfare_simulator::books::AddressTotal;
use reqwest::{Method, StatusCode};
use serde_json::json;

use super::{CREATED, Person, UPDATED};
use crate::harness::{World, apns_token, eventually, expect, fcm_token, text};

/// Flutter: on the start of the app after login, and on `onTokenRefresh`.
#[tokio::test(flavor = "multi_thread")]
async fn a_flutter_app_registers_on_start_and_refreshes_its_token() {
    let world = World::new().await;
    let ada = Person::new(&world, "ada", Some("acme"));
    let (id, said) = ada.register("install-1", 1, &fcm_token(1)).await;
    assert_eq!(said, CREATED);
    let (again, said) = ada.register("install-1", 1, &fcm_token(1)).await;
    assert_eq!((&again, said.as_str()), (&id, UPDATED), "the next start");
    let (refreshed, said) = ada.register("install-1", 1, &fcm_token(2)).await;
    assert_eq!(
        (&refreshed, said.as_str()),
        (&id, UPDATED),
        "a new token makes no second row"
    );

    let devices = ada.devices_of("ada").await;
    let expected = json!([{
        "id": id, "deviceId": "install-1", "platform": 1, "platformName": "Android", "token": fcm_token(2),
    }]);
    assert_eq!(json!(devices), expected);
    let ended = world.ended(&world.send_to(&["ada"]).await).await;
    assert_eq!(ended["delivered"], 1);
    let pushed = world.simulator.books().addresses(0, 10);
    let fcm = |total: &&AddressTotal| total.provider == Provider::Fcm;
    let pushed: Vec<_> = pushed
        .iter()
        .filter(fcm)
        .map(|total| total.address.as_str())
        .collect();
    assert_eq!(pushed, [fcm_token(2)], "the push went to the new token");
}

/// Angular: a web token beside the phone's; the list has the device seen last first.
#[tokio::test(flavor = "multi_thread")]
async fn a_web_app_registers_beside_the_phone_and_the_last_seen_comes_first() {
    let world = World::new().await;
    let ada = Person::new(&world, "ada", None);
    let installs = [("phone", 2), ("browser", 3), ("tablet", 1)];
    for (n, (install, platform)) in (1..).zip(installs) {
        ada.register(install, platform, &fcm_token(n)).await;
    }
    // The phone is opened once more, later than the others by the clock of the rows.
    let first = async |install: &str, platform| {
        eventually(|| async {
            ada.register(install, platform, &fcm_token(1)).await;
            let devices = ada.devices_of("ada").await;
            (devices[0]["deviceId"] == install).then_some(devices)
        })
        .await
    };
    let devices = first("phone", 2).await;
    assert_eq!(devices[0]["platformName"], "Ios");
    let mut seen = Vec::new();
    for device in &devices {
        seen.push(text(&ada.details(&text(&device["id"])).await["lastSeenOn"]));
    }
    assert_eq!(seen.len(), 3);
    assert!(seen.is_sorted_by(|newer, older| newer >= older), "{seen:?}");
    let ended = world.ended(&world.send_to(&["ada"]).await).await;
    assert_eq!(ended["delivered"], 3);
    assert_eq!(
        json!(ada.devices_of("nobody").await),
        json!([]),
        "none is no error"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_user_is_the_callers_and_the_device_id_the_users_own() {
    let world = World::new().await;
    let (ada, bob) = (
        Person::new(&world, "ada", None),
        Person::new(&world, "bob", None),
    );
    let (hers, _) = ada.register("same-install", 1, &fcm_token(1)).await;
    let body = json!({
        "userId": "ada", "deviceId": "same-install", "platform": 1, "token": fcm_token(2), "id": hers,
    });
    let (status, answer) = bob.call(Method::POST, "Register", Some(body)).await;
    assert_eq!(
        (status, &answer["message"]),
        (StatusCode::OK, &json!(CREATED))
    );
    assert_ne!(answer["data"], hers);
    assert_eq!(ada.devices_of("ada").await.len(), 1);
    assert_eq!(bob.details(&text(&answer["data"])).await["userId"], "bob");
}

#[tokio::test(flavor = "multi_thread")]
async fn registering_revives_what_was_deleted_or_switched_off() {
    let world = World::new().await;
    let ada = Person::new(&world, "ada", Some("acme"));
    let (id, _) = ada.register("install-1", 1, &fcm_token(1)).await;
    for (method, endpoint, token) in [
        (Method::DELETE, "Delete", fcm_token(1)),
        (Method::DELETE, "Delete", fcm_token(2)),
        (Method::PUT, "Deactive", fcm_token(2)),
    ] {
        ada.list(method, endpoint, &[&id]).await;
        assert!(ada.devices_of("ada").await.is_empty());
        // Whatever it says of itself, who registers is active.
        let body =
            json!({"isActive": false, "deviceId": "install-1", "platform": 3, "token": token});
        let (_, answer) = ada.call(Method::POST, "Register", Some(body)).await;
        assert_eq!(
            (&answer["message"], &answer["data"]),
            (&json!(UPDATED), &json!(id))
        );
        let details = ada.details(&id).await;
        assert_eq!(
            (&details["isActive"], &details["isDeleted"]),
            (&json!(true), &json!(false))
        );
        assert_eq!(
            (&details["deletedOn"], &details["token"]),
            (&json!(null), &json!(token))
        );
        assert_eq!(details["platformName"], "Web");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_row_comes_of_many_registrations_at_once() {
    let world = World::new().await;
    let ada = Person::new(&world, "ada", None);
    let tokens: Vec<_> = (0..16).map(fcm_token).collect();
    let racing = tokens
        .iter()
        .map(|token| ada.register("install-1", 1, token));
    let answers = futures_util::future::join_all(racing).await;
    let created = answers.iter().filter(|(_, said)| said == CREATED).count();
    assert_eq!(created, 1);
    assert!(answers.iter().all(|(id, _)| *id == answers[0].0));
    assert_eq!(ada.devices_of("ada").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_moves_to_whoever_registers_it_last() {
    let world = World::new().await;
    let (ada, bob) = (
        Person::new(&world, "ada", None),
        Person::new(&world, "bob", None),
    );
    let (hers, _) = ada.register("hers", 1, &fcm_token(1)).await;
    let (_, said) = bob.register("his", 1, &fcm_token(1)).await;
    assert_eq!(said, CREATED);
    let (status, _) = ada
        .call(Method::GET, &format!("GetDetails/{hers}"), None)
        .await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let to_ada = world.send_to(&["ada"]).await;
    assert_eq!(world.view(&to_ada).await["recipients"], 0);
}

/// A device of another contract is one here, and the other way round.
#[tokio::test(flavor = "multi_thread")]
async fn all_contracts_show_the_same_devices() {
    let world = World::new().await;
    let ada = Person::new(&world, "ada", None);
    let native = world.register("ada", "ios_push", &apns_token(1)).await;
    let (here, _) = ada.register("install-1", 3, &fcm_token(1)).await;
    let devices = ada.devices_of("ada").await;
    let apple = devices
        .iter()
        .find(|device| device["id"] == native)
        .expect("the native one");
    let expected = json!({
        "id": native, "deviceId": "", "platform": 2, "platformName": "Ios", "token": apns_token(1),
    });
    assert_eq!(*apple, expected);
    let form = ada.get(&format!("GetEdit/{native}")).await;
    ada.done(Method::PUT, &format!("Update/{native}"), Some(form))
        .await;

    let listed = world.devices("ada").await;
    assert_eq!(listed.len(), 2);
    let own = listed
        .iter()
        .find(|device| device["id"] == here)
        .expect("this one");
    assert_eq!(
        (&own["device_key"], &own["channel"]),
        (&json!("install-1"), &json!("fcm"))
    );
    assert_eq!(
        (&own["platform"], &own["status"]),
        (&json!("web"), &json!("active"))
    );
    let ended = world.ended(&world.send_to(&["ada"]).await).await;
    assert_eq!(ended["delivered"], 2);
    // Deleted here softly, it is in no list there.
    ada.list(Method::DELETE, "Delete", &[&here]).await;
    assert_eq!(world.devices("ada").await.len(), 1);
    let path = format!("/v1/devices/{here}");
    expect(world.user("ada", Method::GET, &path), StatusCode::NOT_FOUND).await;
}
