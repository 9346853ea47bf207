//! Uploads from several nodes, and large ones.

use std::sync::Arc;

use fanfare_store::Store;
use fanfare_store::campaigns::{Block, Changed, Named, Upload, UploadRow};
use fanfare_store::contract::campaigns::{all_of, made, shards, stored, turn};
use fanfare_store::contract::fixtures::{app, user};
use fanfare_types::{Audience, CampaignId, CampaignState, Slot};
use futures_util::stream::{self, StreamExt};

use super::holding;
use crate::keyspaces::{Loan, borrow};

fn rows(numbers: std::ops::Range<u64>) -> Vec<UploadRow> {
    let row = |number| UploadRow {
        to: Named::User(user(&format!("u{number}"))),
        variables: None,
    };
    numbers.map(row).collect()
}

async fn append(
    store: &Arc<dyn Store>,
    id: CampaignId,
    numbers: std::ops::Range<u64>,
    is_complete: bool,
) {
    let before = stored(store, id).await.upload;
    let count = numbers.end - numbers.start;
    let block = Block {
        from: before.bytes,
        replaces: false,
        upload: Upload {
            bytes: before.bytes + count * 10,
            lines: before.lines + count,
            rows: before.rows + count,
            is_complete,
            ..before
        },
        rows: rows(numbers),
    };
    let added = store.append(&app("shop"), id, block).await;
    assert_eq!(added, Ok(Changed::Done));
}

/// The users that the shards have, in the order of their numbers.
async fn users(store: &Arc<dyn Store>, id: CampaignId, parts: usize, limit: usize) -> Vec<u64> {
    let shards = shards(store, id, parts).await;
    let read = shards.into_iter().map(|shard| async move {
        let pages = all_of(store, id, &Audience::Upload, &shard, limit).await;
        let rows = pages.into_iter().flat_map(|page| page.rows);
        let users = rows.filter_map(|row| row.recipient.user);
        let number = |user: fanfare_types::UserId| user.as_str()[1..].parse().expect("a number");
        users.map(number).collect::<Vec<u64>>()
    });
    let read: Vec<_> = stream::iter(read).buffer_unordered(4).collect().await;
    let mut users = read.concat();
    users.sort_unstable();
    users
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_of_50_000_rows_has_each_once() {
    let loan = borrow().await;
    let store = holding(&loan, Slot::all(), 1).await;
    let id = made(&store, 1, Audience::Upload).await;
    append(&store, id, 0..40_000, false).await;
    for first in (40_000..50_000).step_by(1_000) {
        append(&store, id, first..first + 1_000, first == 49_000).await;
    }
    turn(&store, id, CampaignState::Running).await;
    let found = users(&store, id, 64, 1_000).await;
    assert_eq!(found.len(), 50_000);
    assert!(found.into_iter().eq(0..50_000));
    let last = store.uploaded(
        &app("shop"),
        id,
        rows(49_999..50_000).into_iter().map(|row| row.to).collect(),
    );
    assert_eq!(last.await, Ok(rows(49_999..50_000).pop()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_goes_on_at_another_node() {
    let loan = borrow().await;
    let left = holding(&loan, Slot::all(), 1).await;
    let right = holding(&loan, std::iter::empty(), 1).await;
    let id = made(&left, 1, Audience::Upload).await;
    for (number, store) in (0..6).zip([&left, &right].into_iter().cycle()) {
        append(store, id, number * 10..number * 10 + 10, number == 5).await;
    }
    turn(&right, id, CampaignState::Running).await;
    assert_eq!(users(&left, id, 3, 100).await, (0..60).collect::<Vec<_>>());
}

/// A node wrote blocks and died before they counted; another one goes on from where it was.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_half_written_is_in_nobodys_way() {
    let loan = borrow().await;
    let store = holding(&loan, Slot::all(), 1).await;
    let id = made(&store, 1, Audience::Upload).await;
    append(&store, id, 0..10, false).await;
    half_a_step(&loan, id, 1..4).await;
    append(&store, id, 10..20, false).await;
    half_a_step(&loan, id, 2..3).await;
    append(&store, id, 20..30, true).await;
    half_a_step(&loan, id, 3..4).await;
    turn(&store, id, CampaignState::Running).await;
    assert_eq!(users(&store, id, 2, 100).await, (0..30).collect::<Vec<_>>());
    turn(&store, id, CampaignState::Cancelled).await;
    let before = fanfare_types::Timestamp(fanfare_store::contract::fixtures::NOW.0 + 1);
    assert_eq!(store.purge_campaigns(before, 9).await, Ok(false));
    let session = loan.session().await;
    for table in ["campaign_rows", "campaign_blocks", "campaign_uploads"] {
        let all = session.query_unpaged(format!("SELECT * FROM {table}"), ());
        let all = all.await.expect("the server answers").into_rows_result();
        assert_eq!(all.expect("rows").rows_num(), 0, "{table}");
    }
}

/// Blocks of these numbers, as a node writes them before they count.
async fn half_a_step(loan: &Loan, id: CampaignId, numbers: std::ops::Range<i64>) {
    let session = loan.session().await;
    let upload = "SELECT upload_id FROM campaigns WHERE id = ?";
    let upload = session.query_unpaged(upload, (&id.0.0[..],)).await;
    let upload = upload.expect("the server answers").into_rows_result();
    let upload = upload.expect("rows").single_row::<(Vec<u8>,)>();
    let (upload,) = upload.expect("it has begun");
    let put = "INSERT INTO campaign_rows (upload, number, nonce, body) VALUES (?, ?, ?, 0x0101)";
    for number in numbers {
        // Before and behind any other nonce.
        for nonce in [[0_u8; 16], [0xff; 16]] {
            let values = (&upload, number, &nonce[..]);
            let put = session.query_unpaged(put, values).await;
            put.expect("the server answers");
        }
    }
}
