//! `fanfare-loadtest campaign`: what a push of a campaign costs, beside what any client must pay for one.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde_json::{Value, json};

use crate::crowd::Crowd;
use crate::floor;
use crate::report::{Figure, Report, Row};
use crate::setup::Bench;
use crate::world::{Plan, World};

/// A campaign to every device of an app, some rounds of it, each beside a round of `h2load` (where there is one, else of
/// a bare `h2` client) against the same simulator. The report says how many pushes a second, the gateway's CPU a push
/// and its ratio to the floor's CPU a request.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    crowd: Crowd,
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Pushes a second; left out, as fast as may be.
    #[arg(long)]
    rate: Option<u32>,
    /// Greet each by name, so that every payload is rendered for itself: an uploaded audience.
    #[arg(long)]
    upload: bool,
}

pub(crate) async fn run(bench: &Bench, args: &Args) -> anyhow::Result<Report> {
    let world = World::start(bench, Plan::new(bench, Some(&args.crowd))).await?;
    let devices = world.spec.devices;
    let mut report = Report::new(format!(
        "a campaign to {devices} devices, payloads of {} bytes",
        bench.setup.payload
    ));
    for number in 1..=args.rounds {
        world.new_books(&world.apps[0], &mut report).await?;
        bench.progress.phase(format!("round {number}, floor"));
        let providers = &world.apps[0].providers;
        let requests = devices.clamp(20_000, 400_000) as u64;
        let floor = floor::any(bench, providers, requests).await?;
        // Those were not the gateway's.
        providers.control.forget().await?;
        bench.progress.phase(format!("round {number}"));
        let row = round(&world, args, &floor, &mut report).await?;
        report.rows.push(row);
    }
    world.finish(1, &mut report).await?;
    Ok(report)
}

async fn round(
    world: &World,
    args: &Args,
    floor: &floor::Floor,
    report: &mut Report,
) -> anyhow::Result<Row> {
    let control = &world.apps[0].providers.control;
    let devices = world.spec.devices;
    let simulator = world.apps[0].providers.cpu()?;
    let campaign = Campaign::create(world, &body(world, args)).await?;
    if args.upload {
        campaign.upload(devices).await?;
    }
    let before = (Instant::now(), world.gateway.cpu()?);
    campaign.start().await?;
    let end = campaign.ended().await?;
    let (time, cpu) = (before.0.elapsed(), world.gateway.cpu()? - before.1);
    let totals = control.totals().await?;
    let requests = crate::provider::both(&totals, |side| side.requests);
    agree(&end, requests, world, &mut report.faults);
    let pushes = (requests as f64).max(1.0);
    let cpu = cpu.as_secs_f64() * 1e6 / pushes;
    let simulator = (world.apps[0].providers.cpu()? - simulator).as_secs_f64() * 1e6 / pushes;
    Ok(Row::new(
        format!("campaign, {}", floor.name),
        vec![
            Figure::beside("pushes/s", pushes / time.as_secs_f64(), floor.per_second),
            Figure::beside("CPU us a push", cpu, floor.cpu_us),
            Figure::new("simulator us", simulator),
            Figure::new("peak MiB", world.gateway.usage()?.peak_kib as f64 / 1024.0),
        ],
    ))
}

fn body(world: &World, args: &Args) -> Value {
    let mut message = world.bench.setup.message();
    let audience = match args.upload {
        true => {
            message["title"] = json!("Hello {{name}}");
            json!({ "recipients": "upload" })
        }
        false => json!({ "all": true }),
    };
    json!({ "name": "load", "audience": audience, "rate": args.rate, "message": message })
}

/// The campaign's own counts. Devices that were found dead before are no part of it any more.
fn agree(end: &Value, requests: u64, world: &World, faults: &mut Vec<String>) {
    let counts = &end["counts"];
    let count = |name: &str| counts[name].as_u64().unwrap_or(0);
    let all = world.spec.dead_percent > 0.0 || count("total") == world.spec.devices as u64;
    for (name, found) in [
        ("the state", end["state"] == "completed"),
        ("the total", all),
        (
            "the outcomes",
            count("delivered") + count("dead") == count("total"),
        ),
        ("the provider's books", requests == count("total")),
    ] {
        if !found {
            faults.push(format!("{name}: {end}, {requests} requests to providers"));
        }
    }
}

/// A campaign over the API.
pub(crate) struct Campaign<'w> {
    world: &'w World,
    url: String,
}

impl<'w> Campaign<'w> {
    pub(crate) async fn create(world: &'w World, body: &Value) -> anyhow::Result<Self> {
        let all = format!("{}/v1/campaigns", world.url);
        let made = world.client.post(&all).bearer_auth(&world.apps[0].key);
        let made: Value = answer(made.json(body)).await?;
        let id = made["id"].as_str().context("a campaign without an id")?;
        Ok(Campaign {
            world,
            url: format!("{all}/{id}"),
        })
    }

    /// The first `count` users, each with a name.
    pub(crate) async fn upload(&self, count: usize) -> anyhow::Result<()> {
        let line = |n| {
            let user = crate::fleet::user(n);
            format!("{{\"user_id\":\"{user}\",\"variables\":{{\"name\":\"Name {n}\"}}}}\n")
        };
        let body: String = (0..count).map(line).collect();
        let put = self.world.client.put(format!("{}/recipients", self.url));
        let put = put.bearer_auth(&self.world.apps[0].key);
        let put = put
            .header("content-type", "application/x-ndjson")
            .body(body);
        let upload = answer(put).await?;
        anyhow::ensure!(upload["rows"] == json!(count), "an upload of {upload}");
        Ok(())
    }

    pub(crate) async fn start(&self) -> anyhow::Result<()> {
        self.command("start").await
    }

    pub(crate) async fn command(&self, command: &str) -> anyhow::Result<()> {
        let post = self.world.client.post(format!("{}/{command}", self.url));
        answer(post.bearer_auth(&self.world.apps[0].key)).await?;
        Ok(())
    }

    pub(crate) async fn now(&self) -> anyhow::Result<Value> {
        let get = self.world.client.get(&self.url);
        answer(get.bearer_auth(&self.world.apps[0].key)).await
    }

    /// Waits for its end.
    pub(crate) async fn ended(&self) -> anyhow::Result<Value> {
        let mut tick = tokio::time::interval(Duration::from_millis(50));
        for _ in 0..72_000 {
            tick.tick().await;
            let now = self.now().await?;
            let state = now["state"]
                .as_str()
                .context("a campaign without a state")?;
            if matches!(state, "completed" | "cancelled" | "failed") {
                return Ok(now);
            }
        }
        bail!("the campaign has not ended within an hour")
    }
}

async fn answer(request: reqwest::RequestBuilder) -> anyhow::Result<Value> {
    let response = request.send().await?;
    let status = response.status();
    let body: Value = response.json().await.unwrap_or_default();
    anyhow::ensure!(status.is_success(), "an answer {status}: {body}");
    Ok(body)
}
