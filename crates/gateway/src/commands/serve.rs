//! `fanfare serve`: the gateway.

use std::path::PathBuf;

use anyhow::Context;
use fanfare_telemetry::logs;

use crate::app::App;
use crate::config::{self, Config};

/// Serve the API and send pushes, until SIGTERM.
///
/// Reads one TOML file (see fanfare.example.toml); FANFARE_… variables override it. A wrong configuration is
/// refused with every fault and its line, and nothing starts. On SIGTERM or SIGINT the gateway drains: it
/// accepts nothing new, waits for answers that are out, and loses nothing; a second signal ends it at once,
/// and loses nothing either (what had no answer is sent again at the next start, under the same ids).
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The configuration file.
    #[arg(long, default_value = "fanfare.toml")]
    config: PathBuf,
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    let config = config::load(&args.config)?;
    logs::init(&config.settings.log.level, config.settings.log.format)?;
    let runtime = super::runtime()?;
    let served = runtime.block_on(serve(config));
    // A name that is still being looked up would hold it for as long as the system's resolver likes.
    runtime.shutdown_background();
    served
}

async fn serve(config: Config) -> anyhow::Result<()> {
    let app = App::start(config).await?;
    let admin = app.admin.map_or_else(
        || "on the api's address".to_owned(),
        |admin| admin.to_string(),
    );
    tracing::info!(api = %app.api, admin, "serving");
    println!("fanfare serves http://{}", app.api);
    let asked = tokio::select! {
        asked = super::asked_to_end() => asked,
        // Without an answer of ours a SIGHUP would end the process.
        never = on_hangup() => never,
        reason = app.failed() => Err(anyhow::anyhow!("cannot go on: {reason}")),
    };
    asked?;
    tracing::info!("draining");
    tokio::select! {
        drained = app.drain() => {
            if !drained? {
                tracing::warn!("drain_timeout passed; what had no answer is sent again at the next start");
            }
            tracing::info!("drained");
            Ok(())
        }
        again = super::asked_to_end() => {
            again?;
            Err(anyhow::anyhow!("ended before the drain was over; unfinished work goes on at the next start"))
        }
    }
}

/// Says at each SIGHUP that the configuration is read at the start only.
async fn on_hangup() -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut hangup = signal(SignalKind::hangup()).context("listening for SIGHUP")?;
    while hangup.recv().await.is_some() {
        tracing::warn!("a changed configuration needs a restart; nothing was changed");
    }
    std::future::pending().await
}
