//! `fanfare-loadtest overload`: what is delivered when far more is asked for than can be.

use std::time::Duration;

use anyhow::Context;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::provider::both;
use crate::report::{Figure, Report, Row};
use crate::setup::Bench;
use crate::world::{Plan, World};

/// First the best: callers that wait for each answer, more of them until nothing is gained. Then callers that send
/// without pause, many times as many. The report says how many pushes a second the provider accepted in each round
/// (goodput), how many calls were refused, and the most memory the gateway held.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Callers of the rounds; the last is the overload.
    #[arg(long, value_delimiter = ',', default_value = "4,16,64,640")]
    callers: Vec<usize>,
    /// Users that each call names.
    #[arg(long, default_value_t = 20)]
    users: usize,
    /// Devices of each of them.
    #[arg(long, default_value_t = 1)]
    devices: usize,
    /// Seconds of each round.
    #[arg(long, default_value_t = 8)]
    seconds: u64,
    /// Deliveries the gateway may hold.
    #[arg(long, default_value_t = 20_000)]
    deliveries_max: usize,
}

pub(crate) async fn run(bench: &Bench, args: &Args) -> anyhow::Result<Report> {
    let mut plan = Plan::new(bench, None);
    for limit in ["deliveries_max", "deliveries_per_app_max"] {
        plan.settings
            .set("limits", &format!("{limit} = {}", args.deliveries_max));
    }
    let world = World::start(bench, plan).await?;
    world
        .people(&world.apps[0], 0..args.users, args.devices)
        .await?;
    let mut report = Report::new(format!(
        "pushes accepted by the provider, calls naming {} users with {} devices each",
        args.users, args.devices
    ));
    let mut rows = Vec::new();
    for callers in &args.callers {
        bench.progress.phase(format!("{callers} callers"));
        rows.push(round(&world, args, *callers, &mut report).await?);
    }
    let goodput = |row: &Row| row.figures[0].value;
    let best = rows.iter().map(goodput).fold(f64::MIN_POSITIVE, f64::max);
    for mut row in rows {
        let ratio = goodput(&row) / best;
        row.figures.push(Figure::new("to the best", ratio));
        report.rows.push(row);
    }
    world.finish(1, &mut report).await?;
    Ok(report)
}

/// What one round's callers got.
#[derive(Clone, Copy, Default)]
struct Answers {
    accepted: u64,
    refused: u64,
}

async fn round(
    world: &World,
    args: &Args,
    callers: usize,
    report: &mut Report,
) -> anyhow::Result<Row> {
    let app = &world.apps[0];
    world.new_books(app, report).await?;
    let (start, cpu) = (Instant::now(), world.gateway.cpu()?);
    let end = start + Duration::from_secs(args.seconds);
    let mut calling = JoinSet::new();
    for _ in 0..callers {
        let request = world.notification(app, 0..args.users);
        calling.spawn(call_until(end, request));
    }
    let mut all = Answers::default();
    tokio::time::sleep_until(end).await;
    // What was answered by then; the rest is still worked off.
    let accepted = both(&app.providers.control.totals().await?, |side| side.accepted) as f64;
    let time = start.elapsed().as_secs_f64();
    let cpu = (world.gateway.cpu()? - cpu).as_secs_f64() * 1e6;
    while let Some(answers) = calling.join_next().await {
        let answers = answers??;
        all.accepted += answers.accepted;
        all.refused += answers.refused;
    }
    world.is_idle().await?;
    let total = both(&app.providers.control.totals().await?, |side| side.accepted);
    let wanted = all.accepted * (args.users * args.devices) as u64;
    if total != wanted {
        report.faults.push(format!(
            "{callers} callers: {total} pushes of {wanted} that were taken"
        ));
    }
    Ok(Row::new(
        format!("{callers} callers"),
        vec![
            Figure::new("pushes/s", accepted / time),
            Figure::new("CPU us a push", cpu / accepted.max(1.0)),
            Figure::new("calls accepted", all.accepted as f64),
            Figure::new("calls refused", all.refused as f64),
            Figure::new("peak MiB", world.gateway.usage()?.peak_kib as f64 / 1024.0),
        ],
    ))
}

/// Sends the same call again as soon as it is answered, whatever the answer.
async fn call_until(end: Instant, request: reqwest::RequestBuilder) -> anyhow::Result<Answers> {
    let mut answers = Answers::default();
    while Instant::now() < end {
        let request = request
            .try_clone()
            .context("a body that can be sent again")?;
        let response = request.send().await?;
        let status = response.status().as_u16();
        response.bytes().await?;
        match status {
            202 => answers.accepted += 1,
            429 | 503 => answers.refused += 1,
            other => anyhow::bail!("an answer {other}"),
        }
    }
    Ok(answers)
}
