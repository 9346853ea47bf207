//! `fanfare campaign create`.

use std::path::PathBuf;

use anyhow::Context;
use clap::ArgGroup;
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::upload::{self, Upload};
use super::watch::{Shown, watch};
use super::{View, steer};
use crate::commands::gateway::{Access, Gateway, answer};
use crate::commands::{Format, message, name_and_value, object};

/// Make a campaign, and at wish start and watch it.
///
/// Without --start (or --start-at) it is a draft that waits for `fanfare campaign start`. What the flags do not have
/// (locales, provider overrides) goes into a file: --file takes the body of `POST /v1/campaigns` as JSON.
#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("what").required(true).multiple(false).args(["file", "all", "tag", "filter", "recipients"]))]
pub(super) struct Args {
    #[command(flatten)]
    access: Access,
    /// The whole request as JSON, instead of the flags that describe it.
    #[arg(long, conflicts_with_all = ["name", "title", "body", "data", "variables", "rate", "ttl", "start_at"])]
    file: Option<PathBuf>,
    /// For people.
    #[arg(long, required_unless_present = "file")]
    name: Option<String>,
    #[arg(long)]
    title: Option<String>,
    #[arg(long)]
    body: Option<String>,
    /// Data for the app, `name=value` (may be repeated).
    #[arg(long = "data", value_parser = name_and_value)]
    data: Vec<(String, String)>,
    /// To every device of the app.
    #[arg(long)]
    all: bool,
    /// To devices with this tag.
    #[arg(long)]
    tag: Option<String>,
    /// To devices that a filter matches: JSON, or @FILE.
    #[arg(long, value_name = "JSON")]
    filter: Option<String>,
    /// To the users or devices in a file (NDJSON or CSV), which is uploaded.
    #[arg(long, value_name = "FILE")]
    recipients: Option<PathBuf>,
    /// The recipients of a campaign made with --file.
    #[arg(
        long,
        value_name = "FILE",
        requires = "file",
        conflicts_with = "recipients"
    )]
    upload: Option<PathBuf>,
    /// How the recipients' FILE is written; by default what its name says.
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Start though some rows of the recipients' FILE are bad.
    #[arg(long)]
    allow_bad_rows: bool,
    /// A variable for every recipient, `name=value` (may be repeated).
    #[arg(long = "variable", value_parser = name_and_value)]
    variables: Vec<(String, String)>,
    /// What becomes of a recipient without a value for a variable.
    #[arg(long, value_parser = ["fail", "skip", "empty"])]
    missing_variable: Option<String>,
    /// Pushes a second; left out, as fast as may be.
    #[arg(long)]
    rate: Option<u32>,
    /// How long after the start a push is of use, in seconds.
    #[arg(long, value_name = "SECONDS")]
    ttl: Option<u64>,
    #[arg(long, value_parser = ["high", "normal"])]
    priority: Option<String>,
    #[arg(long)]
    collapse_key: Option<String>,
    /// What to do about a push whose answer was never seen.
    #[arg(long, value_parser = ["retry", "drop"])]
    on_unknown: Option<String>,
    /// When it starts by itself (RFC 3339).
    #[arg(long, value_name = "INSTANT", conflicts_with = "start")]
    start_at: Option<String>,
    /// Start it at once (after its upload).
    #[arg(long)]
    start: bool,
    /// Watch it until it ends.
    #[arg(long)]
    watch: bool,
    /// Makes it safe to run the same command twice.
    #[arg(long)]
    idempotency_key: Option<String>,
    /// Print JSON, an object a line.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: &Args) -> anyhow::Result<()> {
    let body = body(args)?;
    let gateway = args.access.gateway()?;
    let mut request = gateway.request(Method::POST, "/v1/campaigns").json(&body);
    if let Some(key) = &args.idempotency_key {
        request = request.header("idempotency-key", key);
    }
    let mut campaign = answer(request).await?;
    let id = View::of(&campaign).id;
    if let Some(path) = args.recipients.as_ref().or(args.upload.as_ref()) {
        upload(&gateway, args, &id, path).await.with_context(|| {
            format!(
                "campaign {id} is made and not started; go on with `fanfare campaign upload {id} --recipients {}`",
                path.display()
            )
        })?;
        campaign = super::get(&gateway, &id).await?;
    }
    if args.start {
        campaign = steer::steer(&gateway, &id, "start")
            .await
            .with_context(|| format!("campaign {id} is made and not started"))?;
    }
    super::print(&campaign, args.json);
    if args.watch {
        watch(&gateway, &id, &mut Shown::new(args.json)).await?;
    }
    Ok(())
}

async fn upload(
    gateway: &Gateway,
    args: &Args,
    id: &str,
    path: &std::path::Path,
) -> anyhow::Result<()> {
    let upload = Upload::new(gateway, id, path, args.format)?;
    // With an idempotency key it may have been uploaded before, or in part.
    let done = match gateway.get(&super::path(id, "")?).await?["upload"]["state"].as_str() {
        Some("complete") => return Ok(()),
        _ => upload.send(false).await?,
    };
    upload::report(&done, args.json);
    upload::judge(&done, args.allow_bad_rows)
}

/// The body of the request.
fn body(args: &Args) -> anyhow::Result<Value> {
    if let Some(path) = &args.file {
        let text = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
        return serde_json::from_slice(&text)
            .with_context(|| format!("{} is not JSON", path.display()));
    }
    let mut body = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        body.extend(value.map(|value| (name.to_owned(), value)));
    };
    let text = |text: &Option<String>| text.clone().map(Value::from);
    put("name", text(&args.name));
    put("audience", Some(audience(args)?));
    let message = message(args.title.as_deref(), args.body.as_deref(), &args.data);
    put("message", Some(message));
    put(
        "variables",
        (!args.variables.is_empty()).then(|| object(&args.variables)),
    );
    put("missing_variable", text(&args.missing_variable));
    put("rate", args.rate.map(Value::from));
    put("ttl", args.ttl.map(Value::from));
    put("priority", text(&args.priority));
    put("collapse_key", text(&args.collapse_key));
    put("on_unknown", text(&args.on_unknown));
    put("start_at", text(&args.start_at));
    Ok(body.into())
}

fn audience(args: &Args) -> anyhow::Result<Value> {
    if let Some(tag) = &args.tag {
        return Ok(json!({ "tag": tag }));
    }
    if let Some(filter) = &args.filter {
        let text = match filter.strip_prefix('@') {
            Some(path) => {
                std::fs::read_to_string(path).with_context(|| format!("reading {path}"))?
            }
            None => filter.clone(),
        };
        let filter: Value = serde_json::from_str(&text).context("the filter is not JSON")?;
        return Ok(json!({ "filter": filter }));
    }
    if args.recipients.is_some() {
        return Ok(json!({ "recipients": "upload" }));
    }
    Ok(json!({ "all": true }))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn parsed(line: &[&str]) -> Result<Args, clap::Error> {
        let line = ["create", "--key", "k"].iter().chain(line);
        Line::try_parse_from(line).map(|line| line.args)
    }

    #[test]
    fn what_the_flags_say_is_what_is_asked_for() {
        let args = parsed(&[
            "--name",
            "spring",
            "--title",
            "Hello {{name}}",
            "--data",
            "a=b=c",
            "--rate",
            "500",
            "--ttl",
            "60",
            "--variable",
            "name=you",
            "--missing-variable",
            "skip",
            "--filter",
            r#"{"field": "platform", "in": ["ios"]}"#,
            "--start-at",
            "2026-01-31T08:00:00Z",
        ]);
        assert_eq!(
            body(&args.unwrap()).unwrap(),
            json!({
                "name": "spring", "message": {"title": "Hello {{name}}", "data": {"a": "b=c"}}, "rate": 500, "ttl": 60,
                "variables": {"name": "you"}, "missing_variable": "skip", "start_at": "2026-01-31T08:00:00Z",
                "audience": {"filter": {"field": "platform", "in": ["ios"]}},
            })
        );
        for (flags, audience) in [
            (["--all"].as_slice(), json!({"all": true})),
            (&["--tag", "news"], json!({"tag": "news"})),
            (&["--recipients", "f.csv"], json!({"recipients": "upload"})),
        ] {
            let args = parsed(&[&["--name", "n"], flags].concat()).unwrap();
            assert_eq!(body(&args).unwrap()["audience"], audience);
        }
    }

    #[test]
    fn a_filter_may_be_in_a_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), r#"{"all": []}"#).unwrap();
        let at = format!("@{}", file.path().display());
        let args = parsed(&["--name", "n", "--filter", &at]).unwrap();
        assert_eq!(
            body(&args).unwrap()["audience"],
            json!({"filter": {"all": []}})
        );
        let args = parsed(&["--name", "n", "--filter", "platform = ios"]).unwrap();
        assert!(body(&args).unwrap_err().to_string().contains("is not JSON"));
    }

    #[test]
    fn what_contradicts_itself_is_wrong_usage() {
        for wrong in [
            &["--name", "n"] as &[&str],
            &["--all"],
            &["--name", "n", "--all", "--tag", "news"],
            &["--file", "f", "--rate", "5"],
            &[
                "--name",
                "n",
                "--all",
                "--start",
                "--start-at",
                "2026-01-31T08:00:00Z",
            ],
            &["--name", "n", "--all", "--missing-variable", "guess"],
        ] {
            assert!(parsed(wrong).is_err(), "{wrong:?}");
        }
    }
}
