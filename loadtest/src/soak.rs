//! `fanfare-loadtest soak`: hours of steady load, and whether memory and latency stay where they were.

use std::time::Duration;

use crate::arrivals::{self, UNDER_WAY_MAX};
use crate::crowd::Crowd;
use crate::latencies::{Latencies, Timeline};
use crate::report::{Figure, Plot, Report, Row, Series};
use crate::setup::Bench;
use crate::usage::Usage;
use crate::world::{Plan, World};

/// Notifications by the clock, for hours. The report compares the tenths of that time: latency of the 202 from the
/// instant each was due, and the gateway's memory, CPU and open files; its plots show how they went.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    crowd: Crowd,
    /// How long. Default: one hour.
    #[arg(long)]
    hours: Option<f64>,
    /// How long, in minutes; added to the hours.
    #[arg(long)]
    minutes: Option<f64>,
    /// Notifications a second.
    #[arg(long, default_value_t = 500.0)]
    rate: f64,
    /// Users that each names.
    #[arg(long, default_value_t = 1)]
    users: usize,
}

/// Parts of the time that are compared.
const PARTS: u32 = 10;

/// Devices when neither a number nor a directory is given.
const DEVICES: usize = 100_000;

impl Args {
    fn time(&self) -> anyhow::Result<Duration> {
        let hours = match (self.hours, self.minutes) {
            (None, None) => 1.0,
            (hours, minutes) => hours.unwrap_or(0.0) + minutes.unwrap_or(0.0) / 60.0,
        };
        anyhow::ensure!(
            (0.0..=24.0 * 30.0).contains(&hours),
            "{hours} hours are no time"
        );
        Ok(Duration::from_secs_f64(hours * 3600.0))
    }
}

pub(crate) async fn run(bench: &Bench, args: &Args) -> anyhow::Result<Report> {
    let time = args.time()?;
    let crowd = args.crowd.or(DEVICES.max(args.users));
    let world = World::start(bench, Plan::new(bench, Some(&crowd))).await?;
    anyhow::ensure!(
        args.users <= world.spec.devices,
        "{} users of {}",
        args.users,
        world.spec.devices
    );
    let mut report = Report::new(format!(
        "{} notifications/s to {} users each for {:.1} minutes",
        args.rate,
        args.users,
        time.as_secs_f64() / 60.0
    ));
    let mut timeline = Timeline::over(time)?;
    let mut taken = 0_u64;
    for part in 0..PARTS {
        bench
            .progress
            .phase(format!("part {} of {PARTS}", part + 1));
        taken += one(&world, args, part, time / PARTS, &mut timeline, &mut report).await?;
    }
    timeline.end_step();
    for (name, points) in [("accept p50", timeline.p50), ("accept p99", timeline.p99)] {
        report.series.push(Series {
            plot: Plot::Latency,
            name: name.to_owned(),
            points,
        });
    }
    world.is_idle().await?;
    let totals = world.apps[0].providers.control.totals().await?;
    let (requests, wanted) = (
        crate::provider::both(&totals, |side| side.requests),
        taken * args.users as u64,
    );
    // Devices that were found dead have no more pushes.
    if requests != wanted && world.spec.dead_percent == 0.0 {
        report.faults.push(format!(
            "{wanted} pushes were taken, {requests} came to the providers"
        ));
    }
    world.finish(1, &mut report).await?;
    Ok(report)
}

/// A tenth; how many calls were taken.
async fn one(
    world: &World,
    args: &Args,
    part: u32,
    time: Duration,
    timeline: &mut Timeline,
    report: &mut Report,
) -> anyhow::Result<u64> {
    let app = &world.apps[0];
    let devices = world.spec.devices;
    let before = world.gateway.usage()?;
    let (mut latencies, mut refused, mut odd) = (Latencies::new()?, 0_u64, None);
    let from = (args.rate * time.as_secs_f64()) as usize * part as usize;
    let call = |n: usize| {
        let users = (0..args.users).map(move |place| ((from + n) * args.users + place) % devices);
        arrivals::send(world.notification(app, users))
    };
    arrivals::open(
        args.rate,
        time,
        UNDER_WAY_MAX,
        call,
        |arrival| match arrival.status {
            202 => {
                latencies.record(arrival.latency());
                timeline.record(time * part + arrival.answered, arrival.latency());
            }
            429 | 503 => refused += 1,
            other => odd = Some(other),
        },
    )
    .await?;
    if let Some(status) = odd {
        report.faults.push(format!("a call was answered {status}"));
    }
    let usage = world.gateway.usage()?;
    report
        .rows
        .push(row(part, time, &latencies, refused, (before, usage)));
    Ok(latencies.count())
}

fn row(
    part: u32,
    time: Duration,
    latencies: &Latencies,
    refused: u64,
    (before, now): (Usage, Usage),
) -> Row {
    let calls = latencies.count();
    let cpu = (now.cpu - before.cpu).as_secs_f64();
    Row::new(
        from(time * part),
        vec![
            Figure::new("calls", calls as f64),
            Figure::new("refused", refused as f64),
            Figure::new("p50 ms", latencies.quantile(0.5)),
            Figure::new("p99 ms", latencies.quantile(0.99)),
            Figure::new("most ms", latencies.max()),
            Figure::new("CPU us a call", cpu * 1e6 / calls.max(1) as f64),
            Figure::new("memory MiB", now.resident_kib as f64 / 1024.0),
            Figure::new("files", now.files as f64),
        ],
    )
}

fn from(start: Duration) -> String {
    let seconds = start.as_secs_f64();
    match seconds < 600.0 {
        true => format!("from {seconds:.1} s"),
        false => format!("from {:.0} min", seconds / 60.0),
    }
}
