//! `fanfare-loadtest mix`: urgent receipts beside a campaign that saturates the senders.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use serde_json::json;

use crate::arrivals::{self, Arrival};
use crate::campaign::Campaign;
use crate::crowd;
use crate::report::{Latencies, Report, Row};
use crate::world::{Crowd, World, address};

/// One app sends receipts at a steady rate, alone, then beside a campaign of its own, in turn. The report says how long
/// the receipts took from the instant each was due to the provider's answer.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Receipts a second.
    #[arg(long, default_value_t = 100.0)]
    rate: f64,
    /// Its devices must last for a round.
    #[command(flatten)]
    crowd: Crowd,
    /// Seconds of each round.
    #[arg(long, default_value_t = 8)]
    seconds: u64,
    #[arg(long, default_value_t = 2)]
    rounds: usize,
    /// How long the provider takes to answer, in milliseconds.
    #[arg(long, default_value_t = 50)]
    provider_ms: u64,
}

/// Pushes that the provider lists: the receipts are looked up among them.
const BOOK_ENTRIES: usize = 4_000_000;

pub(crate) async fn run(program: &Path, args: &Args) -> anyhow::Result<Report> {
    let crowd = Some(&args.crowd);
    let world = World::start_with(program, &["shop"], "", BOOK_ENTRIES, crowd).await?;
    let slow = json!([{ "when": { "provider": "apns" }, "delay_ms": args.provider_ms }]);
    world.apps[0].providers.rules(&slow).await?;
    let receivers = (args.rate * args.seconds as f64) as usize;
    let receivers = args.crowd.devices..args.crowd.devices + receivers;
    world.people(&world.apps[0], receivers, 1).await?;
    let mut report = Report {
        title: format!(
            "{} receipts/s, provider at {} ms, alone and beside a campaign",
            args.rate, args.provider_ms
        ),
        rows: Vec::new(),
        faults: Vec::new(),
    };
    // Connections open and caches fill before anything counts.
    receipts(&world, args, &mut report, "warming up").await?;
    report.rows.clear();
    for _ in 0..args.rounds {
        receipts(&world, args, &mut report, "alone").await?;
        let body = json!({ "name": "mix", "audience": { "tag": crowd::TAG }, "message": { "title": "Spring" } });
        let campaign = Campaign::create(&world, &body).await?;
        campaign.start().await?;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let before = campaign.now().await?;
        receipts(&world, args, &mut report, "beside a campaign").await?;
        let now = campaign.now().await?;
        if now["state"] != "running" {
            report.faults.push("the campaign ended too soon".to_owned());
        }
        campaign.command("cancel").await?;
        let delivered = |at: &serde_json::Value| at["counts"]["delivered"].as_f64().unwrap_or(0.0);
        if let Some(row) = report.rows.last_mut() {
            let rate = (delivered(&now) - delivered(&before)) / args.seconds as f64;
            row.figures.last_mut().context("a row")?.1 = rate;
        }
        world.is_idle().await?;
    }
    world.stop().await?;
    Ok(report)
}

async fn receipts(
    world: &World,
    args: &Args,
    report: &mut Report,
    name: &str,
) -> anyhow::Result<()> {
    let app = &world.apps[0];
    app.providers.forget().await?;
    let count = (args.rate * args.seconds as f64) as usize;
    let time = Duration::from_secs(args.seconds);
    let first = args.crowd.devices;
    let sent = arrivals::run(args.rate, time, |n| {
        world.notification(app, first + n..first + n + 1)
    });
    let sent = sent.await?;
    let taken: Vec<&Arrival> = sent
        .iter()
        .filter(|arrival| arrival.status == 202)
        .collect();
    tokio::time::sleep(Duration::from_millis(500 + 2 * args.provider_ms)).await;
    let mut latencies = Latencies::new()?;
    for arrival in &taken {
        let address = address(first + arrival.number);
        if let Some(at) = app.providers.answered_at(&address).await? {
            latencies.record_ms(at as f64 - arrival.due_ms);
        }
    }
    if latencies.count() != count as u64 {
        let fault = format!("{name}: {} of {count} receipts answered", latencies.count());
        report.faults.push(fault);
    }
    report.rows.push(Row {
        name: name.to_owned(),
        figures: vec![
            ("receipts", latencies.count() as f64),
            ("p50 ms", latencies.quantile(0.5)),
            ("p99 ms", latencies.quantile(0.99)),
            ("p99.9 ms", latencies.quantile(0.999)),
            ("campaign/s", 0.0),
        ],
    });
    Ok(())
}
