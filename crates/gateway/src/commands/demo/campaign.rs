//! The campaign at the end of the demo: one message to every device there is.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use reqwest::Method;
use serde_json::{Value, json};

use super::audit::{self, Books};
use super::crowd::Crowd;
use super::drive::Gateway;
use super::processes::Processes;
use super::{OUTCOMES_WITHIN, progress, text};
use crate::commands::campaign::View;
use crate::commands::gateway::answer;

/// How a campaign went.
#[derive(Debug)]
pub(super) struct Campaign {
    /// At its end.
    pub(super) view: View,
    /// From the start's answer to the last outcome.
    pub(super) took: Duration,
    /// The gateway's CPU time meanwhile.
    pub(super) cpu: Duration,
    pub(super) disagreements: Vec<String>,
}

/// Sends to everybody, and holds what the gateway says against the simulators' books.
pub(super) async fn run(
    gateway: &Gateway,
    processes: &Processes,
    crowd: &Crowd,
) -> anyhow::Result<Campaign> {
    let before = Books::read(processes).await?;
    let body = json!({
        "name": "demo",
        "audience": { "all": true },
        "message": { "title": "Spring is here, {{who}}", "body": "Everyone gets this, too" },
        "variables": { "who": "everyone" },
    });
    let made = gateway.0.request(Method::POST, "/v1/campaigns").json(&body);
    let made = answer(made).await?;
    let path = format!("/v1/campaigns/{}", text(&made, "id")?);
    let cpu_before = processes.gateway_cpu()?;
    let started = Instant::now();
    answer(gateway.0.request(Method::POST, &format!("{path}/start"))).await?;
    let mut disagreements = Vec::new();
    let ended = watch(gateway, crowd, &path, &mut disagreements);
    let ended = tokio::time::timeout(OUTCOMES_WITHIN, ended).await;
    let view = ended.context("the campaign did not end in time")??;
    let took = started.elapsed();
    let cpu = processes.gateway_cpu()?.saturating_sub(cpu_before);
    let after = Books::read(processes).await?;
    compare(crowd, &view, &before, &after, &mut disagreements);
    Ok(Campaign {
        view,
        took,
        cpu,
        disagreements,
    })
}

/// Watches until every delivery has its outcome; the counts must add up whenever they are looked at.
async fn watch(
    gateway: &Gateway,
    crowd: &Crowd,
    path: &str,
    disagreements: &mut Vec<String>,
) -> anyhow::Result<View> {
    let bar = progress("campaign", crowd.devices.len() - crowd.dead().count());
    let mut tick = tokio::time::interval(Duration::from_millis(50));
    loop {
        tick.tick().await;
        let campaign: Value = gateway.get(path).await?;
        let view = View::of(&campaign);
        if !view.counts.add_up() && disagreements.is_empty() {
            disagreements.push(format!(
                "the campaign's counts do not add up: {:?}",
                view.counts
            ));
        }
        bar.set_position(view.counts.ended());
        if view.is_final() {
            ensure!(view.is_completed(), "the campaign is not completed: {view}");
            bar.finish();
            return Ok(view);
        }
    }
}

/// Every living device once more than before, the dead not at all: they were cleaned before.
fn compare(crowd: &Crowd, view: &View, before: &Books, after: &Books, found: &mut Vec<String>) {
    let living = (crowd.devices.len() - crowd.dead().count()) as u64;
    let mut check = |what: &str, ours: u64, theirs: u64| {
        if ours != theirs {
            found.push(format!(
                "{what}: {ours} in the gateway's books, {theirs} expected"
            ));
        }
    };
    let delivered = view.counts.outcome("delivered");
    check("the campaign's audience", view.counts.total, living);
    check("delivered by the campaign", delivered, living);
    let more = |of: fn(&Books) -> u64| of(after) - of(before);
    check(
        "the campaign, as the simulators saw it",
        delivered,
        more(|books| books.accepted),
    );
    check(
        "the campaign's attempts, as the simulators saw them",
        delivered,
        more(|books| books.requests),
    );
    check(
        "the campaign's duplicates",
        0,
        more(|books| books.duplicates),
    );
    let accepted = |books: &HashMap<String, u64>, address| books.get(address).copied().unwrap_or(0);
    for device in &crowd.devices {
        let [before, after] =
            [before, after].map(|books| accepted(&books.addresses, &device.address));
        let wanted = u64::from(!device.is_dead);
        if after - before != wanted && found.len() < audit::SHOWN_MAX {
            let got = after - before;
            found.push(format!(
                "a {} device got {got} pushes of the campaign, {wanted} expected",
                device.channel
            ));
        }
    }
}
