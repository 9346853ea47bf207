//! `fanfare serve`: the gateway.

use std::path::{Path, PathBuf};

use anyhow::Context;
use fanfare_telemetry::logs;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::app::App;
use crate::config::{self, Config};

/// Serve the API and send pushes, until SIGTERM.
///
/// Reads one TOML file (see fanfare.example.toml); FANFARE_… variables override it. A wrong configuration is
/// refused with every fault and its line, and nothing starts. On SIGTERM or SIGINT the gateway drains: it
/// accepts nothing new, waits for answers that are out, and loses nothing; a second signal ends it at once,
/// and loses nothing either (what had no answer is sent again at the next start, under the same ids). On SIGHUP
/// it reads the file again: apps, keys, rates and some limits change without closing a healthy connection, what
/// needs a restart is named, and a file with faults changes nothing. With `store.kind = "scylla"` it waits for
/// its database, and answers that it is not ready; tables of another version end it.
///
/// Exit status: 0 drained, 1 cannot start or go on, 2 wrong usage or configuration, 3 ended before every answer
/// was there (`drain_timeout` passed, or a second signal).
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The configuration file.
    #[arg(long, default_value = "fanfare.toml")]
    config: PathBuf,
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    let runtime = super::runtime()?;
    let ended = runtime.block_on(async {
        // First of all: without an answer of ours a SIGHUP would end the process.
        let hangups = signal(SignalKind::hangup()).context("listening for SIGHUP")?;
        let config = config::load(&args.config)?;
        logs::init(&config.settings.log.level, config.settings.log.format)?;
        serve(config, &args.config, hangups).await
    });
    // A name that is being looked up is not waited for.
    runtime.shutdown_background();
    ended
}

/// The gateway ended before every push that was handed over had its answer.
#[derive(Debug, thiserror::Error)]
pub enum Unfinished {
    #[error(
        "drain_timeout passed: {0} pushes had no answer; they are sent again at the next start, under the same ids"
    )]
    TimedOut(usize),
    #[error(
        "ended at the second signal; what had no answer is sent again at the next start, under the same ids"
    )]
    Hurried,
}

async fn serve(config: Config, path: &Path, mut hangups: Signal) -> anyhow::Result<()> {
    let mut signals = super::EndSignals::new()?;
    let app = tokio::select! {
        app = App::start(config) => app?,
        // While it waits for its database.
        () = signals.next() => return Ok(()),
    };
    let admin = app.admin.map_or_else(
        || "on the api's address".to_owned(),
        |admin| admin.to_string(),
    );
    tracing::info!(api = %app.api, admin, "serving");
    println!("fanfare serves http://{}", app.api);
    let failed = tokio::select! {
        () = signals.next() => None,
        never = reload_on(&mut hangups, &app, path) => return never,
        reason = app.failed() => Some(reason),
    };
    let drain = async move {
        if let Some(reason) = failed {
            tracing::error!(reason, "cannot go on, ending");
            app.abandon().await?;
            anyhow::bail!("cannot go on: {reason}");
        }
        tracing::info!("draining");
        let drained = app.drain().await?;
        if !drained.in_time {
            return Err(Unfinished::TimedOut(drained.left).into());
        }
        tracing::info!("drained");
        Ok(())
    };
    tokio::select! {
        ended = drain => ended,
        () = signals.next() => Err(Unfinished::Hurried.into()),
    }
}

/// Reads the configuration again at each SIGHUP, one after the other; those that came meanwhile are one. The signal
/// means nothing any more once the gateway drains.
async fn reload_on(hangups: &mut Signal, app: &App, path: &Path) -> anyhow::Result<()> {
    while hangups.recv().await.is_some() {
        // Told in the log: the gateway goes on with what is in force.
        drop(app.reload_file(path).await);
    }
    std::future::pending().await
}
