//! A hundred campaigns at once, held against the simulators' arrivals.

use std::collections::HashMap;

use fanfare_simulator::Provider;
use fanfare_simulator::books::Entry;
use reqwest::{Method, StatusCode};
use serde_json::json;

use super::apps::{news, readers, view, with_news};
use super::books::pushes;
use super::fill::address;
use super::rig::{count, crowd, to_all, until, with, with_books};
use crate::harness::{Options, World, expect, text};

const CAMPAIGNS: usize = 100;

/// Of each campaign; half of them with each provider.
const DEVICES: u32 = 200;

const NEWS: u32 = 40;

/// What a campaign sends in one turn of a pool (`core/src/lanes/flows.rs`).
const TURN: usize = 8;

/// Of each provider's one connection.
const STREAMS: usize = 20;

/// One connection with few streams to each provider, so that order is what the lanes make it; and another app.
fn narrow(text: String) -> String {
    let narrow = text
        .replace("[apps.apns]", "[apps.apns]\nconnections = 1")
        .replace("[apps.fcm]", "[apps.fcm]\nconnections = 1");
    let link = format!("[link]\nstreams_max = {STREAMS}\nconnect_timeout = \"60s\"\n");
    format!("{}\n{link}", with_news(narrow))
}

fn options() -> Options {
    Options {
        edit: Some(narrow),
        ..with_books()
    }
}

/// Neither provider takes connections, or both do.
async fn accepting(world: &World, is_open: bool) {
    for provider in [Provider::Apns, Provider::Fcm] {
        let done = world.simulator.set_accepting(provider, is_open).await;
        done.expect("a simulator");
    }
}

/// Which campaign a push is of.
fn named(n: usize) -> String {
    format!("c{n}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_share_fairly_and_another_app_waits_for_none() {
    let world = crowd(DEVICES, options()).await;
    readers(&world, DEVICES..DEVICES + NEWS).await;
    // All of them wait at the door, so that all begin together.
    accepting(&world, false).await;
    let mut ids = Vec::new();
    for n in 0..CAMPAIGNS {
        let body = with(to_all(), &json!({"collapse_key": named(n)}));
        ids.push(world.launch(&body).await);
    }
    let made = news(&world, Method::POST, "/v1/campaigns").json(&to_all());
    let small = text(&expect(made, StatusCode::CREATED).await["id"]);
    let start = news(
        &world,
        Method::POST,
        &format!("/v1/campaigns/{small}/start"),
    );
    expect(start, StatusCode::OK).await;
    for id in &ids {
        let is_read = |view: &serde_json::Value| {
            view["counts"]["estimated"] == false && count(view, "total") == u64::from(DEVICES)
        };
        until(&world, id, is_read).await;
    }
    accepting(&world, true).await;
    for id in &ids {
        let view = world.completed(id).await;
        assert_eq!(count(&view, "delivered"), u64::from(DEVICES), "{view}");
    }
    let small = view(&world, &small).await;
    assert_eq!(
        (&small["state"], count(&small, "delivered")),
        (&json!("completed"), u64::from(NEWS))
    );
    let pushes = pushes(&world);
    for provider in [Provider::Apns, Provider::Fcm] {
        let of: Vec<_> = pushes.iter().filter(|p| p.provider == provider).collect();
        assert_fair(&of);
        assert_other_app_first(&of);
    }
    assert_each_has_all(&pushes);
}

/// A turn more or less, and what of a turn is in flight while others' answers come.
const AHEAD: usize = 2 * TURN;

/// Until the first one has all it gets here, none is further ahead of another than that.
fn assert_fair(pushes: &[&Entry]) {
    let all = DEVICES as usize / 2;
    let mut sent: HashMap<String, usize> = (0..CAMPAIGNS).map(|n| (named(n), 0)).collect();
    let mut looks = 0;
    for push in pushes {
        let Some(of) = push.collapse.as_ref().and_then(|name| sent.get_mut(name)) else {
            continue;
        };
        *of += 1;
        if *of == all {
            break;
        }
        looks += 1;
        let (least, most) = (sent.values().min(), sent.values().max());
        let (least, most) = (*least.expect("one"), *most.expect("one"));
        assert!(most - least <= AHEAD, "one has {most}, another {least}");
    }
    assert!(looks > (CAMPAIGNS * all) / 2, "they were seen side by side");
}

/// The small campaign of the other app, with pools of its own, was through when the hundred had hardly begun.
fn assert_other_app_first(pushes: &[&Entry]) {
    let is_small = |push: &&&Entry| push.collapse.as_deref() == Some("spring");
    let last = pushes.iter().rposition(|push| is_small(&push));
    let before = last.expect("it was sent") + 1;
    assert!(before < pushes.len() / 4, "{before} of {}", pushes.len());
}

fn assert_each_has_all(pushes: &[Entry]) {
    let mut found: HashMap<(String, String), usize> = HashMap::new();
    for push in pushes {
        assert_eq!(push.status, 200);
        let campaign = push.collapse.as_deref().expect("a collapse key");
        let key = (campaign.to_owned(), push.address.clone());
        *found.entry(key).or_default() += 1;
    }
    for n in 0..CAMPAIGNS {
        for device in 0..DEVICES {
            let got = found.remove(&(named(n), address(device)));
            assert_eq!(got, Some(1), "campaign {n}, device {device}");
        }
    }
    assert_eq!(found.len(), NEWS as usize, "and the other app's");
}
