//! What the contract cannot see of campaigns: the plans of their statements, damaged rows, and what stays small.

use std::sync::Arc;

use fanfare_types::{Audience, CampaignState, Outcome};
use rusqlite::Connection;

use super::*;
use crate::campaigns::{Block, Changed, ChunkOutcomes, Opened, Upload, UploadRow};
use crate::campaigns::{DeliveryCursor, Named};
use crate::contract::campaigns as cases;
use crate::contract::fixtures::{ended, user};

async fn shared() -> (Arc<dyn Store>, TempDir) {
    let (store, directory) = opened(|_| ());
    (Arc::new(store), directory)
}

fn path_of(directory: &TempDir) -> std::path::PathBuf {
    directory.path().join("fanfare.db")
}

fn edit(directory: &TempDir, sql: &str) {
    let db = Connection::open(path_of(directory)).unwrap();
    db.execute_batch(sql).unwrap();
}

fn number(directory: &TempDir, sql: &str) -> i64 {
    let db = Connection::open(path_of(directory)).unwrap();
    db.query_row(sql, [], |row| row.get(0)).unwrap()
}

/// A running campaign to some devices, with its first chunk of four open.
async fn begun(store: &Arc<dyn Store>) -> (fanfare_types::CampaignId, crate::campaigns::Chunk) {
    cases::crowd(store, 6).await;
    let id = cases::running(store, 1, Audience::All).await;
    let shard = cases::shards(store, id, 1).await.remove(0);
    let mut query = cases::query(id, 0, &Audience::All, &shard.cursor);
    query.limit = 4;
    let page = cases::page(store, query).await;
    let chunk = cases::chunk(id, 1, 0, &shard.cursor, &page);
    assert_eq!(store.open(&chunk).await, Ok(Opened::New));
    (id, chunk)
}

fn outcomes(chunk: &crate::campaigns::Chunk, ended: Vec<crate::Ended>) -> Vec<ChunkOutcomes> {
    vec![ChunkOutcomes {
        app: chunk.app.clone(),
        campaign: chunk.campaign,
        chunk: chunk.id,
        ended,
    }]
}

#[tokio::test]
async fn a_finished_chunk_leaves_no_row_and_a_delivered_push_no_byte() {
    let (store, directory) = shared().await;
    let (_, chunk) = begun(&store).await;
    let rows = "SELECT (SELECT count(*) FROM campaign_chunks) * 100
        + (SELECT count(*) FROM campaign_recipients) * 10 + (SELECT count(*) FROM campaign_ended)";
    assert_eq!(number(&directory, rows), 110);
    let delivered = |ordinal| ended(ordinal, Outcome::Delivered);
    let recorded = store.record_chunks(outcomes(&chunk, vec![delivered(0), delivered(3)]));
    recorded.await.unwrap();
    assert_eq!(number(&directory, rows), 110);
    let rest = vec![delivered(1), delivered(2)];
    store.record_chunks(outcomes(&chunk, rest)).await.unwrap();
    assert_eq!(number(&directory, rows), 0);
    store.close().await.unwrap();
    assert_eq!(check(&path_of(&directory)).unwrap().faults, [""; 0]);
}

#[tokio::test]
async fn damaged_rows_are_said_to_be_so_and_others_go_on() {
    let (store, directory) = shared().await;
    let (id, chunk) = begun(&store).await;
    let (shop, dead) = (shop(), vec![ended(0, Outcome::Dead)]);
    store.record_chunks(outcomes(&chunk, dead)).await.unwrap();
    edit(
        &directory,
        "UPDATE campaign_recipients SET body = x'01ff'; UPDATE campaign_ended SET body = x'07';
         UPDATE campaign_shards SET opened = 5",
    );
    let is_row = |error: Error| matches!(error, Error::Row(_));
    let found = store.open_chunks(&shop, id, None, 9).await;
    assert!(is_row(found.unwrap_err()));
    let failed = store.record_chunks(outcomes(&chunk, vec![ended(1, Outcome::Failed)]));
    assert!(is_row(failed.await.unwrap_err()));
    let listed = store.campaign_deliveries(&shop, id, None, DeliveryCursor::default(), 9);
    assert!(is_row(listed.await.unwrap_err()));
    edit(&directory, "UPDATE campaigns SET standing = '{}'");
    assert!(is_row(store.campaign(&shop, id).await.unwrap_err()));
    let other = cases::made(&store, 2, Audience::All).await;
    assert!(store.campaign(&shop, other).await.unwrap().is_some());
    store.close().await.unwrap();
    let faults = check(&path_of(&directory)).unwrap().faults;
    let expected = [
        "shards whose counts do not add up: 1",
        "campaigns that cannot be read: 1",
        "chunks that cannot be read: 1",
        "batches of campaign deliveries that cannot be read: 1",
    ];
    assert_eq!(faults, expected);
}

#[tokio::test]
async fn a_damaged_upload_is_said_to_be_so() {
    let (store, directory) = shared().await;
    let id = cases::made(&store, 1, Audience::Upload).await;
    let row = UploadRow {
        to: Named::User(user("ada")),
        variables: None,
    };
    let block = Block {
        from: 0,
        replaces: true,
        upload: Upload {
            is_complete: true,
            ..Upload::default()
        },
        rows: vec![row; 3],
    };
    assert_eq!(store.append(&shop(), id, block).await, Ok(Changed::Done));
    cases::turn(&store, id, CampaignState::Running).await;
    let shard = cases::shards(&store, id, 1).await.remove(0);
    edit(&directory, "UPDATE campaign_blocks SET body = x'0103'");
    let page = store.audience(cases::query(id, 0, &Audience::Upload, &shard.cursor));
    assert!(matches!(page.await, Err(Error::Row(_))));
    let found = store.uploaded(&shop(), id, vec![Named::User(user("ada"))]);
    assert!(matches!(found.await, Err(Error::Row(_))));
    store.close().await.unwrap();
    let faults = check(&path_of(&directory)).unwrap().faults;
    assert_eq!(faults, ["blocks of uploaded rows that cannot be read: 1"]);
}

/// Whatever is asked for every page, chunk or batch is found by an index, and no order needs sorting.
#[tokio::test]
async fn what_is_asked_often_is_found_by_an_index() {
    let (store, _directory) = opened(|_| {});
    for sql in [
        "SELECT id FROM devices INDEXED BY devices_id WHERE app = 'a' AND id > x'' AND id <= x'ff' ORDER BY id",
        "SELECT body FROM campaign_ended WHERE campaign = 1 AND batch >= 2 AND (outcomes & 3) <> 0 ORDER BY batch",
        "SELECT done FROM campaign_chunks WHERE campaign = (SELECT seq FROM campaigns WHERE app = 'a' AND id = x'00')
            AND id = x'01'",
        "SELECT body FROM campaign_blocks WHERE upload = 1 AND number >= 3 ORDER BY number",
        "SELECT seq FROM campaigns WHERE app = 'a' AND id < x'ff' ORDER BY id DESC LIMIT 3",
        "SELECT seq FROM campaigns WHERE id < x'ff' AND finished = 1
            AND NOT EXISTS (SELECT 1 FROM campaign_chunks WHERE campaign = campaigns.seq) ORDER BY id LIMIT 3",
    ] {
        let plan = store.read(move |db| {
            let mut select = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
            let steps = select.query_map([], |row| row.get::<_, String>(3))?;
            Ok(steps.collect::<rusqlite::Result<Vec<_>>>()?.join("; "))
        });
        let plan = plan.await.unwrap();
        assert!(!plan.contains("SCAN") && !plan.contains("TEMP"), "{plan}");
        assert!(plan.contains("SEARCH"), "{plan}");
    }
    store.close().await.unwrap();
}
