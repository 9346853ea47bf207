//! `fanfare-loadtest overload`: what is delivered when far more is asked for than can be.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::report::{Report, Row};
use crate::world::World;

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

pub(crate) async fn run(program: &Path, args: &Args) -> anyhow::Result<Report> {
    let settings = format!(
        "[limits]\ndeliveries_max = {0}\ndeliveries_per_app_max = {0}",
        args.deliveries_max
    );
    let world = World::start(program, &["shop"], &settings, 1).await?;
    world
        .people(&world.apps[0], 0..args.users, args.devices)
        .await?;
    let mut report = Report {
        title: format!(
            "pushes accepted by the provider, calls naming {} users with {} devices each",
            args.users, args.devices
        ),
        rows: Vec::new(),
        faults: Vec::new(),
    };
    let mut best = 0.0_f64;
    for callers in &args.callers {
        let row = round(&world, args, *callers).await?;
        let goodput = row.figures[0].1;
        best = best.max(goodput);
        report.rows.push(row);
    }
    for row in &mut report.rows {
        row.figures.push(("to the best", row.figures[0].1 / best));
    }
    let totals = world.apps[0].providers.totals().await?;
    if totals["duplicates"] != 0 {
        report
            .faults
            .push(format!("{} duplicates", totals["duplicates"]));
    }
    world.stop().await?;
    Ok(report)
}

/// What one round's callers got.
#[derive(Clone, Copy, Default)]
struct Answers {
    accepted: u64,
    refused: u64,
}

async fn round(world: &World, args: &Args, callers: usize) -> anyhow::Result<Row> {
    let app = &world.apps[0];
    app.providers.forget().await?;
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
    let accepted = app.providers.totals().await?["accepted"]
        .as_f64()
        .context("no totals")?;
    let time = start.elapsed().as_secs_f64();
    let cpu = (world.gateway.cpu()? - cpu).as_secs_f64() * 1e6;
    while let Some(answers) = calling.join_next().await {
        let answers = answers??;
        all.accepted += answers.accepted;
        all.refused += answers.refused;
    }
    world.is_idle().await?;
    let total = app.providers.totals().await?["accepted"]
        .as_u64()
        .context("no totals")?;
    anyhow::ensure!(
        total == all.accepted * (args.users * args.devices) as u64,
        "{total} pushes of {} calls that were accepted",
        all.accepted
    );
    Ok(Row {
        name: format!("{callers} callers"),
        figures: vec![
            ("pushes/s", accepted / time),
            ("CPU us a push", cpu / accepted.max(1.0)),
            ("calls accepted", all.accepted as f64),
            ("calls refused", all.refused as f64),
            ("peak MiB", world.gateway.peak_kib()? as f64 / 1024.0),
        ],
    })
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
