//! `fanfare-loadtest campaign`: what a push of a campaign costs, beside what any client must pay for one.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde_json::{Value, json};

use crate::floor;
use crate::report::{Report, Row};
use crate::world::{Crowd, World};

/// A campaign to every device of an app, some rounds of it, each beside a round of `h2load` against the same
/// simulator. The report says how many pushes a second, the gateway's CPU a push and its ratio to `h2load`'s CPU a
/// request, and the most memory it ever held.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    crowd: Crowd,
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Pushes a second; left out, as fast as may be.
    #[arg(long)]
    rate: Option<u32>,
    /// How long the provider takes to answer, in milliseconds.
    #[arg(long, default_value_t = 0)]
    provider_ms: u64,
    /// Threads that send.
    #[arg(long, default_value_t = 1)]
    sender_threads: usize,
    /// Greet each by name, so that every payload is rendered for itself: an uploaded audience.
    #[arg(long)]
    upload: bool,
}

pub(crate) async fn run(program: &Path, args: &Args) -> anyhow::Result<Report> {
    let devices = args.crowd.devices;
    let settings = format!("sender_threads = {}", args.sender_threads);
    let world = World::start_with(program, &["shop"], &settings, 1, Some(&args.crowd)).await?;
    let app = &world.apps[0];
    let slow = json!([{ "when": { "provider": "apns" }, "delay_ms": args.provider_ms }]);
    if args.provider_ms > 0 {
        app.providers.rules(&slow).await?;
    }
    let mut report = Report {
        title: format!("a campaign to {} devices", devices),
        rows: Vec::new(),
        faults: Vec::new(),
    };
    for number in 1..=args.rounds {
        let floor = floor::h2load(app, devices.clamp(20_000, 400_000) as u64).await?;
        app.providers.forget().await?;
        let before = (Instant::now(), world.gateway.cpu()?, app.providers.cpu()?);
        let campaign = Campaign::create(&world, &body(args)).await?;
        if args.upload {
            campaign.upload(devices).await?;
        }
        let counting = (Instant::now(), world.gateway.cpu()?);
        campaign.start().await?;
        let end = campaign.ended().await?;
        let (time, cpu) = (counting.0.elapsed(), world.gateway.cpu()? - counting.1);
        let totals = app.providers.totals().await?;
        agree(&end, &totals, devices, &mut report.faults);
        let pushes = totals["accepted"].as_f64().unwrap_or(0.0).max(1.0);
        let cpu = cpu.as_secs_f64() * 1e6 / pushes;
        let simulator = (app.providers.cpu()? - before.2).as_secs_f64() * 1e6 / pushes;
        report.rows.push(Row {
            name: format!("round {number}"),
            figures: vec![
                ("pushes/s", pushes / time.as_secs_f64()),
                ("CPU us a push", cpu),
                ("h2load us", floor.cpu_us),
                ("ratio", cpu / floor.cpu_us),
                ("simulator us", simulator),
                ("h2load/s", floor.per_second),
                ("peak MiB", world.gateway.peak_kib()? as f64 / 1024.0),
                ("from create s", before.0.elapsed().as_secs_f64()),
            ],
        });
    }
    world.stop().await?;
    Ok(report)
}

fn body(args: &Args) -> Value {
    let (audience, title) = match args.upload {
        true => (json!({ "recipients": "upload" }), "Hello {{name}}"),
        false => (json!({ "all": true }), "Hello"),
    };
    json!({
        "name": "load", "audience": audience, "rate": args.rate,
        "message": { "title": title, "body": "The spring collection is here: twenty new things that you will like" },
    })
}

fn agree(end: &Value, totals: &Value, devices: usize, faults: &mut Vec<String>) {
    let counts = &end["counts"];
    let wanted = json!(devices);
    for (name, found) in [
        ("the state", end["state"] == "completed"),
        ("the total", counts["total"] == wanted),
        ("delivered", counts["delivered"] == wanted),
        ("the provider's books", totals["accepted"] == wanted),
        ("duplicates", totals["duplicates"] == 0),
    ] {
        if !found {
            faults.push(format!("{name}: {counts}, {totals}"));
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
            let user = crate::world::user(n);
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
