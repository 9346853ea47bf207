//! `fanfare send`: one notification from the command line.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use reqwest::Method;
use serde_json::{Value, json};

use super::gateway::{Access, Gateway, answer};

/// Send one notification through a running gateway, and say what became of it.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    access: Access,
    /// A user to send to (may be repeated).
    #[arg(long = "user", required_unless_present_any = ["devices", "file"])]
    users: Vec<String>,
    /// A device id to send to (may be repeated).
    #[arg(long = "device", conflicts_with = "users")]
    devices: Vec<String>,
    #[arg(long)]
    title: Option<String>,
    #[arg(long)]
    body: Option<String>,
    /// Data for the app, `name=value` (may be repeated).
    #[arg(long = "data", value_parser = super::name_and_value)]
    data: Vec<(String, String)>,
    /// A file with the whole request body as JSON, instead of the flags above.
    #[arg(long, conflicts_with_all = ["users", "devices", "title", "body", "data"])]
    file: Option<PathBuf>,
    /// Makes it safe to run the same command twice.
    #[arg(long)]
    idempotency_key: Option<String>,
    /// Wait for every outcome, at most this many seconds; fail unless all are delivered.
    #[arg(long, value_name = "SECONDS")]
    wait: Option<u64>,
    /// Print the gateway's answer as JSON.
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    super::runtime()?.block_on(send(args))
}

async fn send(args: &Args) -> anyhow::Result<()> {
    let gateway = args.access.gateway()?;
    let mut request = gateway.request(Method::POST, "/v1/notifications");
    request = request.json(&body(args)?);
    if let Some(key) = &args.idempotency_key {
        request = request.header("idempotency-key", key);
    }
    let accepted = answer(request).await?;
    let id = accepted["id"]
        .as_str()
        .context("the gateway's answer has no id")?
        .to_owned();
    let shown = match args.wait {
        None => accepted,
        Some(seconds) => wait(&gateway, &id, seconds).await?,
    };
    if args.json {
        println!("{shown}");
    } else {
        print(&id, &shown);
    }
    let all_delivered = shown["counts"]["delivered"] == shown["recipients"];
    anyhow::ensure!(
        args.wait.is_none() || all_delivered,
        "not everything was delivered"
    );
    Ok(())
}

fn print(id: &str, shown: &Value) {
    println!("notification {id}: {} recipients", shown["recipients"]);
    for (outcome, count) in shown["counts"].as_object().into_iter().flatten() {
        if count.as_u64() != Some(0) {
            println!("  {outcome:<10} {count}");
        }
    }
}

fn body(args: &Args) -> anyhow::Result<Value> {
    if let Some(path) = &args.file {
        let text = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
        return serde_json::from_slice(&text)
            .with_context(|| format!("{} is not JSON", path.display()));
    }
    let message = super::message(args.title.as_deref(), args.body.as_deref(), &args.data);
    let to = if args.devices.is_empty() {
        json!({ "users": args.users })
    } else {
        json!({ "devices": args.devices })
    };
    Ok(json!({ "to": to, "message": message }))
}

async fn wait(gateway: &Gateway, id: &str, seconds: u64) -> anyhow::Result<Value> {
    let view = async {
        let mut tick = tokio::time::interval(Duration::from_millis(100));
        loop {
            tick.tick().await;
            let view = gateway.get(&format!("/v1/notifications/{id}")).await?;
            if !matches!(view["state"].as_str(), Some("sending" | "scheduled")) {
                return anyhow::Ok(view);
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(seconds), view)
        .await
        .with_context(|| format!("not every outcome was in after {seconds} s"))?
}
