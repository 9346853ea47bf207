//! What the thorough check looks at: rows that must go together, numbers that must add up, blobs that must be readable.

use rusqlite::Connection;

use super::{chunks, deliveries, rows, uploads};
use crate::Result;

/// Faults, and the statements that count them.
pub(in crate::embedded) const BOOKS: [(&str, &str); 6] = [
    (
        "campaigns without their record",
        "SELECT count(*) FROM campaigns WHERE seq NOT IN (SELECT seq FROM campaign_records)",
    ),
    (
        "records without their campaign",
        "SELECT count(*) FROM campaign_records WHERE seq NOT IN (SELECT seq FROM campaigns)",
    ),
    (
        "chunks without their recipients",
        "SELECT count(*) FROM campaign_chunks WHERE seq NOT IN (SELECT seq FROM campaign_recipients)",
    ),
    (
        "recipients without their chunk",
        "SELECT count(*) FROM campaign_recipients WHERE seq NOT IN (SELECT seq FROM campaign_chunks)",
    ),
    (
        "chunks without their shard",
        "SELECT count(*) FROM campaign_chunks AS chunk WHERE NOT EXISTS (SELECT 1 FROM campaign_shards AS shard
            WHERE shard.campaign = chunk.campaign AND shard.number = chunk.shard)",
    ),
    (
        "shards whose counts do not add up",
        "SELECT count(*) FROM campaign_shards AS shard WHERE
            opened - (ended_delivered + ended_rejected + ended_dead + ended_expired + ended_cancelled + ended_failed)
            <> (SELECT coalesce(sum(chunk.recipients - (chunk.ended_delivered + chunk.ended_rejected
                + chunk.ended_dead + chunk.ended_expired + chunk.ended_cancelled + chunk.ended_failed)), 0)
                FROM campaign_chunks AS chunk WHERE chunk.campaign = shard.campaign AND chunk.shard = shard.number)",
    ),
];

/// Faults, and how many rows have them.
pub(in crate::embedded) fn unreadable(db: &Connection) -> [(&'static str, Result<u64>); 4] {
    [
        ("campaigns that cannot be read", rows::unreadable(db)),
        ("chunks that cannot be read", chunks::unreadable(db)),
        (
            "batches of campaign deliveries that cannot be read",
            deliveries::unreadable(db),
        ),
        (
            "blocks of uploaded rows that cannot be read",
            uploads::unreadable(db),
        ),
    ]
}
