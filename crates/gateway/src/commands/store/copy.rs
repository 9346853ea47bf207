//! `fanfare store copy`

mod campaigns;
mod devices;
mod notifications;
mod place;
mod seat;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use fanfare_store::Store;
use fanfare_store::embedded::{self, Amount, CopyReader};
use fanfare_store::scylla::Scylla;
use fanfare_types::CampaignState;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::commands::EndSignals;
use crate::storage::{self, STORE_FILE};
use place::Place;
use seat::Seat;

/// Copy an embedded store into the cluster that the configuration names, while nothing serves either.
///
/// Everything goes along: devices, notifications with their outcomes (what is unfinished is sent by the gateways then),
/// idempotency keys, campaigns with their uploads and what finished ones came to; only the list of whom a finished
/// campaign did not reach stays behind. A campaign that is running or paused has to be finished or cancelled first.
/// Whatever was written is read back and compared. Cut off, it goes on with the same command, and copying twice does no
/// harm. The embedded store is left as it is. Ends with status 0 when everything is there, 1 when not.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The configuration file, whose [store] is the cluster.
    #[arg(long, default_value = "fanfare.toml")]
    config: PathBuf,
    /// The embedded store's directory; by default the configuration's data_dir.
    #[arg(long, value_name = "DIR")]
    from: Option<PathBuf>,
    /// Begin anew, whatever an earlier copy came to.
    #[arg(long)]
    anew: bool,
    /// Print one JSON object: {"devices", "notifications", "campaigns"}, each with what was there and what is there now.
    #[arg(long)]
    json: bool,
}

/// What is copied, and whither.
struct Copy {
    file: PathBuf,
    from: Arc<dyn Store>,
    into: Arc<Scylla>,
    place: Place,
    bar: ProgressBar,
}

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let settings = crate::config::load(&args.config)?.settings;
    ensure!(
        settings.store.kind == crate::config::store::Kind::Scylla,
        "{} has store.kind = \"embedded\"; the copy goes into the cluster that a configuration with \"scylla\" names",
        args.config.display()
    );
    let directory = args
        .from
        .clone()
        .unwrap_or_else(|| settings.data_dir.clone());
    let file = directory.join(STORE_FILE);
    ensure!(file.exists(), "there is no store at {}", file.display());
    crate::commands::runtime()?.block_on(async {
        // It has the file's lock from here on: nothing serves it, and nothing begins to.
        let from = embedded::open(&embedded::Config::at(&file));
        let from = from.map_err(|error| storage::refused(error, &directory))?;
        may_be_copied(&*from).await?;
        let config = storage::scylla_config(&settings);
        let into = Box::pin(Scylla::open(&config)).await;
        let into = into.with_context(|| format!("cannot open keyspace {}", config.keyspace))?;
        let amount = CopyReader::open(&file)?.amount()?;
        let mut copy = Copy {
            place: Place::beside(&file, &config.keyspace, args.anew)?,
            bar: bar(amount),
            file,
            from,
            into,
        };
        let seat = Seat::take(copy.into.clone(), settings.fleet.lease).await?;
        let mut signals = EndSignals::new()?;
        let copied = tokio::select! {
            copied = copy.run() => copied,
            lost = seat.lost() => Err(lost),
            () = signals.next() => Err(anyhow::anyhow!("ended by a signal; the same command goes on")),
        };
        copy.bar.finish_and_clear();
        seat.leave().await;
        let copied = copied?;
        report(args, amount, copied)?;
        copy.place.forget()?;
        copy.into.close().await?;
        copy.from.close().await.context("closing the embedded store")
    })
}

impl Copy {
    async fn run(&mut self) -> anyhow::Result<Amount> {
        let devices = devices::copy(self).await?;
        let notifications = notifications::copy(self).await?;
        let campaigns = campaigns::copy(self).await?;
        Ok(Amount {
            devices,
            notifications,
            campaigns,
        })
    }
}

/// A campaign in its middle is spread over shards of the embedded store, which no other store has.
async fn may_be_copied(from: &dyn Store) -> anyhow::Result<()> {
    let (mut busy, mut after) = (Vec::new(), None);
    loop {
        let page = from.unfinished_campaigns(after, 1_000).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.record.id);
        let begun = page.iter().filter(|campaign| {
            let state = campaign.standing.state;
            !matches!(state, CampaignState::Draft | CampaignState::Scheduled)
        });
        busy.extend(begun.map(|campaign| campaign.record.id.to_string()));
    }
    if !busy.is_empty() {
        bail!(
            "{} campaigns have begun and are not finished: {}. Start the gateway on the embedded store again, and let \
             them finish or cancel them (`fanfare campaign cancel`); then copy",
            busy.len(),
            busy.join(", ")
        );
    }
    Ok(())
}

fn bar(amount: Amount) -> ProgressBar {
    let all = amount.devices + amount.notifications + amount.campaigns;
    let style = ProgressStyle::with_template(
        "{msg:>13} [{wide_bar}] {human_pos} of {human_len}  {eta} left",
    );
    ProgressBar::new(all).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// Everything that was there has to be.
fn report(args: &Args, there: Amount, now: Amount) -> anyhow::Result<()> {
    if args.json {
        let pair = |there: u64, now: u64| json!({ "there": there, "copied": now });
        println!(
            "{}",
            json!({
                "devices": pair(there.devices, now.devices),
                "notifications": pair(there.notifications, now.notifications),
                "campaigns": pair(there.campaigns, now.campaigns),
            })
        );
    } else {
        println!(
            "copied and read back: {} of {} devices, {} of {} notifications, {} of {} campaigns",
            now.devices,
            there.devices,
            now.notifications,
            there.notifications,
            now.campaigns,
            there.campaigns
        );
    }
    ensure!(now == there, "not everything was copied");
    Ok(())
}
