//! A slot changes hands while a campaign runs.

use fanfare_store::campaigns::{Changed, ChunkOutcomes, Opened};
use fanfare_store::contract::campaigns::{chunk, next, page, query, running, shards, stored};
use fanfare_store::contract::fixtures::{app, ended};
use fanfare_types::{Audience, CampaignState, NotificationId, Outcome, Slot};

use super::{crowd, holding, open_next, take_up};
use crate::keyspaces::borrow;

fn failed(id: fanfare_types::CampaignId, chunk: NotificationId, ordinal: u32) -> ChunkOutcomes {
    ChunkOutcomes {
        app: app("shop"),
        campaign: id,
        chunk,
        ended: vec![ended(ordinal, Outcome::Failed)],
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_former_holder_neither_opens_nor_records() {
    let loan = borrow().await;
    let former = holding(&loan, Slot::all(), 1).await;
    crowd(&former, 30).await;
    let id = running(&former, 1, Audience::All).await;
    let mut shard = shards(&former, id, 1).await.remove(0);
    let first = open_next(&former, id, 1, &mut shard, 10).await;
    let first = first.expect("it is the holder's");
    let recorded = former.record_chunks(vec![failed(id, first.id, 0)]).await;
    assert_eq!(recorded, Ok(()));
    let late = page(&former, query(id, 0, &Audience::All, &shard.cursor)).await;
    let late = chunk(id, 2, 0, &shard.cursor, &late);

    let heir = holding(&loan, Slot::all(), 2).await;
    let mut taken = shards(&heir, id, 0).await.remove(0);
    assert_eq!(taken.cursor, shard.cursor);
    assert_eq!(taken.left, first.recipients.len() as u64 - 1);
    assert_eq!(former.open(&late).await, Ok(Opened::Lost));
    let recorded = former.record_chunks(vec![failed(id, first.id, 1)]).await;
    assert_eq!(recorded, Ok(()), "passed over");
    assert_eq!(stored(&heir, id).await.counts.failed, 1);
    assert!(
        shards(&former, id, 0).await.is_empty(),
        "they are another's"
    );

    let left = heir.open_chunks(&app("shop"), id, None, 9).await;
    let left = left.expect("the store answers").remove(0);
    assert_eq!((left.id, left.done), (first.id, vec![0]));
    let recorded = heir.record_chunks(vec![failed(id, first.id, 1)]).await;
    assert_eq!(recorded, Ok(()));
    assert_eq!(stored(&heir, id).await.counts.failed, 2);
    let second = open_next(&heir, id, 2, &mut taken, 100).await;
    assert!(second.is_some());
    let scan = stored(&former, id).await.scan;
    assert_eq!(
        (scan.opened, scan.is_done),
        (30, true),
        "seen from any node"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_that_was_known_before_the_slot_was_taken_is_refused() {
    let loan = borrow().await;
    let former = holding(&loan, Slot::all(), 1).await;
    crowd(&former, 20).await;
    let id = running(&former, 1, Audience::All).await;
    let mut shard = shards(&former, id, 1).await.remove(0);
    // It keeps the head in memory from here on.
    assert!(open_next(&former, id, 1, &mut shard, 5).await.is_some());
    let heir = holding(&loan, Slot::all(), 2).await;
    shards(&heir, id, 0).await;
    assert!(open_next(&former, id, 2, &mut shard, 5).await.is_none());
    // And takes the slot again, later.
    take_up(&former, Slot::all(), 3).await;
    assert!(
        open_next(&former, id, 3, &mut shard, 5).await.is_none(),
        "it asks for its shards first"
    );
    let mut again = shards(&former, id, 0).await.remove(0);
    assert!(open_next(&former, id, 4, &mut again, 5).await.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shards_of_slots_that_are_not_held_are_nobodys_business() {
    let loan = borrow().await;
    let odd = |slot: &Slot| slot.number() % 2 == 1;
    let left = holding(&loan, Slot::all().filter(odd), 1).await;
    let right = holding(&loan, Slot::all().filter(|slot| !odd(slot)), 1).await;
    crowd(&left, 40).await;
    let id = running(&left, 1, Audience::All).await;
    let numbers = async |store| {
        let shards = shards(store, id, 4).await;
        shards.iter().map(|shard| shard.number).collect::<Vec<_>>()
    };
    assert_eq!(numbers(&left).await, [1, 3]);
    assert_eq!(numbers(&right).await, [0, 2]);
    let mut foreign = shards(&right, id, 4).await.remove(0);
    assert!(open_next(&left, id, 1, &mut foreign, 5).await.is_none());
    let opened = open_next(&right, id, 1, &mut foreign, 5).await;
    let opened = opened.expect("it is the holder's");
    let of = async |store: &std::sync::Arc<dyn fanfare_store::Store>| {
        let found = store.open_chunks(&app("shop"), id, None, 9).await;
        found.expect("the store answers").len()
    };
    assert_eq!((of(&left).await, of(&right).await), (0, 1));
    let recorded = left.record_chunks(vec![failed(id, opened.id, 0)]).await;
    assert_eq!(recorded, Ok(()));
    assert_eq!(stored(&left, id).await.counts.failed, 0, "passed over");
}

/// Whatever a holder opens while another node cancels is found among its open chunks, and nothing after the answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_opened_behind_a_cancel_by_another_node() {
    let loan = borrow().await;
    let holder = holding(&loan, Slot::all(), 1).await;
    let other = holding(&loan, std::iter::empty(), 1).await;
    crowd(&holder, 200).await;
    let id = running(&holder, 1, Audience::All).await;
    let mut shard = shards(&holder, id, 1).await.remove(0);
    let open = async {
        for number in 0.. {
            if open_next(&holder, id, number, &mut shard, 2)
                .await
                .is_none()
            {
                return number;
            }
        }
        unreachable!()
    };
    let cancel = async {
        let before = stored(&other, id).await.standing;
        let standing = next(&before, CampaignState::Cancelled);
        let changed = other.change(&app("shop"), id, standing).await;
        assert_eq!(changed, Ok(Changed::Done));
        stored(&other, id).await.scan.opened
    };
    let (steps, opened) = tokio::join!(open, cancel);
    let left = holder.open_chunks(&app("shop"), id, None, 1_000).await;
    let left = left.expect("the store answers");
    let recipients: usize = left.iter().map(|chunk| chunk.recipients.len()).sum();
    assert_eq!(recipients as u64, opened, "{steps} steps");
    let unfinished = other.unfinished_campaigns(None, 9).await;
    let unfinished = unfinished.expect("the store answers").len();
    assert_eq!(unfinished, usize::from(opened > 0));
}
