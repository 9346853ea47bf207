//! An audience is read by parts of the token ring, by several nodes.

use fanfare_store::contract::campaigns::{all_of, device_ids, running, shards, stored, turn};
use fanfare_store::contract::fixtures::{NOW, claim, device, present, user};
use fanfare_types::{Audience, CampaignState, DeviceId, Slot};
use futures_util::future::join_all;
use std::sync::Arc;

use fanfare_store::{Applied, Store};

use super::{crowd, holding, open_all, open_next};
use crate::keyspaces::borrow;

fn ids(count: u64) -> Vec<DeviceId> {
    (1..=count)
        .map(|number| DeviceId::new(NOW, number))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_with_half_of_the_slots_open_each_device_once() {
    let loan = borrow().await;
    let (low, high) = (
        |slot: &Slot| slot.number() < 32,
        |slot: &Slot| slot.number() >= 32,
    );
    let left = holding(&loan, Slot::all().filter(low), 1).await;
    let right = holding(&loan, Slot::all().filter(high), 1).await;
    crowd(&left, 3_000).await;
    let id = running(&left, 1, Audience::All).await;
    let (one, two) = tokio::join!(open_all(&left, id, 64, 20), open_all(&right, id, 64, 20));
    assert!(one.len() > 1_000 && two.len() > 1_000);
    let mut all = [one, two].concat();
    all.sort_unstable();
    assert_eq!(all, ids(3_000));
    let found = stored(&right, id).await;
    let scan = (found.scan.rows, found.scan.scanned, found.scan.opened);
    assert_eq!((scan, found.scan.is_done), ((3_000, 3_000, 3_000), true));
}

/// However many parts, and wherever the nodes' own ranges end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_device_is_in_one_part_of_any_number() {
    let loan = borrow().await;
    let store = holding(&loan, Slot::all(), 1).await;
    crowd(&store, 400).await;
    for (number, parts) in (1..).zip([1, 2, 3, 7, 64, 101]) {
        let id = running(&store, number, Audience::All).await;
        let cut = shards(&store, id, parts).await;
        assert_eq!(cut.len(), parts);
        assert_eq!(cut.iter().map(|shard| shard.rows).sum::<u64>(), 400);
        let mut found = Vec::new();
        for shard in &cut {
            let pages = all_of(&store, id, &Audience::All, shard, 9).await;
            let rows: Vec<_> = pages.into_iter().flat_map(|page| page.rows).collect();
            assert_eq!(rows.len() as u64, shard.rows, "they were all looked at");
            found.extend(rows.into_iter().map(|row| row.recipient));
        }
        assert_eq!(device_ids(&found), ids(400), "{parts} parts");
        turn(&store, id, CampaignState::Cancelled).await;
    }
}

/// Devices move between users while the audience is read: to parts that were read, and to parts that were not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_that_moves_while_it_is_read_is_opened_once_at_most() {
    let loan = borrow().await;
    let store = holding(&loan, Slot::all(), 1).await;
    crowd(&store, 300).await;
    let id = running(&store, 1, Audience::All).await;
    let mut opened = Vec::new();
    for mut shard in shards(&store, id, 8).await.into_iter().step_by(2) {
        while !shard.is_done {
            let number = opened.len() as u64;
            let chunk = open_next(&store, id, number, &mut shard, 10).await;
            opened.extend(chunk.expect("it is ours").recipients);
        }
    }
    let moved: Vec<u64> = (1..=300).step_by(3).collect();
    join_all(moved.iter().map(|number| give(&store, *number))).await;
    let rest = open_all(&store, id, 8, 10).await;
    let mut all = [device_ids(&opened), rest].concat();
    all.sort_unstable();
    assert!(
        all.windows(2).all(|pair| pair[0] != pair[1]),
        "once at most"
    );
    let moved: Vec<_> = moved.iter().map(|n| DeviceId::new(NOW, *n)).collect();
    let stayed = ids(300).into_iter().filter(|id| !moved.contains(id));
    let lacks = stayed.filter(|id| !all.contains(id));
    assert_eq!(lacks.collect::<Vec<_>>(), []);
}

/// Another user registers the device.
async fn give(store: &Arc<dyn Store>, number: u64) {
    let mut device = device(number, &format!("one{number}"), &format!("t{number}"));
    let (holder, before) = (device.as_ref(), present(&device));
    device.user = user(&format!("heir{number}"));
    device.revision = 2;
    let applied = store.apply(claim(&device, before, Some(holder))).await;
    assert_eq!(applied, Ok(Applied::Done));
}
