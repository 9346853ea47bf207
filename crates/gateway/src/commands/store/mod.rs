//! `fanfare store`: look after the embedded store's file, and take it elsewhere.

mod backup;
mod check;
mod copy;
mod restore;

use std::path::{Path, PathBuf};

use clap::Subcommand;
use fanfare_store::embedded::Contents;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use crate::config;
use crate::storage::{self, STORE_FILE};

/// Check, back up and restore the embedded store, or copy it into a cluster.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Check(check::Args),
    Backup(backup::Args),
    Restore(restore::Args),
    Copy(copy::Args),
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    match &args.command {
        Command::Check(args) => check::run(args),
        Command::Backup(args) => backup::run(args),
        Command::Restore(args) => restore::run(args),
        Command::Copy(args) => copy::run(args),
    }
}

/// Which store.
#[derive(Debug, clap::Args)]
struct Place {
    /// The configuration file, for its data_dir.
    #[arg(long, default_value = "fanfare.toml")]
    config: PathBuf,
    /// The directory of the store; no configuration is read then.
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    data_dir: Option<PathBuf>,
}

impl Place {
    fn file(&self) -> anyhow::Result<PathBuf> {
        let directory = match &self.data_dir {
            Some(directory) => directory.clone(),
            None => {
                let settings = config::load(&self.config)?.settings;
                storage::embedded_only(&settings)?;
                settings.data_dir
            }
        };
        Ok(directory.join(STORE_FILE))
    }
}

/// Pages copied, on a terminal.
fn page_bar(what: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg:>10} [{wide_bar}] {percent}% of {len} pages");
    let bar = ProgressBar::new(0).with_message(what);
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn tell(bar: &ProgressBar, done: u64, all: u64) {
    bar.set_length(all);
    bar.set_position(done);
}

/// `1234 devices, 56 notifications (7 unfinished), 3 campaigns (1 unfinished), 8 KiB`
fn in_words(contents: &Contents) -> String {
    format!(
        "{} devices, {} notifications ({} unfinished), {} campaigns ({} unfinished), {}",
        contents.devices,
        contents.notifications,
        contents.unfinished,
        contents.campaigns,
        contents.campaigns_unfinished,
        indicatif::BinaryBytes(contents.bytes)
    )
}

fn in_json(file: &Path, contents: &Contents) -> Value {
    json!({
        "file": file,
        "devices": contents.devices,
        "notifications": contents.notifications,
        "unfinished": contents.unfinished,
        "campaigns": contents.campaigns,
        "campaigns_unfinished": contents.campaigns_unfinished,
        "bytes": contents.bytes,
    })
}
