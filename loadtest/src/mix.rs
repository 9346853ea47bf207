//! `fanfare-loadtest mix`: urgent receipts beside a campaign that saturates the senders.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::arrivals::{self, UNDER_WAY_MAX};
use crate::campaign::Campaign;
use crate::crowd::Crowd;
use crate::fleet;
use crate::latencies::{Latencies, Timeline};
use crate::provider::Listed;
use crate::report::{Figure, Plot, Report, Row, Series};
use crate::setup::Bench;
use crate::world::{Plan, World};

/// One app sends receipts at a steady rate, alone, then beside a campaign of its own, in turn. The report says how long
/// the receipts took from the instant each was due to the provider's answer. Providers take 50 ms to answer unless
/// `--latency` says otherwise.
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
}

/// Pushes that the provider lists: the receipts are looked up among them.
const BOOK_ENTRIES: usize = 4_000_000;

/// Between two looks whether all receipts were answered, and how many looks.
const LOOK: Duration = Duration::from_millis(200);
const LOOKS: usize = 50;

pub(crate) async fn run(bench: &Bench, args: &Args) -> anyhow::Result<Report> {
    anyhow::ensure!(
        !bench.setup.fast,
        "mix looks up single pushes; --fast lists none"
    );
    let mut bench = bench.clone();
    let latency = bench
        .setup
        .latency
        .get_or_insert_with(|| "50ms".to_owned())
        .clone();
    let plan = Plan {
        listed: Listed(BOOK_ENTRIES),
        ..Plan::new(&bench, Some(&args.crowd))
    };
    let world = World::start(&bench, plan).await?;
    let receivers = (args.rate * args.seconds as f64) as usize;
    let first = world.spec.devices;
    bench.progress.phase("registering receivers");
    world
        .people(&world.apps[0], first..first + receivers, 1)
        .await?;
    let mut report = Report::new(format!(
        "{} receipts/s, provider at {latency}, alone and beside a campaign",
        args.rate
    ));
    // Connections open and caches fill before anything counts.
    bench.progress.phase("warming up");
    receipts(&world, args, &mut Report::new(""), "warming up").await?;
    for number in 1..=args.rounds {
        bench.progress.phase(format!("round {number}, alone"));
        world.new_books(&world.apps[0], &mut report).await?;
        let alone = receipts(&world, args, &mut report, "alone").await?;
        bench
            .progress
            .phase(format!("round {number}, beside a campaign"));
        beside(&world, args, &alone, &mut report).await?;
    }
    world.finish(1, &mut report).await?;
    Ok(report)
}

async fn beside(
    world: &World,
    args: &Args,
    alone: &Latencies,
    report: &mut Report,
) -> anyhow::Result<()> {
    let body = json!({
        "name": "mix", "audience": { "tag": fleet::TAG }, "message": world.bench.setup.message(),
    });
    let campaign = Campaign::create(world, &body).await?;
    campaign.start().await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = campaign.now().await?;
    let with = receipts(world, args, report, "beside a campaign").await?;
    let now = campaign.now().await?;
    if now["state"] == "running" {
        campaign.command("cancel").await?;
    } else {
        let fault = "the campaign ended too soon: more --devices, or fewer --seconds";
        report.faults.push(fault.to_owned());
    }
    let delivered = |at: &Value| at["counts"]["delivered"].as_f64().unwrap_or(0.0);
    let rate = (delivered(&now) - delivered(&before)) / args.seconds as f64;
    let p99 = with.quantile(0.99);
    report.rows.push(row("alone", alone, alone));
    report.rows.push(row("beside a campaign", &with, alone));
    report.rows.push(Row::new(
        "cost",
        vec![
            Figure::new("campaign pushes/s", rate),
            Figure::new("p99 more, ms", p99 - alone.quantile(0.99)),
        ],
    ));
    world.is_idle().await
}

fn row(name: &str, latencies: &Latencies, alone: &Latencies) -> Row {
    let beside =
        |name, share| Figure::beside(name, latencies.quantile(share), alone.quantile(share));
    Row::new(
        name,
        vec![
            Figure::new("receipts", latencies.count() as f64),
            beside("p50 ms", 0.5),
            beside("p99 ms", 0.99),
            beside("p99.9 ms", 0.999),
        ],
    )
}

async fn receipts(
    world: &World,
    args: &Args,
    report: &mut Report,
    name: &str,
) -> anyhow::Result<Latencies> {
    let app = &world.apps[0];
    let count = (args.rate * args.seconds as f64) as usize;
    let time = Duration::from_secs(args.seconds);
    let first = world.spec.devices;
    let logged = app.providers.control.totals().await?.logged;
    let started = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let call = |n| {
        let user = first + n;
        arrivals::send(world.notification(app, user..user + 1))
    };
    let mut due: HashMap<usize, Duration> = HashMap::new();
    arrivals::open(args.rate, time, UNDER_WAY_MAX, call, |arrival| {
        if arrival.status == 202 {
            due.insert(arrival.number, arrival.due);
        }
    })
    .await?;
    let mut latencies = Latencies::new()?;
    let mut timeline = Timeline::over(time)?;
    let mut pending: Vec<(usize, Duration)> = due.into_iter().collect();
    pending.sort_unstable();
    for _ in 0..LOOKS {
        let mut waiting = Vec::new();
        for (number, due) in pending {
            let address = world.spec.address(first + number);
            match app.providers.control.answered_at(&address, logged).await? {
                Some(at) => {
                    let at = Duration::from_millis(at).saturating_sub(started);
                    latencies.record(at.saturating_sub(due));
                    timeline.record(at, at.saturating_sub(due));
                }
                None => waiting.push((number, due)),
            }
        }
        pending = waiting;
        if pending.is_empty() {
            break;
        }
        tokio::time::sleep(LOOK).await;
    }
    if latencies.count() != count as u64 {
        let fault = format!("{name}: {} of {count} receipts answered", latencies.count());
        report.faults.push(fault);
    }
    timeline.end_step();
    report.series.push(Series {
        plot: Plot::Latency,
        name: format!("p99 {name}"),
        points: timeline.p99,
    });
    Ok(latencies)
}
