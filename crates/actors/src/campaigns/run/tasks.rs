//! What a run reads and writes beside its pages.

use std::future::ready;

use fanfare_core::campaign;
use fanfare_core::campaign::run::{Failed, Finished};
use fanfare_store::campaigns::{OpenChunk, Shard, StoredCampaign};
use fanfare_types::{CampaignState, NotificationId, Slot};

use super::{Args, Msg};
use crate::campaigns::change::{Change, change};

/// Parts that an audience is cut into; among several nodes one for each slot.
const SHARDS: usize = 8;
const SHARDS_SHARED: usize = Slot::COUNT as usize;

/// What a run begins with.
pub(crate) struct Load {
    pub(super) shards: Vec<Shard>,
    /// Read after the shards and after the run could be found by whoever pauses it.
    pub(super) stored: Option<StoredCampaign>,
}

pub(super) async fn find(args: Args) -> Msg {
    let found = args.ways.store.campaign(&args.app, args.id).await;
    Msg::Found(
        found
            .map(|found| found.map(Box::new))
            .map_err(|e| failed(&args, &e)),
    )
}

/// A cancelled campaign is not cut any more.
pub(super) async fn load(args: Args, is_cancelled: bool) -> Msg {
    let store = &args.ways.store;
    let load = async {
        // The shards first: what a former run's late open adds then is found among the chunks, or moves a cursor.
        let parts = match (is_cancelled, args.ways.limits.rest) {
            (true, _) => 0,
            (false, None) => SHARDS,
            (false, Some(_)) => SHARDS_SHARED,
        };
        let shards = store.shards(&args.app, args.id, parts).await?;
        let stored = store.campaign(&args.app, args.id).await?;
        Ok(Box::new(Load { shards, stored }))
    };
    Msg::Loaded(load.await.map_err(|error| failed(&args, &error)))
}

pub(super) async fn read_chunks(args: Args, after: Option<NotificationId>, limit: usize) -> Msg {
    let store = &args.ways.store;
    let read = store.open_chunks(&args.app, args.id, after, limit).await;
    let read = read.map(|chunks: Vec<OpenChunk>| {
        let is_last = chunks.len() < limit;
        (chunks, is_last)
    });
    Msg::Chunks(read.map_err(|error| failed(&args, &error)))
}

/// Completes the campaign, if the store, too, has an outcome for everything.
pub(super) async fn finish(args: Args) -> Msg {
    let finished = complete(&args).await;
    Msg::Finished(finished.map_err(|error| failed(&args, &error)))
}

async fn complete(args: &Args) -> fanfare_store::Result<Finished> {
    let ended = |stored: &StoredCampaign| {
        let is_read = stored.scan.is_done || stored.standing.state == CampaignState::Cancelled;
        is_read && stored.scan.opened <= stored.counts.terminal()
    };
    let decide = |stored: Box<StoredCampaign>| {
        let next = campaign::finish(&stored.standing, args.ways.clock.now());
        let next = next.filter(|_| ended(&stored));
        ready(Ok::<_, fanfare_store::Error>((stored, next)))
    };
    Ok(
        match change(&args.ways.store, &args.app, args.id, decide).await? {
            Change::Written(_) | Change::Gone => Finished::All,
            Change::Contended => Finished::Neither,
            Change::Stands(stored) => match stored.standing.state {
                CampaignState::Completed | CampaignState::Failed => Finished::All,
                CampaignState::Cancelled if ended(&stored) => Finished::All,
                CampaignState::Running | CampaignState::Cancelled => {
                    own_part(args, &stored).await?
                }
                _ => Finished::Neither,
            },
        },
    )
}

/// The campaign is not over: whether at least what is this node's part of it is.
async fn own_part(args: &Args, stored: &StoredCampaign) -> fanfare_store::Result<Finished> {
    if args.ways.limits.rest.is_some() {
        let is_read = stored.standing.state == CampaignState::Cancelled;
        let shards = args.ways.store.shards(&args.app, args.id, 0).await?;
        let fleet = &args.ways.fleet;
        let mut own = shards
            .iter()
            .filter(|shard| fleet.hold(Slot::of_shard(shard.number)).is_some());
        if own.all(|shard| (is_read || shard.is_done) && shard.left == 0) {
            return Ok(Finished::Own);
        }
    }
    tracing::warn!(campaign = %args.id, "the store knows of more that has no outcome");
    Ok(Finished::Neither)
}

pub(super) fn failed(args: &Args, error: &fanfare_store::Error) -> Failed {
    tracing::warn!(
        campaign = %args.id,
        error = error.label(),
        "the campaign's store call failed, tried again"
    );
    Failed
}
