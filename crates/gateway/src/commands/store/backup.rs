//! `fanfare store backup`

use std::path::PathBuf;

use anyhow::{Context, ensure};
use fanfare_store::embedded;

use super::{Place, in_json, in_words, page_bar, tell};

/// Copy the store into one file, while the gateway serves or not.
///
/// The copy is one state of the store, with every write that was acknowledged before. It is checked whole and
/// made durable before it gets its name; a damaged store gives no backup. It holds addresses and payloads: treat
/// it as a secret.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    place: Place,
    /// The file to make.
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
    /// Replace the file if it is there.
    #[arg(long)]
    force: bool,
    /// Print one JSON object: {"file", "devices", "notifications", "unfinished", "bytes"}.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let store = args.place.file()?;
    ensure!(
        args.force || !args.to.exists(),
        "{} is there already; --force replaces it",
        args.to.display()
    );
    let bar = page_bar("copying");
    let mut progress = |done, all| tell(&bar, done, all);
    let copied = embedded::backup(&store, &args.to, args.force, &mut progress);
    bar.finish_and_clear();
    let contents = copied
        .with_context(|| format!("no backup was made of {}", store.display()))?
        .contents;
    if args.json {
        println!("{}", in_json(&args.to, &contents));
    } else {
        println!("{} is made: {}", args.to.display(), in_words(&contents));
    }
    Ok(())
}
