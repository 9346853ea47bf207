//! `fanfare-loadtest isolation`: what one app's trouble costs another.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::arrivals::{self, UNDER_WAY_MAX};
use crate::latencies::Latencies;
use crate::provider::Listed;
use crate::report::{Figure, Report, Row};
use crate::setup::{Bench, Provider};
use crate::world::{Plan, World};

/// Two apps with providers and credentials of their own. One sends receipts at a steady rate; the other sends ten
/// times as many pushes, and its provider accepts them, refuses its key, throttles, answers 503, or never answers. The
/// report says how long the first app's pushes took, from the instant each was due to the provider's answer, and by
/// how much the 99th percentile differs from that without trouble.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Receipts a second of the steady app.
    #[arg(long, default_value_t = 200.0)]
    rate: f64,
    /// Pushes a second of the app in trouble, in calls of 100 users.
    #[arg(long, default_value_t = 2_000.0)]
    trouble_rate: f64,
    /// Seconds of each round.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// How long the steady app's provider takes to answer, in milliseconds.
    #[arg(long, default_value_t = 50)]
    provider_ms: u64,
}

/// Users named by one call of the app in trouble.
const USERS_A_CALL: usize = 100;

/// What the second app's provider does in a round.
fn rounds() -> Vec<(&'static str, Value)> {
    let answer = |status: u16, reason: &str| {
        json!([{ "when": { "provider": "apns" }, "then": { "answer": {
            "status": status, "reason": reason, "headers": { "retry-after": "1" } } } }])
    };
    vec![
        ("all is well", json!([])),
        ("its key is refused", answer(403, "InvalidProviderToken")),
        (
            "every push is throttled (429)",
            answer(429, "TooManyRequests"),
        ),
        (
            "its provider is down (503)",
            answer(503, "ServiceUnavailable"),
        ),
        (
            "its provider never answers",
            json!([{ "when": { "provider": "apns" }, "then": { "silence": {} } }]),
        ),
        ("all is well again", json!([])),
    ]
}

pub(crate) async fn run(bench: &Bench, args: &Args) -> anyhow::Result<Report> {
    anyhow::ensure!(
        !bench.setup.fast,
        "isolation scripts faults; --fast has none"
    );
    anyhow::ensure!(
        bench.setup.latency.is_none(),
        "isolation has --provider-ms instead of --latency"
    );
    anyhow::ensure!(
        bench.setup.provider == Provider::Apns,
        "isolation knows APNs only"
    );
    let receipts = (args.rate * args.seconds as f64) as usize;
    let mut plan = Plan {
        apps: &["steady", "trouble"],
        listed: Listed(2 * receipts),
        ..Plan::new(bench, None)
    };
    // The app in trouble may fill its own budget, not the gateway's.
    plan.settings.set(
        "limits",
        "deliveries_max = 100000\ndeliveries_per_app_max = 20000",
    );
    plan.settings.set("link", "request_timeout = \"5s\"");
    let world = World::start(bench, plan).await?;
    world.people(&world.apps[0], 0..receipts, 1).await?;
    world.people(&world.apps[1], 0..USERS_A_CALL, 1).await?;
    let slow = json!([{ "when": { "provider": "apns" }, "delay_ms": args.provider_ms }]);
    world.apps[0].providers.control.rules(&slow).await?;
    let mut report = Report::new(format!(
        "{} receipts/s of the steady app, beside {} pushes/s of an app of which …",
        args.rate, args.trouble_rate
    ));
    // Connections open and caches fill before anything counts.
    bench.progress.phase("warming up");
    round(&world, args, &json!([]), &mut report).await?;
    let mut base = None;
    for (name, rules) in rounds() {
        bench.progress.phase(name);
        let (latencies, sent) = round(&world, args, &rules, &mut report).await?;
        let p99 = latencies.quantile(0.99);
        if latencies.count() != sent {
            let lost = format!("{name}: {} of {sent} receipts answered", latencies.count());
            report.faults.push(lost);
        }
        report.rows.push(Row::new(
            name,
            vec![
                Figure::new("receipts", latencies.count() as f64),
                Figure::new("p50 ms", latencies.quantile(0.5)),
                Figure::new("p99 ms", p99),
                Figure::new("p99.9 ms", latencies.quantile(0.999)),
                Figure::new("p99 to the first", p99 / *base.get_or_insert(p99)),
            ],
        ));
    }
    // Of the app in trouble the provider may have taken what its gateway could not hear of.
    world.finish(1, &mut report).await?;
    Ok(report)
}

/// Both apps send for the time of a round. Latencies of the steady one's pushes, and how many were accepted.
async fn round(
    world: &World,
    args: &Args,
    rules: &Value,
    report: &mut Report,
) -> anyhow::Result<(Latencies, u64)> {
    let [steady, trouble] = &world.apps[..] else {
        anyhow::bail!("two apps were asked for");
    };
    let time = Duration::from_secs(args.seconds);
    let script = &trouble.providers.control;
    script.rules(rules).await?;
    world.new_books(steady, report).await?;
    let started = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let mut due = HashMap::new();
    let call = |n: usize| arrivals::send(world.notification(steady, n..n + 1));
    let receipts = arrivals::open(args.rate, time, UNDER_WAY_MAX, call, |arrival| {
        if arrival.status == 202 {
            due.insert(world.spec.address(arrival.number), started + arrival.due);
        }
    });
    let calls = args.trouble_rate / USERS_A_CALL as f64;
    let call = |_| arrivals::send(world.notification(trouble, 0..USERS_A_CALL));
    let noise = arrivals::open(calls, time, UNDER_WAY_MAX, call, |_| ());
    let (receipts, noise) = tokio::join!(receipts, noise);
    noise?;
    receipts?;
    script.rules(&json!([])).await?;
    script.hang_up().await?;
    world.is_idle().await?;
    let taken = due.len() as u64;
    let mut latencies = Latencies::new()?;
    let told = |entry: fanfare_simulator::books::Entry| {
        if let Some(due) = due.remove(&entry.address) {
            latencies.record_ms(entry.at_ms as f64 - due.as_secs_f64() * 1000.0);
        }
    };
    steady.providers.control.delivered(told).await?;
    Ok((latencies, taken))
}
