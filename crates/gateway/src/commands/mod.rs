//! The commands of the `fanfare` binary, one module each.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "commands talk to people"
)]

pub mod campaign;
pub mod check;
mod cluster;
pub mod demo;
pub mod dev;
pub mod devices;
mod format;
pub(crate) mod gateway;
pub mod health;
pub mod jwt;
pub mod keys;
pub mod nodes;
pub mod schema;
pub mod send;
pub mod serve;
pub mod simulate;
pub mod store;

use anyhow::Context;
pub(crate) use format::Format;
use serde_json::{Map, Value};
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Tells a person what went wrong.
pub(crate) fn complain(message: &str) {
    eprintln!("{message}");
}

/// The control runtime: API, actors and bookkeeping; sending has threads of its own.
fn runtime() -> anyhow::Result<Runtime> {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .context("starting the runtime")
}

/// Wishes that the process end: SIGTERM and SIGINT. Made once and kept, no signal is missed.
struct EndSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl EndSignals {
    fn new() -> anyhow::Result<Self> {
        Ok(EndSignals {
            terminate: signal(SignalKind::terminate()).context("listening for SIGTERM")?,
            interrupt: signal(SignalKind::interrupt()).context("listening for SIGINT")?,
        })
    }

    /// The next one.
    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Resolves when the process is asked to end.
async fn asked_to_end() -> anyhow::Result<()> {
    EndSignals::new()?.next().await;
    Ok(())
}

/// An HTTP client for talking to a gateway.
fn http_client() -> anyhow::Result<reqwest::Client> {
    let client = reqwest::Client::builder().timeout(std::time::Duration::from_secs(30));
    client.build().context("making an HTTP client")
}

/// A duration of a flag, written as in the configuration.
fn duration(text: &str) -> Result<std::time::Duration, String> {
    let read = crate::config::units_duration(text);
    read.ok_or_else(|| "write a duration such as 3s".to_owned())
}

/// `name=value` of a flag.
fn name_and_value(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write name=value")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// The message of a request, of what was given.
fn message(title: Option<&str>, body: Option<&str>, data: &[(String, String)]) -> Value {
    let mut message = Map::new();
    for (name, text) in [("title", title), ("body", body)] {
        if let Some(text) = text {
            message.insert(name.to_owned(), text.into());
        }
    }
    if !data.is_empty() {
        message.insert("data".to_owned(), object(data));
    }
    message.into()
}

fn object(pairs: &[(String, String)]) -> Value {
    let pairs = pairs.iter();
    let pairs = pairs.map(|(name, value)| (name.clone(), Value::from(value.clone())));
    pairs.collect::<Map<_, _>>().into()
}
