//! A world with a crowd of devices, and a campaign in it.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::fill::fill;
use crate::harness::{Options, World, expect, text};

/// A world with so many devices.
pub(crate) async fn crowd(devices: u32, options: Options) -> World {
    let mut world = World::with(options).await;
    assert!(world.drain().await);
    fill(&world, devices).await;
    world.start().await;
    world
}

/// Room in the simulators' books for all that a test may send.
pub(crate) fn with_books() -> Options {
    Options {
        simulated: Some(|config| config.limits.book_entries = 1_000_000),
        ..Options::default()
    }
}

/// What a campaign is made from, unless a test says otherwise.
pub(crate) fn to_all() -> Value {
    json!({
        "name": "spring", "audience": { "all": true }, "message": { "title": "Spring is here" }, "collapse_key": "spring",
    })
}

/// The same, with other members.
pub(crate) fn with(mut body: Value, members: &Value) -> Value {
    for (name, value) in members.as_object().expect("members") {
        body[name] = value.clone();
    }
    body
}

/// What one looks at again and again: it has to come, on a machine under load as well.
const PATIENCE: Duration = Duration::from_secs(180);

/// Waits for something about a campaign; its counts must add up at every look.
pub(crate) async fn until(world: &World, id: &str, holds: impl Fn(&Value) -> bool) -> Value {
    let looking = async {
        let mut tick = tokio::time::interval(Duration::from_millis(10));
        loop {
            tick.tick().await;
            let view = world.campaign(id).await;
            if holds(&view) {
                return view;
            }
        }
    };
    let found = tokio::time::timeout(PATIENCE, looking).await;
    match found {
        Ok(view) => view,
        Err(_) => panic!("it never came: {}", world.campaign(id).await),
    }
}

pub(crate) fn count(view: &Value, name: &str) -> u64 {
    view["counts"][name]
        .as_u64()
        .unwrap_or_else(|| panic!("no count {name}: {view}"))
}

/// Deliveries that have their outcome.
pub(crate) fn ended(view: &Value) -> u64 {
    count(view, "total") - count(view, "waiting") - count(view, "in_flight")
}

/// total = waiting + in flight + every outcome.
pub(crate) fn assert_adds_up(view: &Value) {
    let counts = view["counts"].as_object().expect("counts");
    let parts = counts
        .iter()
        .filter(|(name, _)| *name != "total" && *name != "estimated");
    let sum: u64 = parts
        .map(|(_, count)| count.as_u64().expect("a count"))
        .sum();
    assert_eq!(
        sum,
        count(view, "total"),
        "the counts do not add up: {view}"
    );
}

impl World {
    pub(crate) async fn create(&self, body: &Value) -> String {
        let request = self.service(Method::POST, "/v1/campaigns").json(body);
        text(&expect(request, StatusCode::CREATED).await["id"])
    }

    /// Starts, pauses, resumes or cancels.
    pub(crate) async fn steer(&self, id: &str, verb: &str) -> Value {
        let path = format!("/v1/campaigns/{id}/{verb}");
        let view = expect(self.service(Method::POST, &path), StatusCode::OK).await;
        assert_adds_up(&view);
        view
    }

    /// Makes a campaign and starts it.
    pub(crate) async fn launch(&self, body: &Value) -> String {
        let id = self.create(body).await;
        self.steer(&id, "start").await;
        id
    }

    /// Pushes a second from now on; `None` is as fast as may be.
    pub(crate) async fn set_rate(&self, id: &str, rate: Option<u32>) {
        let request = self.service(Method::PATCH, &format!("/v1/campaigns/{id}"));
        let view = expect(request.json(&json!({ "rate": rate })), StatusCode::OK).await;
        assert_eq!(view["rate"], json!(rate));
        assert_adds_up(&view);
    }

    pub(crate) async fn campaign(&self, id: &str) -> Value {
        let path = format!("/v1/campaigns/{id}");
        let view = expect(self.service(Method::GET, &path), StatusCode::OK).await;
        assert_adds_up(&view);
        view
    }

    pub(crate) async fn completed(&self, id: &str) -> Value {
        let view = until(self, id, |view| {
            !matches!(view["state"].as_str(), Some("running" | "scheduled"))
        })
        .await;
        assert_eq!(view["state"], "completed", "{view}");
        assert_eq!(
            (count(&view, "waiting"), count(&view, "in_flight")),
            (0, 0),
            "{view}"
        );
        assert_eq!(view["counts"]["estimated"], false, "{view}");
        view
    }

    /// What was not simply delivered.
    pub(crate) async fn undelivered(&self, id: &str) -> Vec<Value> {
        let (mut rows, mut cursor) = (Vec::new(), String::new());
        loop {
            let path = format!("/v1/campaigns/{id}/deliveries?limit=1000{cursor}");
            let page = expect(self.service(Method::GET, &path), StatusCode::OK).await;
            rows.extend(
                page["deliveries"]
                    .as_array()
                    .expect("deliveries")
                    .iter()
                    .cloned(),
            );
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return rows,
            }
        }
    }

    pub(crate) async fn upload(&self, id: &str, kind: &str, rows: &str) -> Value {
        let request = self.service(Method::PUT, &format!("/v1/campaigns/{id}/recipients"));
        let request = request.header("content-type", kind).body(rows.to_owned());
        expect(request, StatusCode::OK).await
    }
}
