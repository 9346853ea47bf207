//! `fanfare store restore`

use std::path::PathBuf;

use anyhow::Context;
use fanfare_store::embedded;
use fanfare_types::Clock;
use serde_json::json;

use super::{Place, in_json, in_words, page_bar, tell};

/// Put a backup in the place of the store, and keep what was there.
///
/// Refused while a gateway serves the store. The backup is copied and checked whole before anything of the store
/// is touched; what was there stays beside it as fanfare.db.before-restore-TIME. Notifications that are
/// unfinished in the backup are sent again at the next start, unless they have expired.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    place: Place,
    /// The backup.
    #[arg(long, value_name = "FILE")]
    from: PathBuf,
    /// Print one JSON object: {"file", "kept", "devices", "notifications", "unfinished", "bytes"}.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let store = args.place.file()?;
    if let Some(directory) = store.parent() {
        std::fs::create_dir_all(directory)
            .with_context(|| format!("cannot make {}", directory.display()))?;
    }
    let bar = page_bar("restoring");
    let mut progress = |done, all| tell(&bar, done, all);
    let restored = embedded::restore(&args.from, &store, Clock::system().now(), &mut progress);
    bar.finish_and_clear();
    let restored = restored.with_context(|| {
        format!(
            "nothing was restored, {} is as it was (a gateway that serves it must be stopped first)",
            store.display()
        )
    })?;
    let contents = restored.contents;
    if args.json {
        let mut answer = in_json(&store, &contents);
        answer["kept"] = json!(restored.kept);
        println!("{answer}");
        return Ok(());
    }
    println!("{} is restored: {}", store.display(), in_words(&contents));
    if let Some(kept) = restored.kept {
        println!("What was there is kept as {}", kept.display());
    }
    Ok(())
}
