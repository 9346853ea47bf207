//! What a node that died while it made or removed a campaign leaves behind.

use fanfare_store::campaigns::Created;
use fanfare_store::contract::campaigns::{draft, made, record, running, shards, stored, turn};
use fanfare_store::contract::fixtures::{NOW, app};
use fanfare_types::{Audience, CampaignId, CampaignState, Slot, Timestamp};

use super::{crowd, holding, open_next};
use crate::keyspaces::{Loan, borrow};

async fn rows(loan: &Loan, table: &str) -> usize {
    let session = loan.session().await;
    let all = format!("SELECT * FROM {table}");
    let rows = session.query_unpaged(all, ()).await;
    let rows = rows.expect("the server answers").into_rows_result();
    rows.expect("rows").rows_num()
}

/// A place among the unfinished without its campaign.
async fn place(loan: &Loan, id: CampaignId) {
    let session = loan.session().await;
    let put = "INSERT INTO campaigns_open (app, id, is_final) VALUES ('shop', ?, false)";
    let put = session.query_unpaged(put, (&id.0.0[..],)).await;
    put.expect("the server answers");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_place_without_its_campaign_is_cleared() {
    let loan = borrow().await;
    let store = holding(&loan, Slot::all(), 1).await;
    let first = made(&store, 1, Audience::All).await;
    let lost = CampaignId::new(NOW, 77);
    place(&loan, lost).await;
    // It counts while somebody may be about to make it, and no longer.
    let second = store
        .create(record(2, Audience::All), draft(), None, 2)
        .await;
    assert_eq!(second, Ok(Created::New));
    place(&loan, CampaignId::new(NOW, 78)).await;
    let unfinished = store.unfinished_campaigns(None, 9).await;
    let unfinished = unfinished.expect("the store answers").into_iter();
    let unfinished: Vec<_> = unfinished.map(|found| found.record.id).collect();
    assert_eq!(unfinished, [first, record(2, Audience::All).id]);
    assert_eq!(rows(&loan, "campaigns_open").await, 2);
    // Whoever was about to make it has to try again under another id.
    let mut late = record(77, Audience::All);
    late.id = lost;
    let late = store.create(late, draft(), None, 9).await;
    assert!(late.is_err(), "{late:?}");
    assert_eq!(store.campaign(&app("shop"), lost).await, Ok(None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_purged_leaves_nothing() {
    let loan = borrow().await;
    let store = holding(&loan, Slot::all(), 1).await;
    crowd(&store, 50).await;
    let id = running(&store, 1, Audience::All).await;
    let mut shard = shards(&store, id, 3).await.remove(0);
    let opened = open_next(&store, id, 1, &mut shard, 100).await;
    let opened = opened.expect("it is ours");
    let all = (0..opened.recipients.len() as u32).map(|ordinal| {
        fanfare_store::contract::fixtures::ended(ordinal, fanfare_types::Outcome::Dead)
    });
    let outcomes = fanfare_store::campaigns::ChunkOutcomes {
        app: app("shop"),
        campaign: id,
        chunk: opened.id,
        ended: all.collect(),
    };
    assert_eq!(store.record_chunks(vec![outcomes]).await, Ok(()));
    turn(&store, id, CampaignState::Cancelled).await;
    let counts = stored(&store, id).await.counts;
    assert_eq!(counts.dead, opened.recipients.len() as u64);
    // Of another node's slots it is not.
    let other = holding(&loan, std::iter::empty(), 1).await;
    let before = Timestamp(NOW.0 + 1);
    assert_eq!(other.purge_campaigns(before, 9).await, Ok(false));
    assert!(
        store
            .campaign(&app("shop"), id)
            .await
            .is_ok_and(|found| found.is_some())
    );
    assert_eq!(store.purge_campaigns(before, 9).await, Ok(false));
    for table in [
        "campaigns",
        "campaigns_by_app",
        "campaign_shards",
        "campaign_uploads",
    ] {
        assert_eq!(rows(&loan, table).await, 0, "{table}");
    }
}
