//! `fanfare demo`: the whole of Fanfare at work, and an account of it that must add up.
//!
//! Simulators and gateway run as processes of their own, as in real use, so that the gateway's CPU can be told
//! from the simulators'. This process is the client: it registers a crowd, sends, waits for every outcome, and
//! compares the gateway's books with the simulators'.

mod audit;
mod campaign;
mod crowd;
mod drive;
mod processes;
mod report;

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crowd::Crowd;
use drive::Gateway;
use processes::Processes;
use report::Report;

/// See Fanfare work: register a crowd of devices, send to all of them, and check the books.
///
/// Starts provider simulators and a gateway in a temporary directory, registers users with 1 to 3 devices each (a
/// few per cent of them dead, some addresses moving to another user), sends one user a receipt, everybody a
/// notification, and then everybody a campaign, and prints what became of every push. Ends with status 0 only if the
/// simulators' books agree with the gateway's to the last push.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How many users.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(10..=200_000))]
    users: u32,
    /// Seed of the crowd.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Keep the temporary directory, and say where it is.
    #[arg(long)]
    keep: bool,
    /// Print the report as one JSON object.
    #[arg(long)]
    json: bool,
}

/// Longest wait for the outcomes of what was sent.
const OUTCOMES_WITHIN: Duration = Duration::from_secs(300);

/// Users named by one notification.
const USERS_PER_CALL: usize = 1000;

pub fn run(args: &Args) -> anyhow::Result<()> {
    super::runtime()?.block_on(demo(args))
}

async fn demo(args: &Args) -> anyhow::Result<()> {
    let crowd = Crowd::new(args.seed, args.users);
    let processes = Processes::start(&crowd, args.keep).await?;
    let gateway = Gateway::new(&processes)?;

    let registered = register(&gateway, &crowd).await?;
    processes.script_receipt_retry(&crowd).await?;
    let receipt = send_receipt(&gateway, &crowd).await?;
    let cpu_before = processes.gateway_cpu()?;
    let sending = Instant::now();
    let sent = send_to_all(&gateway, &crowd).await?;
    let sending = sending.elapsed();
    let cpu = processes.gateway_cpu()?.saturating_sub(cpu_before);

    let mut report = Report::new(registered, sending, cpu);
    audit::read_outcomes(&gateway, &receipt, &mut report).await?;
    for id in &sent {
        audit::read_outcomes(&gateway, id, &mut report).await?;
    }
    report.cleaned = audit::await_cleanup(&gateway, &crowd).await?;
    report.disagreements = audit::compare(&processes, &crowd, &report).await?;
    report.campaign = Some(campaign::run(&gateway, &processes, &crowd).await?);
    report.print(args.json)?;
    processes.stop().await?;
    ensure!(report.books_agree(), "the books do not agree");
    Ok(())
}

/// Registers everyone, and then lets some addresses move to another user. Returns registrations and time.
async fn register(gateway: &Gateway, crowd: &Crowd) -> anyhow::Result<(usize, Duration)> {
    let started = Instant::now();
    let bar = progress("registering", crowd.devices.len() + crowd.moves.len());
    let first: Vec<_> = crowd
        .devices
        .iter()
        .map(|device| (device.first_owner, device))
        .collect();
    gateway.register_all(&first, &bar).await?;
    let moved: Vec<_> = crowd
        .moves
        .iter()
        .map(|index| &crowd.devices[*index])
        .map(|device| (device.owner, device))
        .collect();
    gateway.register_all(&moved, &bar).await?;
    bar.finish();
    Ok((first.len() + moved.len(), started.elapsed()))
}

/// One user gets a receipt, which the provider refuses to take at the first try.
async fn send_receipt(gateway: &Gateway, crowd: &Crowd) -> anyhow::Result<String> {
    let body = json!({
        "to": { "users": [crowd::user_name(crowd.receipt_user)] },
        "message": { "title": "Your receipt", "body": "Thank you for {{amount}}" },
        "variables": { "amount": "4.20" },
        "ttl": 600,
    });
    let id = gateway.notify(&body, "receipt").await?.id;
    gateway.finished(&id, OUTCOMES_WITHIN, |_| {}).await?;
    Ok(id)
}

/// Everybody gets a notification: some calls that name many users each.
async fn send_to_all(gateway: &Gateway, crowd: &Crowd) -> anyhow::Result<Vec<String>> {
    let bar = progress("sending", crowd.devices.len());
    let users: Vec<u32> = (0..crowd.users).collect();
    let mut ids = Vec::new();
    for (index, some) in users.chunks(USERS_PER_CALL).enumerate() {
        let names: Vec<String> = some.iter().copied().map(crowd::user_name).collect();
        let body = json!({
            "to": { "users": names },
            "message": { "title": "Fanfare", "body": "Everyone gets this", "data": { "from_demo": "yes" } },
            "collapse_key": "demo",
            "ttl": 3600,
        });
        ids.push(gateway.notify(&body, &format!("all-{index}")).await?.id);
    }
    let mut ended_before = 0;
    for id in &ids {
        let ended = gateway
            .finished(id, OUTCOMES_WITHIN, |ended| {
                bar.set_position(ended_before + ended)
            })
            .await?;
        ended_before += ended;
    }
    bar.finish();
    Ok(ids)
}

/// A bar on a terminal; nothing elsewhere.
fn progress(what: &'static str, length: usize) -> ProgressBar {
    let bar = ProgressBar::new(u64::try_from(length).unwrap_or(u64::MAX));
    let style = ProgressStyle::with_template("{msg:12} {wide_bar} {pos}/{len} {per_sec}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.with_message(what)
}

/// The gateway's answer held what it must not.
fn text<'a>(value: &'a serde_json::Value, field: &str) -> anyhow::Result<&'a str> {
    value[field]
        .as_str()
        .with_context(|| format!("the gateway's answer has no {field}"))
}
