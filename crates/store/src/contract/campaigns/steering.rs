//! Cases of a campaign as a whole: made once, changed by compare-and-set, listed, found after a restart, purged.

use fanfare_types::{Audience, CampaignId, CampaignState, Counts, Outcome, Reason, Timestamp};
use futures_util::future::join_all;

use super::{
    Shared, chunk, chunk_id, crowd, draft, made, next, page, query, record, running, shards,
    stored, turn,
};
use crate::Idempotency;
use crate::campaigns::{
    Block, Changed, ChunkOutcomes, Created, DeliveryCursor, Named, Opened, Scan, Upload, UploadRow,
};
use crate::contract::fixtures::{NOW, app, ended, user};

pub async fn a_campaign_is_read_back_whole(store: Shared) {
    let record = record(1, Audience::Tag("news".to_owned()));
    let mut standing = draft();
    standing.start_at = Some(Timestamp(NOW.0 + 7));
    standing.reason = Some(Reason::from_wire("why"));
    let created = store
        .create(record.clone(), standing.clone(), None, u64::MAX)
        .await;
    assert_eq!(created, Ok(Created::New));
    let found = stored(&store, record.id).await;
    assert_eq!(found.record, record);
    assert_eq!(found.standing, standing);
    assert_eq!(found.upload, Upload::default());
    assert_eq!(
        (found.scan, found.counts),
        (Scan::default(), Counts::default())
    );
}

pub async fn a_campaign_belongs_to_its_app(store: Shared) {
    let id = made(&store, 1, Audience::All).await;
    let other = app("news");
    assert_eq!(store.campaign(&other, id).await, Ok(None));
    assert_eq!(store.campaigns(&other, None, 10).await, Ok(Vec::new()));
    let standing = next(&draft(), CampaignState::Running);
    let changed = store.change(&other, id, standing).await;
    assert_eq!(changed, Ok(Changed::Gone));
    assert_eq!(stored(&store, id).await.standing, draft());
    let unknown = CampaignId::new(NOW, 99);
    assert_eq!(store.campaign(&app("shop"), unknown).await, Ok(None));
}

pub async fn a_campaign_is_made_once(store: Shared) {
    let id = made(&store, 1, Audience::All).await;
    let again = store
        .create(record(1, Audience::All), draft(), None, u64::MAX)
        .await;
    assert_eq!(again, Ok(Created::Repeated(id)));
    let mut elsewhere = record(1, Audience::All);
    elsewhere.app = app("news");
    let created = store.create(elsewhere, draft(), None, u64::MAX).await;
    assert_eq!(created, Ok(Created::Conflict));
    let kept = store.campaigns(&app("shop"), None, 10).await;
    assert_eq!(kept.map(|kept| kept.len()), Ok(1));
}

fn key(body: u8) -> Option<Idempotency> {
    Some(Idempotency {
        key: [7; 32],
        body: [body; 32],
        expires_at: Timestamp(NOW.0 + 1_000),
    })
}

pub async fn an_app_has_no_more_unfinished_campaigns_than_it_may(store: Shared) {
    let create = |number, key| store.create(record(number, Audience::All), draft(), key, 2);
    let answers = join_all([1, 2, 3].map(|number| create(number, None))).await;
    let refused = answers.iter().filter(|a| **a == Ok(Created::TooMany));
    assert_eq!(refused.count(), 1, "{answers:?}");
    let mut elsewhere = record(4, Audience::All);
    elsewhere.app = app("news");
    let created = store.create(elsewhere, draft(), None, 2).await;
    assert_eq!(created, Ok(Created::New));
    let kept = store.campaigns(&app("shop"), None, 10).await;
    let kept = kept.expect("the store answers").remove(0).record.id;
    turn(&store, kept, CampaignState::Cancelled).await;
    assert_eq!(create(5, key(1)).await, Ok(Created::New));
    let first = record(5, Audience::All).id;
    assert_eq!(
        create(6, key(1)).await,
        Ok(Created::Repeated(first)),
        "what was made is found at the limit, too"
    );
    assert_eq!(create(7, None).await, Ok(Created::TooMany));
}

pub async fn a_campaigns_key_belongs_to_its_body(store: Shared) {
    let create = |number, key| store.create(record(number, Audience::All), draft(), key, u64::MAX);
    let id = record(1, Audience::All).id;
    let racing = [2, 1, 3].map(|number| create(number, key(1)));
    let answers = join_all(racing).await;
    let new = answers.iter().filter(|answer| **answer == Ok(Created::New));
    assert_eq!(new.count(), 1, "{answers:?}");
    assert_eq!(create(4, key(2)).await, Ok(Created::Conflict));
    let kept = store.campaigns(&app("shop"), None, 10).await;
    let kept = kept.expect("the store answers").remove(0).record.id;
    assert_eq!(create(5, key(1)).await, Ok(Created::Repeated(kept)));
    let mut later = record(6, Audience::All);
    later.created_at = Timestamp(NOW.0 + 1_000);
    let created = store.create(later, draft(), key(2), u64::MAX).await;
    assert_eq!(created, Ok(Created::New), "the key has expired");
    assert!(
        [1, 2, 3]
            .map(|number| record(number, Audience::All).id)
            .contains(&kept),
        "{id}"
    );
}

pub async fn a_change_needs_the_revision_before(store: Shared) {
    let id = made(&store, 1, Audience::All).await;
    let mut second = next(&draft(), CampaignState::Running);
    second.rate = None;
    second.expires_at = Some(Timestamp(NOW.0 + 60_000));
    let changed = store.change(&app("shop"), id, second.clone()).await;
    assert_eq!(changed, Ok(Changed::Done));
    let found = stored(&store, id).await;
    assert_eq!(found.standing, second);
    for stale in [
        next(&draft(), CampaignState::Cancelled),
        next(&next(&second, CampaignState::Paused), CampaignState::Paused),
    ] {
        let changed = store.change(&app("shop"), id, stale).await;
        assert_eq!(changed, Ok(Changed::Conflict(Box::new(found.clone()))));
    }
    assert_eq!(stored(&store, id).await, found);
}

pub async fn racing_changes_are_one_after_the_other(store: Shared) {
    let id = running(&store, 1, Audience::All).await;
    let shop = app("shop");
    let standing = stored(&store, id).await.standing;
    let turns = [CampaignState::Paused, CampaignState::Cancelled];
    let racing = (0..16).map(|n| store.change(&shop, id, next(&standing, turns[n % 2])));
    let done = join_all(racing).await.into_iter();
    assert_eq!(done.filter(|end| *end == Ok(Changed::Done)).count(), 1);
    assert_eq!(
        stored(&store, id).await.standing.revision,
        standing.revision + 1
    );
}

pub async fn campaigns_are_listed_newest_first(store: Shared) {
    for number in [3, 1, 5, 2, 4] {
        made(&store, number, Audience::All).await;
    }
    let shop = app("shop");
    let list = async |before, limit| {
        let found = store.campaigns(&shop, before, limit).await;
        let found = found.expect("the store answers").into_iter();
        found.map(|found| found.record.id).collect::<Vec<_>>()
    };
    let [one, two, three, four, five] = [1, 2, 3, 4, 5].map(|n| CampaignId::new(NOW, n));
    assert_eq!(list(None, 2).await, [five, four]);
    assert_eq!(list(Some(four), 2).await, [three, two]);
    assert_eq!(list(Some(two), 9).await, [one]);
    assert_eq!(list(Some(one), 9).await, []);
}

/// Opens a chunk to everybody of a running campaign.
async fn opened(store: &Shared, id: CampaignId, number: u64) {
    let shard = shards(store, id, 1).await.remove(0);
    let page = page(store, query(id, 0, &Audience::All, &shard.cursor)).await;
    let chunk = chunk(id, number, 0, &shard.cursor, &page);
    assert_eq!(store.open(&chunk).await, Ok(Opened::New));
}

async fn all_failed(store: &Shared, id: CampaignId, number: u64, recipients: u32) {
    let batch = ChunkOutcomes {
        app: app("shop"),
        campaign: id,
        chunk: chunk_id(number),
        ended: (0..recipients).map(|n| ended(n, Outcome::Failed)).collect(),
    };
    assert_eq!(store.record_chunks(vec![batch]).await, Ok(()));
}

pub async fn what_is_unfinished_comes_back(store: Shared) {
    crowd(&store, 2).await;
    let draft = made(&store, 1, Audience::All).await;
    let over = running(&store, 2, Audience::All).await;
    turn(&store, over, CampaignState::Completed).await;
    let cancelled = running(&store, 3, Audience::All).await;
    opened(&store, cancelled, 3).await;
    turn(&store, cancelled, CampaignState::Cancelled).await;
    let paused = running(&store, 4, Audience::All).await;
    turn(&store, paused, CampaignState::Paused).await;
    let unfinished = async |after, limit| {
        let found = store.unfinished_campaigns(after, limit).await;
        let found = found.expect("the store answers").into_iter();
        found.map(|found| found.record.id).collect::<Vec<_>>()
    };
    assert_eq!(unfinished(None, 2).await, [draft, cancelled]);
    assert_eq!(unfinished(Some(cancelled), 2).await, [paused]);
    all_failed(&store, cancelled, 3, 2).await;
    assert_eq!(unfinished(None, 9).await, [draft, paused]);
}

async fn purge(store: &Shared, before: u64) {
    for _ in 0..1_000 {
        let more = store.purge_campaigns(Timestamp(NOW.0 + before), 2).await;
        if more == Ok(false) {
            return;
        }
        assert_eq!(more, Ok(true));
    }
    panic!("no end in sight");
}

pub async fn old_campaigns_go_with_all_that_is_theirs(store: Shared) {
    crowd(&store, 2).await;
    let uploaded = made(&store, 1, Audience::Upload).await;
    let block = Block {
        from: 0,
        replaces: true,
        upload: Upload {
            bytes: 10,
            rows: 3_000,
            is_complete: true,
            ..Upload::default()
        },
        rows: vec![
            UploadRow {
                to: Named::User(user("u1")),
                variables: None
            };
            3_000
        ],
    };
    for _ in 0..2 {
        let added = store.append(&app("shop"), uploaded, block.clone()).await;
        assert_eq!(added, Ok(Changed::Done));
    }
    purge(&store, 1).await;
    assert_eq!(
        stored(&store, uploaded).await.upload.rows,
        3_000,
        "a draft stays"
    );
    turn(&store, uploaded, CampaignState::Cancelled).await;
    let open = running(&store, 2, Audience::All).await;
    opened(&store, open, 2).await;
    turn(&store, open, CampaignState::Cancelled).await;
    let young = {
        let mut record = record(3, Audience::All);
        record.id = CampaignId::new(Timestamp(NOW.0 + 1), 3);
        let id = record.id;
        let mut standing = draft();
        standing.state = CampaignState::Failed;
        assert_eq!(
            store.create(record, standing, None, u64::MAX).await,
            Ok(Created::New)
        );
        id
    };
    purge(&store, 1).await;
    let shop = app("shop");
    assert_eq!(store.campaign(&shop, uploaded).await, Ok(None));
    assert!(
        stored(&store, open).await.scan.opened == 2,
        "it has an open chunk"
    );
    all_failed(&store, open, 2, 2).await;
    purge(&store, 1).await;
    assert_eq!(store.campaign(&shop, open).await, Ok(None));
    let listed = store.campaign_deliveries(&shop, open, None, DeliveryCursor::default(), 9);
    assert!(listed.await.expect("the store answers").is_none());
    assert!(shards(&store, open, 1).await.is_empty());
    assert_eq!(stored(&store, young).await.record.id, young);
}
