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
pub mod store;

use anyhow::Context;
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
