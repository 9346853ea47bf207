//! What commands on a store that is shared have in common.

use std::path::PathBuf;

use anyhow::ensure;
use fanfare_store::scylla;

use crate::config::{self, Settings, store::Kind};
use crate::storage;

/// Which cluster.
#[derive(Debug, clap::Args)]
pub(super) struct Place {
    /// The configuration file, for its [store].
    #[arg(long, default_value = "fanfare.toml")]
    config: PathBuf,
}

impl Place {
    pub(super) fn settings(&self) -> anyhow::Result<Settings> {
        let settings = config::load(&self.config)?.settings;
        ensure!(
            settings.store.kind == Kind::Scylla,
            "{} has store.kind = \"embedded\": one gateway, whose store needs no such command",
            self.config.display()
        );
        Ok(settings)
    }

    pub(super) fn cluster(&self) -> anyhow::Result<scylla::Config> {
        Ok(storage::scylla_config(&self.settings()?))
    }
}
