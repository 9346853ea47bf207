//! `fanfare send`: one notification from the command line.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::{Value, json};

/// Send one notification through a running gateway, and say what became of it.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The gateway's API.
    #[arg(long, default_value = "http://127.0.0.1:8080", env = "FANFARE_URL")]
    url: String,
    /// A service API key.
    #[arg(long, env = "FANFARE_KEY", hide_env_values = true)]
    key: String,
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
    #[arg(long = "data", value_parser = data)]
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

fn data(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write name=value")?;
    Ok((name.to_owned(), value.to_owned()))
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    super::runtime()?.block_on(send(args))
}

async fn send(args: &Args) -> anyhow::Result<()> {
    let client = super::http_client()?;
    let url = format!("{}/v1/notifications", args.url.trim_end_matches('/'));
    let mut request = client.post(&url).bearer_auth(&args.key).json(&body(args)?);
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
        Some(seconds) => wait(&client, args, &format!("{url}/{id}"), seconds).await?,
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
    let mut message = serde_json::Map::new();
    for (name, text) in [("title", &args.title), ("body", &args.body)] {
        if let Some(text) = text {
            message.insert(name.to_owned(), json!(text));
        }
    }
    if !args.data.is_empty() {
        let data: serde_json::Map<_, _> = args
            .data
            .iter()
            .map(|(name, value)| (name.clone(), json!(value)))
            .collect();
        message.insert("data".to_owned(), Value::Object(data));
    }
    let to = if args.devices.is_empty() {
        json!({ "users": args.users })
    } else {
        json!({ "devices": args.devices })
    };
    Ok(json!({ "to": to, "message": message }))
}

/// Sends a request and reads its answer.
pub(crate) async fn answer(request: reqwest::RequestBuilder) -> anyhow::Result<Value> {
    read(
        request
            .send()
            .await
            .context("the gateway does not answer")?,
    )
    .await
}

/// Reads an answer's JSON; a refusal becomes an error with every fault in it.
pub(crate) async fn read(response: reqwest::Response) -> anyhow::Result<Value> {
    let status = response.status();
    let answer: Value = response
        .json()
        .await
        .with_context(|| format!("the gateway answered {status} without JSON"))?;
    if status.is_success() {
        return Ok(answer);
    }
    let mut text = format!(
        "{status}: {}",
        answer["detail"].as_str().unwrap_or("refused")
    );
    for fault in answer["errors"].as_array().into_iter().flatten() {
        let field = |name| fault[name].as_str().unwrap_or_default();
        text.push_str(&format!("\n  {}: {}", field("field"), field("detail")));
    }
    bail!(text)
}

async fn wait(
    client: &reqwest::Client,
    args: &Args,
    url: &str,
    seconds: u64,
) -> anyhow::Result<Value> {
    let view = async {
        let mut tick = tokio::time::interval(Duration::from_millis(100));
        loop {
            tick.tick().await;
            let view = answer(client.get(url).bearer_auth(&args.key)).await?;
            if !matches!(view["state"].as_str(), Some("sending" | "scheduled")) {
                return anyhow::Ok(view);
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(seconds), view)
        .await
        .with_context(|| format!("not every outcome was in after {seconds} s"))?
}
