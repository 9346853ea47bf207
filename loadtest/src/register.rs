//! `fanfare-loadtest register`: durable registrations over HTTP, beside the same of the store alone.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use fanfare_store::{Change, Expect, Put, Store, embedded};
use fanfare_types::AppId;

use crate::arrivals;
use crate::fleet::{Spec, user};
use crate::latencies::Latencies;
use crate::report::{Figure, Report, Row};
use crate::setup::Bench;
use crate::world::{APP, Plan, World};

/// Each caller registers one new device after the other. The floor is the store of a directory beside it, with as many
/// callers and nothing around it, each of whose writes is as durable. The report says how many registrations a second,
/// what of CPU each cost the gateway, and how long they took.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[arg(long, default_value_t = 64)]
    callers: usize,
    /// Seconds of each part.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    #[arg(long, default_value_t = 3)]
    rounds: usize,
}

pub(crate) async fn run(bench: &Bench, args: &Args) -> anyhow::Result<Report> {
    let world = World::start(bench, Plan::new(bench, None)).await?;
    let directory = tempfile::tempdir().context("making a directory")?;
    let mut report = Report::new(format!("registrations, {} callers", args.callers));
    let mut registered = 0;
    for number in 1..=args.rounds {
        bench
            .progress
            .phase(format!("round {number}, the store alone"));
        let path = directory.path().join(format!("{number}.db"));
        let floor = alone(&path, world.spec.clone(), args).await?;
        bench.progress.phase(format!("round {number}"));
        let cpu = world.gateway.cpu()?;
        let measured = over_http(&world, args, registered, &mut report).await?;
        registered += measured.count as usize;
        let cpu = (world.gateway.cpu()? - cpu).as_secs_f64() * 1e6 / measured.count as f64;
        report.rows.push(Row::new(
            "registered",
            vec![
                Figure::beside("a second", measured.per_second(), floor.per_second()),
                Figure::new("CPU us each", cpu),
                Figure::beside(
                    "p50 ms",
                    measured.latencies.quantile(0.5),
                    floor.latencies.quantile(0.5),
                ),
                Figure::beside(
                    "p99 ms",
                    measured.latencies.quantile(0.99),
                    floor.latencies.quantile(0.99),
                ),
            ],
        ));
    }
    books(&world, registered, &mut report).await?;
    world.finish(1, &mut report).await?;
    Ok(report)
}

struct Measured {
    latencies: Latencies,
    count: u64,
    seconds: f64,
}

impl Measured {
    fn per_second(&self) -> f64 {
        self.count as f64 / self.seconds
    }
}

async fn over_http(
    world: &World,
    args: &Args,
    from: usize,
    report: &mut Report,
) -> anyhow::Result<Measured> {
    let app = &world.apps[0];
    let call = |n: usize| {
        let n = from + n;
        arrivals::send(world.registration(app, n, &user(n)))
    };
    let (measured, odd) = closed(args, call).await?;
    if let Some(status) = odd {
        report
            .faults
            .push(format!("a registration was answered {status}"));
    }
    Ok(measured)
}

async fn closed<F>(
    args: &Args,
    call: impl Fn(usize) -> F,
) -> anyhow::Result<(Measured, Option<u16>)>
where
    F: Future<Output = anyhow::Result<u16>> + Send + 'static,
{
    let (mut latencies, mut odd) = (Latencies::new()?, None);
    let start = Instant::now();
    let time = Duration::from_secs(args.seconds);
    arrivals::closed(args.callers, time, call, |arrival| {
        latencies.record(arrival.latency());
        if arrival.status != 201 {
            odd = Some(arrival.status);
        }
    })
    .await?;
    let measured = Measured {
        count: latencies.count(),
        latencies,
        seconds: start.elapsed().as_secs_f64(),
    };
    Ok((measured, odd))
}

/// The store of the gateway with its defaults, new, written to by as many callers.
async fn alone(path: &Path, spec: Spec, args: &Args) -> anyhow::Result<Measured> {
    let store = embedded::open(&embedded::Config::at(path)).context("opening a store")?;
    let app = AppId::new(APP).context("an app's name")?;
    let call = |n: usize| write(Arc::clone(&store), spec.clone(), app.clone(), n);
    let (measured, _) = closed(args, call).await?;
    store.close().await?;
    Ok(measured)
}

async fn write(store: Arc<dyn Store>, spec: Spec, app: AppId, n: usize) -> anyhow::Result<u16> {
    let device = spec.device(&app, n)?;
    let change = Change {
        app,
        put: Some(Put {
            key: device.address.key(None),
            device,
            expect: Expect::Absent,
        }),
        remove: Vec::new(),
        claim: None,
    };
    let _applied = store.apply(change).await?;
    Ok(201)
}

/// What was answered 201 is there, by the gateway's counter.
async fn books(world: &World, registered: usize, report: &mut Report) -> anyhow::Result<()> {
    let metrics = world.metrics().await?;
    let lines = metrics
        .lines()
        .filter(|line| line.starts_with("fanfare_registrations_total{"));
    let values = lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<usize>().ok());
    let counted: usize = values.sum();
    if counted != registered {
        report.faults.push(format!(
            "{registered} registrations were answered, the gateway counts {counted}"
        ));
    }
    Ok(())
}
