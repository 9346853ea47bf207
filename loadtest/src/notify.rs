//! `fanfare-loadtest notify`: notifications over HTTP.

use std::time::{Duration, Instant};

use crate::arrivals::{self, Arrival, UNDER_WAY_MAX};
use crate::crowd::Crowd;
use crate::latencies::{Latencies, Timeline};
use crate::provider::{Listed, both};
use crate::report::{Figure, Plot, Report, Row, Series};
use crate::setup::Bench;
use crate::world::{Plan, World};

/// Devices when neither a number nor a directory is given.
const DEVICES: usize = 100_000;

/// Pushes that the simulators list when delivery is looked up.
const LISTED: usize = 2_000_000;

/// Notifications to some users each. With `--rate` they start by the clock, and their latency counts from the instant
/// each was due; without it `--callers` send as fast as they are answered. The report says how long the 202 took and,
/// where each device has one push, how long it took until the provider had accepted that; and the gateway's CPU a push.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    crowd: Crowd,
    /// Notifications a second. Default: as many as the callers get through.
    #[arg(long)]
    rate: Option<f64>,
    /// Callers without a rate.
    #[arg(long, default_value_t = 64)]
    callers: usize,
    /// Users that each notification names.
    #[arg(long, default_value_t = 1)]
    users: usize,
    /// Seconds.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Rounds, each as long.
    #[arg(long, default_value_t = 1)]
    rounds: usize,
}

pub(crate) async fn run(bench: &Bench, args: &Args) -> anyhow::Result<Report> {
    let crowd = args.crowd.or(DEVICES.max(args.users));
    let mut plan = Plan::new(bench, Some(&crowd));
    if is_listed(bench, args) {
        plan.listed = Listed(LISTED);
    }
    let world = World::start(bench, plan).await?;
    let devices = world.spec.devices;
    anyhow::ensure!(args.users <= devices, "{} users of {devices}", args.users);
    let load = match args.rate {
        Some(rate) => format!("{rate} a second"),
        None => format!("{} callers without pause", args.callers),
    };
    let mut report = Report::new(format!(
        "notifications to {} of {devices} users each, {load}",
        args.users
    ));
    // Connections open and caches fill before anything counts.
    bench.progress.phase("warming up");
    let warm = Args {
        seconds: 1,
        ..args.clone()
    };
    round(&world, &warm, &mut Report::new("")).await?;
    for number in 1..=args.rounds {
        bench.progress.phase(format!("round {number}"));
        world.new_books(&world.apps[0], &mut report).await?;
        let row = round(&world, args, &mut report).await?;
        report.rows.push(row);
    }
    world.finish(1, &mut report).await?;
    Ok(report)
}

/// Whether the time of delivery is looked up in the providers' books.
fn is_listed(bench: &Bench, args: &Args) -> bool {
    args.users == 1 && args.rate.is_some() && !bench.setup.fast
}

async fn round(world: &World, args: &Args, report: &mut Report) -> anyhow::Result<Row> {
    let app = &world.apps[0];
    let devices = world.spec.devices;
    let time = Duration::from_secs(args.seconds);
    let (before, cpu) = (Instant::now(), world.gateway.cpu()?);
    let accepted = app.providers.control.accepted().await?;
    let started = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    let call = |n: usize| {
        let users = (0..args.users).map(move |place| (n * args.users + place) % devices);
        arrivals::send(world.notification(app, users))
    };
    let mut heard = Heard::new(time)?;
    match args.rate {
        Some(rate) => {
            arrivals::open(rate, time, UNDER_WAY_MAX, call, |arrival| {
                heard.hear(arrival)
            })
            .await?;
        }
        None => arrivals::closed(args.callers, time, call, |arrival| heard.hear(arrival)).await?,
    }
    let sending = before.elapsed().as_secs_f64();
    world.is_idle().await?;
    let cpu = (world.gateway.cpu()? - cpu).as_secs_f64() * 1e6;
    let totals = app.providers.control.totals().await?;
    let pushes = (app.providers.control.accepted().await? - accepted) as f64;
    let requests = both(&totals, |side| side.requests);
    // Devices that were found dead have no more pushes.
    if world.spec.dead_percent == 0.0 && requests < heard.taken * args.users as u64 {
        report.faults.push(format!(
            "{} calls were taken, {requests} pushes came to the providers",
            heard.taken
        ));
    }
    if let Some(status) = heard.odd {
        report.faults.push(format!("a call was answered {status}"));
    }
    let mut figures = vec![
        Figure::new("calls", heard.taken as f64),
        Figure::new("refused", heard.refused as f64),
        Figure::new("calls/s", heard.taken as f64 / sending),
        Figure::new("pushes/s", pushes / sending),
        Figure::new("CPU us a push", cpu / pushes.max(1.0)),
        Figure::new("accept p50 ms", heard.latencies.quantile(0.5)),
        Figure::new("p99", heard.latencies.quantile(0.99)),
        Figure::new("p99.9", heard.latencies.quantile(0.999)),
        Figure::new("most", heard.latencies.max()),
    ];
    if is_listed(&world.bench, args) && heard.arrivals.len() <= devices {
        let delivered = heard.delivered(world, started).await?;
        figures.extend([
            Figure::new("delivered p50 ms", delivered.quantile(0.5)),
            Figure::new("p99", delivered.quantile(0.99)),
            Figure::new("p99.9", delivered.quantile(0.999)),
        ]);
    }
    heard.curves(report);
    let name = match args.rate {
        Some(_) => "from the instant due",
        None => "from the call",
    };
    Ok(Row::new(name, figures))
}

/// What the callers were answered.
struct Heard {
    latencies: Latencies,
    timeline: Timeline,
    /// When the n-th was due, of those taken.
    arrivals: Vec<(usize, Duration)>,
    taken: u64,
    refused: u64,
    /// Any other answer.
    odd: Option<u16>,
}

impl Heard {
    fn new(time: Duration) -> anyhow::Result<Self> {
        Ok(Heard {
            latencies: Latencies::new()?,
            timeline: Timeline::over(time)?,
            arrivals: Vec::new(),
            taken: 0,
            refused: 0,
            odd: None,
        })
    }

    fn hear(&mut self, arrival: Arrival) {
        match arrival.status {
            202 => {
                self.taken += 1;
                self.latencies.record(arrival.latency());
                self.timeline.record(arrival.answered, arrival.latency());
                self.arrivals.push((arrival.number, arrival.due));
            }
            429 | 503 => self.refused += 1,
            other => self.odd = Some(other),
        }
    }

    /// From the instant due to the provider's answer, for devices that have one push each.
    async fn delivered(&self, world: &World, started: Duration) -> anyhow::Result<Latencies> {
        let due = self
            .arrivals
            .iter()
            .map(|(number, due)| (world.spec.address(*number), *due));
        let due: std::collections::HashMap<String, Duration> = due.collect();
        let mut latencies = Latencies::new()?;
        let control = &world.apps[0].providers.control;
        let told = |entry: fanfare_simulator::books::Entry| {
            if let Some(due) = due.get(&entry.address) {
                let due = (started + *due).as_secs_f64() * 1000.0;
                latencies.record_ms(entry.at_ms as f64 - due);
            }
        };
        control.delivered(told).await?;
        Ok(latencies)
    }

    fn curves(&mut self, report: &mut Report) {
        self.timeline.end_step();
        for (name, points) in [("p50", &self.timeline.p50), ("p99", &self.timeline.p99)] {
            report.series.push(Series {
                plot: Plot::Latency,
                name: format!("accept {name}"),
                points: points.clone(),
            });
        }
    }
}
