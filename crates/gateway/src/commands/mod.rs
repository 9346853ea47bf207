//! The commands of the `fanfare` binary, one module each.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "commands talk to people"
)]

pub mod check;
pub mod demo;
pub mod dev;
pub mod jwt;
pub mod keys;
pub mod send;
pub mod serve;
pub mod simulate;

use anyhow::Context;
use tokio::runtime::{Builder, Runtime};

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

/// Resolves when the process is asked to end (SIGTERM, SIGINT).
async fn asked_to_end() -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        interrupted = tokio::signal::ctrl_c() => interrupted.context("listening for SIGINT"),
    }
}

/// An HTTP client for talking to a gateway.
fn http_client() -> anyhow::Result<reqwest::Client> {
    let client = reqwest::Client::builder().timeout(std::time::Duration::from_secs(30));
    client.build().context("making an HTTP client")
}
