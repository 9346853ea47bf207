//! `fanfare store check`

use std::path::PathBuf;

use anyhow::{Context, bail};
use fanfare_store::embedded::{self, Checked};
use serde_json::json;

use super::{Place, in_json, in_words};

/// Read the whole store, or a backup of it, and list every fault.
///
/// Reads everything and changes nothing; a gateway may serve meanwhile. Ends with status 0 when the store is
/// sound, 1 when it is damaged or could not be read.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    place: Place,
    /// A backup to check instead of the store.
    #[arg(long, conflicts_with_all = ["config", "data_dir"])]
    file: Option<PathBuf>,
    /// Print one JSON object: {"ok", "faults", "file", "devices", "notifications", "unfinished", "bytes"}.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let (file, checked) = match &args.file {
        Some(file) => (file.clone(), embedded::check_copy(file)),
        None => {
            let file = args.place.file()?;
            let checked = embedded::check(&file);
            (file, checked)
        }
    };
    let Checked { faults, contents } = checked.context("cannot check the store")?;
    if args.json {
        let mut answer = in_json(&file, &contents);
        answer["ok"] = json!(faults.is_empty());
        answer["faults"] = json!(faults);
        println!("{answer}");
    } else if faults.is_empty() {
        println!("{} is sound: {}", file.display(), in_words(&contents));
    } else {
        println!("{} is damaged:", file.display());
        for fault in &faults {
            println!("  {fault}");
        }
        println!(
            "It was left as it is. Stop the gateway, and bring a backup back with `fanfare store restore --from FILE`."
        );
    }
    match faults.len() {
        0 => Ok(()),
        1 => bail!("the store has a fault"),
        faults => bail!("the store has {faults} faults"),
    }
}
