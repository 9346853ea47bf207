//! Campaigns of two apps at once.

use fanfare_gateway::material::sha256_hex;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

use super::books::{assert_each_once, pushes};
use super::fill::address;
use super::rig::{count, crowd, to_all, until, with_books};
use crate::harness::{Options, World, expect, text};

const NEWS_KEY: &str = "ffk_news_0123456789012345678901234567890123456789";

/// Another app beside the sandbox's, with the same providers.
pub(super) fn with_news(text: String) -> String {
    let (top, app) = text.split_once("[[apps]]").expect("an app");
    let (_, providers) = app.split_once("[apps.apns]").expect("APNs");
    let sha256 = sha256_hex(NEWS_KEY.as_bytes());
    format!(
        "{top}[[apps]]{app}\n[[apps]]\nid = \"news\"\n[[apps.api_keys]]\nname = \"news\"\nsha256 = \"{sha256}\"\n\
         kind = \"service\"\n[apps.apns]{providers}"
    )
}

pub(super) fn news(world: &World, method: Method, path: &str) -> RequestBuilder {
    world.request(method, path).bearer_auth(NEWS_KEY)
}

/// Devices of the app `news`, one user each.
pub(super) async fn readers(world: &World, numbers: std::ops::Range<u32>) {
    for n in numbers {
        let channel = if n.is_multiple_of(2) {
            "ios_push"
        } else {
            "fcm"
        };
        let body = json!({"channel": channel, "token": address(n)});
        let path = format!("/v1/users/reader-{n}/devices");
        let register = news(world, Method::POST, &path);
        expect(register.json(&body), StatusCode::CREATED).await;
    }
}

pub(super) async fn view(world: &World, id: &str) -> Value {
    expect(
        news(world, Method::GET, &format!("/v1/campaigns/{id}")),
        StatusCode::OK,
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn one_apps_campaign_does_not_hold_up_anothers() {
    const DEMO: u32 = 20_000;
    const NEWS: u32 = 50;
    let options = Options {
        edit: Some(with_news),
        ..with_books()
    };
    let world = crowd(DEMO, options).await;
    readers(&world, DEMO..DEMO + NEWS).await;
    let large = world.launch(&to_all()).await;
    until(&world, &large, |view| count(view, "in_flight") > 0).await;
    let made = expect(
        news(&world, Method::POST, "/v1/campaigns").json(&to_all()),
        StatusCode::CREATED,
    )
    .await;
    let small = text(&made["id"]);
    expect(
        news(
            &world,
            Method::POST,
            &format!("/v1/campaigns/{small}/start"),
        ),
        StatusCode::OK,
    )
    .await;
    crate::harness::eventually(|| async {
        (view(&world, &small).await["state"] == "completed").then_some(())
    })
    .await;
    assert_eq!(
        world.campaign(&large).await["state"],
        "running",
        "the small one is through long before the large one"
    );
    assert_eq!(
        count(&view(&world, &small).await, "delivered"),
        u64::from(NEWS)
    );
    let seen = expect(
        news(&world, Method::GET, &format!("/v1/campaigns/{large}")),
        StatusCode::NOT_FOUND,
    )
    .await;
    assert_eq!(seen["code"], "campaign_not_found", "nothing crosses an app");
    assert_eq!(
        count(&world.completed(&large).await, "delivered"),
        u64::from(DEMO)
    );
    assert_each_once(&pushes(&world), (0..DEMO + NEWS).map(address));
}
