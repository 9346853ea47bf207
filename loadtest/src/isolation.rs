//! `fanfare-loadtest isolation`: what one app's trouble costs another.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::arrivals::{self, Arrival};
use crate::report::{Latencies, Report, Row};
use crate::world::{World, address};

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

/// The app in trouble may fill its own budget, not the gateway's.
const SETTINGS: &str = "[limits]\ndeliveries_max = 100000\ndeliveries_per_app_max = 20000\n\
    [link]\nrequest_timeout = \"5s\"";

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

pub(crate) async fn run(program: &Path, args: &Args) -> anyhow::Result<Report> {
    let time = Duration::from_secs(args.seconds);
    let receipts = (args.rate * time.as_secs_f64()) as usize;
    let world = World::start(program, &["steady", "trouble"], SETTINGS, 2 * receipts).await?;
    world.people(&world.apps[0], 0..receipts, 1).await?;
    world.people(&world.apps[1], 0..USERS_A_CALL, 1).await?;
    let slow = json!([{ "when": { "provider": "apns" }, "delay_ms": args.provider_ms }]);
    world.apps[0].providers.rules(&slow).await?;
    let mut report = Report {
        title: format!(
            "{} receipts/s of the steady app, beside {} pushes/s of an app of which …",
            args.rate, args.trouble_rate
        ),
        rows: Vec::new(),
        faults: Vec::new(),
    };
    // Connections open and caches fill before anything counts.
    round(&world, args, &json!([])).await?;
    for (name, rules) in rounds() {
        let (latencies, sent) = round(&world, args, &rules).await?;
        let base = report.rows.first().map_or(f64::NAN, |row| row.figures[2].1);
        let p99 = latencies.quantile(0.99);
        if latencies.count() != sent {
            let lost = format!("{name}: {} of {sent} receipts answered", latencies.count());
            report.faults.push(lost);
        }
        report.rows.push(Row {
            name: name.to_owned(),
            figures: vec![
                ("receipts", latencies.count() as f64),
                ("p50 ms", latencies.quantile(0.5)),
                ("p99 ms", p99),
                ("p99.9 ms", latencies.quantile(0.999)),
                (
                    "p99 to the first",
                    if base.is_nan() { 1.0 } else { p99 / base },
                ),
            ],
        });
    }
    world.stop().await?;
    Ok(report)
}

/// Both apps send for the time of a round. Latencies of the steady one's pushes, and how many were accepted.
async fn round(world: &World, args: &Args, rules: &Value) -> anyhow::Result<(Latencies, u64)> {
    let [steady, trouble] = &world.apps[..] else {
        anyhow::bail!("two apps were asked for");
    };
    let time = Duration::from_secs(args.seconds);
    trouble.providers.rules(rules).await?;
    steady.providers.forget().await?;
    let receipts = arrivals::run(args.rate, time, |n| world.notification(steady, n..n + 1));
    let calls = args.trouble_rate / USERS_A_CALL as f64;
    let noise = arrivals::run(calls, time, |_| {
        world.notification(trouble, 0..USERS_A_CALL)
    });
    let (receipts, noise) = tokio::join!(receipts, noise);
    noise?;
    let receipts = receipts?;
    trouble.providers.rules(&json!([])).await?;
    trouble.providers.hang_up().await?;
    world.is_idle().await?;
    let answered = steady.providers.answered().await?;
    let mut latencies = Latencies::new()?;
    let taken: Vec<&Arrival> = receipts
        .iter()
        .filter(|arrival| arrival.status == 202)
        .collect();
    for arrival in &taken {
        if let Some(at) = answered.get(&address(arrival.number)) {
            latencies.record_ms(*at as f64 - arrival.due_ms);
        }
    }
    Ok((latencies, taken.len() as u64))
}
