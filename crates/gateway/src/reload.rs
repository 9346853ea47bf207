//! Reading the configuration again while the gateway serves.
//!
//! What is in force and what the file says by now are compared (pure, [`diff`]); what can change at once does, in
//! an order in which nothing accepted is lost, and the rest is named. All or nothing: a file with a fault, or a
//! credential that cannot be used, changes nothing.

mod apps;
mod changes;
mod settings;
#[cfg(test)]
mod tests;

use std::path::Path;

use anyhow::Context;
use fanfare_telemetry::{Reload, logs};

use crate::app::{self, App};
use crate::config::{self, Config, Unusable};

pub use changes::{Change, Changes, What};

/// What changes when `after` follows on `before`.
pub fn diff(before: &Config, after: &Config) -> Changes {
    let mut changes = Changes::default();
    settings::compare(&before.settings, &after.settings, &mut changes);
    apps::compare(&before.apps, &after.apps, &mut changes.live);
    changes
}

impl App {
    /// Reads the file again and serves by it, as far as that goes without a restart. Says in the log what changed,
    /// or every fault.
    ///
    /// # Errors
    /// The file cannot be read or has faults, or cannot be served by; then everything is as it was.
    pub async fn reload_file(&self, path: &Path) -> anyhow::Result<Changes> {
        let reloaded = match load(path).await {
            Ok(config) => self.reload(config).await,
            Err(error) => Err(error),
        };
        match &reloaded {
            Ok(changes) => changes.log(),
            Err(error) => log_refusal(error),
        }
        self.telemetry.config_reloaded(match &reloaded {
            Ok(changes) if changes.is_empty() => Reload::Unchanged,
            Ok(changes) if changes.live.is_empty() => Reload::Deferred,
            Ok(_) => Reload::Applied,
            Err(_) => Reload::Refused,
        });
        reloaded
    }

    /// Serves by this configuration from now on, as far as that goes without a restart.
    ///
    /// # Errors
    /// It cannot be served by; then everything is as it was.
    pub async fn reload(&self, config: Config) -> anyhow::Result<Changes> {
        let mut in_force = self.in_force.lock().await;
        let changes = diff(&in_force, &config);
        if !changes.live.is_empty() {
            let mut next = in_force.settings.clone();
            settings::take_over(&mut next, &config.settings);
            let (doors, apps): (Vec<_>, Vec<_>) = config.apps.iter().cloned().unzip();
            let entrance = self
                .entrance
                .prepare(app::ingress_config(&next, doors))
                .context("the API cannot serve by it")?;
            let limits = app::admission_limits(&next);
            self.system
                .reload(&apps, &limits)
                .await
                .context("the pools cannot send by it")?;
            self.entrance.replace(entrance);
            if let Err(error) = logs::set_filter(&next.log.level) {
                // It was checked with the file.
                tracing::error!(%error, "log level is the old one");
            }
            in_force.settings = next;
        }
        in_force.apps = config.apps;
        self.telemetry
            .config_loaded(self.clock.wall(), changes.waiting.len());
        Ok(changes)
    }
}

/// Off the runtime, which serves meanwhile: key files and the platform's roots are read.
async fn load(path: &Path) -> anyhow::Result<Config> {
    let path = path.to_owned();
    let loaded = tokio::task::spawn_blocking(move || config::load(&path));
    Ok(loaded.await.context("reading the configuration")??)
}

/// One line a fault.
fn log_refusal(error: &anyhow::Error) {
    match error.downcast_ref::<Unusable>() {
        Some(Unusable::Faults(faults)) => {
            for fault in &faults.0 {
                tracing::error!(%fault, "configuration has a fault");
            }
            let faults = faults.0.len();
            tracing::error!(faults, "configuration refused, nothing was changed");
        }
        _ => tracing::error!(
            error = format!("{error:#}"),
            "configuration refused, nothing was changed"
        ),
    }
}
