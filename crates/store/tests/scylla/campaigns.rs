//! Campaigns beyond the contract: several nodes on one store, and what is left of a node that dies.

mod fenced;
mod parts;
mod places;
mod uploads;

use std::sync::Arc;

use fanfare_store::Store;
use fanfare_store::campaigns::{Chunk, Opened, Shard};
use fanfare_store::contract::campaigns::{chunk, page, query, registered};
use fanfare_store::contract::fixtures::{app, user};
use fanfare_types::{Audience, CampaignId, DeviceId, Epoch, Slot};
use futures_util::stream::{self, StreamExt};

use crate::keyspaces::{Loan, node};

/// A node that holds these slots at an epoch.
async fn holding(loan: &Loan, slots: impl Iterator<Item = Slot>, epoch: u64) -> Arc<dyn Store> {
    let store: Arc<dyn Store> = node(loan).await;
    take_up(&store, slots, epoch).await;
    store
}

async fn take_up(store: &Arc<dyn Store>, slots: impl Iterator<Item = Slot>, epoch: u64) {
    let fleet = store.clone().fleet().expect("a store that is shared");
    for slot in slots {
        let taken = fleet.take_up(slot, Epoch(epoch)).await;
        taken.expect("the slot is taken up");
    }
}

/// So many devices of app `shop`, each of a user of its own.
async fn crowd(store: &Arc<dyn Store>, count: u64) {
    let register = (1..=count).map(|number| async move {
        let own = user(&format!("one{number}"));
        registered(store, number, |device| device.user = own).await;
    });
    stream::iter(register)
        .buffer_unordered(64)
        .collect::<Vec<_>>()
        .await;
}

/// Opens the next chunk of a shard, and moves `shard` behind it; `None` when it was lost.
async fn open_next(
    store: &Arc<dyn Store>,
    id: CampaignId,
    number: u64,
    shard: &mut Shard,
    limit: usize,
) -> Option<Chunk> {
    let mut query = query(id, shard.number, &Audience::All, &shard.cursor);
    query.limit = limit;
    let page = page(store, query).await;
    let next = chunk(id, number, shard.number, &shard.cursor, &page);
    match store.open(&next).await.expect("the store answers") {
        Opened::New => {}
        Opened::Lost => return None,
        Opened::Repeated => panic!("it is new"),
    }
    shard.cursor = next.cursor.clone();
    shard.is_done = next.is_last;
    Some(next)
}

/// Opens everything that is left of a node's part of a campaign, all its shards at once.
async fn open_all(
    store: &Arc<dyn Store>,
    id: CampaignId,
    parts: usize,
    limit: usize,
) -> Vec<DeviceId> {
    let shards = store.shards(&app("shop"), id, parts).await;
    let shards = shards.expect("the store answers");
    let opened = shards.into_iter().map(|mut shard| async move {
        let mut devices = Vec::new();
        for step in 0.. {
            if shard.is_done {
                break;
            }
            // Chunks of two shards differ by their shard.
            let chunk = open_next(store, id, step, &mut shard, limit).await;
            let chunk = chunk.expect("nobody else opens it");
            devices.extend(chunk.recipients.iter().filter_map(|to| to.device));
        }
        devices
    });
    let opened: Vec<_> = stream::iter(opened).buffer_unordered(4).collect().await;
    opened.concat()
}
