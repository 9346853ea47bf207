//! The audit: what the gateway says of every push, held against what the simulators saw and what must be.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::Context;
use fanfare_types::Timestamp;
use serde_json::Value;

use super::crowd::{Crowd, user_name};
use super::drive::Gateway;
use super::processes::Processes;
use super::report::Report;
use super::text;

/// Longest wait for the reaper to have cleaned what providers called dead.
const CLEANUP_WITHIN: Duration = Duration::from_secs(30);

const PAGE: usize = 1000;

/// Reads every delivery of a notification into the report.
pub(super) async fn read_outcomes(
    gateway: &Gateway,
    id: &str,
    report: &mut Report,
) -> anyhow::Result<()> {
    let mut cursor = String::new();
    loop {
        let page = gateway
            .get(&format!(
                "/v1/notifications/{id}/deliveries?limit={PAGE}{cursor}"
            ))
            .await?;
        for row in page["deliveries"]
            .as_array()
            .context("a page without deliveries")?
        {
            read_row(row, report)?;
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok(()),
        }
    }
}

fn read_row(row: &Value, report: &mut Report) -> anyhow::Result<()> {
    let outcome = text(row, "outcome")?;
    let attempts = row["attempts"]
        .as_u64()
        .context("a delivery without attempts")?;
    let instant =
        |field| Timestamp::parse_rfc3339(text(row, field)?).context("a delivery without its times");
    let took = instant("finished_at")?.since(instant("created_at")?);
    report.count(text(row, "channel")?, outcome, attempts, took);
    Ok(())
}

/// Waits until every dead device has been cleaned, and counts them.
pub(super) async fn await_cleanup(gateway: &Gateway, crowd: &Crowd) -> anyhow::Result<u64> {
    let mut owners: Vec<u32> = crowd.dead().map(|device| device.owner).collect();
    owners.sort_unstable();
    owners.dedup();
    let cleaned = async {
        let mut cleaned = 0;
        let mut tick = tokio::time::interval(Duration::from_millis(20));
        for owner in owners {
            let expected = crowd.dead().filter(|device| device.owner == owner).count();
            let path = format!("/v1/users/{}/devices", user_name(owner));
            loop {
                let list = gateway.get(&path).await?;
                let devices = list["devices"]
                    .as_array()
                    .context("a list without devices")?;
                let invalid = devices
                    .iter()
                    .filter(|device| device["status"] == "invalid")
                    .count();
                if invalid == expected {
                    cleaned += u64::try_from(invalid).unwrap_or(u64::MAX);
                    break;
                }
                tick.tick().await;
            }
        }
        anyhow::Ok(cleaned)
    };
    tokio::time::timeout(CLEANUP_WITHIN, cleaned)
        .await
        .context("dead devices were not cleaned in time")?
}

/// Most disagreements about single devices that are told.
pub(super) const SHOWN_MAX: usize = 10;

/// What the simulators saw so far, of both providers.
pub(super) struct Books {
    pub(super) requests: u64,
    pub(super) accepted: u64,
    pub(super) duplicates: u64,
    /// Address → accepted pushes.
    pub(super) addresses: HashMap<String, u64>,
}

impl Books {
    pub(super) async fn read(processes: &Processes) -> anyhow::Result<Self> {
        let books = processes.control("/books").await?;
        let sum = |field: &str| {
            let of = |provider: &&str| books[*provider][field].as_u64().unwrap_or(0);
            ["apns", "fcm"].iter().map(of).sum::<u64>()
        };
        Ok(Books {
            requests: sum("requests"),
            accepted: sum("accepted"),
            duplicates: sum("duplicates"),
            addresses: read_addresses(processes).await?,
        })
    }
}

/// Every way in which the books differ; empty when all agree.
pub(super) async fn compare(
    processes: &Processes,
    crowd: &Crowd,
    report: &Report,
) -> anyhow::Result<Vec<String>> {
    let mut found = Vec::new();
    let mut check = |what: &str, ours: u64, theirs: u64| {
        if ours != theirs {
            found.push(format!(
                "{what}: {ours} in the gateway's books, {theirs} expected"
            ));
        }
    };
    let books = Books::read(processes).await?;
    check(
        "delivered, as the simulators saw it",
        report.outcome("delivered"),
        books.accepted,
    );
    check(
        "attempts, as the simulators saw them",
        report.attempts,
        books.requests,
    );
    check(
        "duplicates, as the simulators saw them",
        0,
        books.duplicates,
    );
    let dead = u64::try_from(crowd.dead().count())?;
    let all = u64::try_from(crowd.devices.len())?;
    check(
        "deliveries (one a device, and the receipt)",
        report.deliveries(),
        all + 1,
    );
    check("dead", report.outcome("dead"), dead);
    check(
        "delivered (every living device, and the receipt)",
        report.outcome("delivered"),
        all - dead + 1,
    );
    check("cleaned", report.cleaned, dead);
    found.extend(compare_addresses(&books.addresses, crowd));
    Ok(found)
}

/// Each living address got each of its pushes exactly once; each dead one was tried and never accepted.
fn compare_addresses(seen: &HashMap<String, u64>, crowd: &Crowd) -> Vec<String> {
    let mut found = Vec::new();
    for device in &crowd.devices {
        let expected = match (device.is_dead, device.owner == crowd.receipt_user) {
            (true, _) => 0,
            (false, true) => 2,
            (false, false) => 1,
        };
        let accepted = seen.get(&device.address).copied().unwrap_or(0);
        if accepted != expected && found.len() < SHOWN_MAX {
            let owner = user_name(device.owner);
            found.push(format!(
                "a {} device of {owner}: {accepted} accepted, {expected} expected",
                device.channel
            ));
        }
    }
    if seen.len() != crowd.devices.len() {
        found.push(format!(
            "{} addresses seen, {} registered",
            seen.len(),
            crowd.devices.len()
        ));
    }
    found
}

async fn read_addresses(processes: &Processes) -> anyhow::Result<HashMap<String, u64>> {
    let (mut seen, mut after) = (HashMap::new(), 0);
    loop {
        let page = processes
            .control(&format!("/books/addresses?after={after}&limit={PAGE}"))
            .await?;
        let rows = page["addresses"]
            .as_array()
            .context("books without addresses")?;
        // The token endpoint's books hold no address of a device.
        for row in rows.iter().filter(|row| row["provider"] != "oauth") {
            let accepted = row["accepted"]
                .as_u64()
                .context("an address without its count")?;
            seen.insert(text(row, "address")?.to_owned(), accepted);
        }
        after += rows.len();
        if rows.len() < PAGE {
            return Ok(seen);
        }
    }
}
