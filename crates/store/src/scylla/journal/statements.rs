//! What the journal says to the database.

use scylla::statement::prepared::PreparedStatement;

use crate::Result;
use crate::scylla::session::{Db, Kind};

/// Rows of a page when all of a bucket is looked through.
const HEADS: i32 = 5_000;

/// Rows of a page that have everything: such a row may be 400 KB.
const WHOLE: i32 = 32;

pub(super) struct Statements {
    pub(super) insert: PreparedStatement,
    pub(super) annul: PreparedStatement,

    pub(super) fence: PreparedStatement,
    pub(super) fence_serial: PreparedStatement,
    pub(super) fence_first: PreparedStatement,
    pub(super) fence_raise: PreparedStatement,

    pub(super) heads: PreparedStatement,
    pub(super) whole: PreparedStatement,
    pub(super) summary: PreparedStatement,
    pub(super) summary_serial: PreparedStatement,
    pub(super) targets: PreparedStatement,
    pub(super) outcomes: PreparedStatement,
    pub(super) cancel: PreparedStatement,

    pub(super) books: PreparedStatement,
    pub(super) books_serial: PreparedStatement,
    pub(super) compare: PreparedStatement,
    pub(super) update: PreparedStatement,
    pub(super) update_only: PreparedStatement,
    pub(super) finish: PreparedStatement,
    pub(super) outcome: PreparedStatement,

    pub(super) days: PreparedStatement,
    pub(super) day: PreparedStatement,
    pub(super) retired: PreparedStatement,
    pub(super) slot_fence: PreparedStatement,
    pub(super) slot_first: PreparedStatement,
    pub(super) slot_raise: PreparedStatement,
    pub(super) day_write: PreparedStatement,
    pub(super) day_delete: PreparedStatement,
    pub(super) bucket_delete: PreparedStatement,

    pub(super) key: PreparedStatement,
    pub(super) key_serial: PreparedStatement,
    pub(super) key_insert: PreparedStatement,
    pub(super) key_replace: PreparedStatement,
}

const BUCKET: &str = "slot = ? AND minute = ?";
const ONE: &str = "slot = ? AND minute = ? AND kind = 0 AND id = ? AND part = 0";
const SOME: &str = "slot = ? AND minute = ? AND kind = 0 AND id IN ?";
const KEY: &str = "app = ? AND key = ?";

impl Statements {
    #[expect(clippy::too_many_lines, reason = "a list of statements")]
    pub(super) async fn prepare(db: &Db) -> Result<Self> {
        let read = async |cql: String| db.prepare(&cql, Kind::Read).await;
        let serial = async |cql: String| db.prepare(&cql, Kind::SerialRead).await;
        let write = async |cql: &str| db.prepare(cql, Kind::Write).await;
        let cas = async |cql: String| db.prepare(&cql, Kind::Cas).await;

        let fence = format!("SELECT fence FROM journal WHERE {BUCKET} LIMIT 1");
        let summary = format!(
            "SELECT app, created_at, send_at, expires_at, cancelled, recipients, counts
             FROM journal WHERE {ONE}"
        );
        let books = format!(
            "SELECT id, app, recipients, counts, done, ended, fence, revision
             FROM journal WHERE {SOME}"
        );
        let key = format!("SELECT body, id, recipients, expires_at FROM journal_keys WHERE {KEY}");
        let mut heads = read(format!(
            "SELECT id, send_at, recipients, finished FROM journal WHERE {BUCKET} AND kind = 0"
        ))
        .await?;
        heads.set_page_size(HEADS);
        let mut whole = read(format!(
            "SELECT id, app, created_at, body, targets, epoch, key, key_body, key_expires_at,
                cancelled, finished, counts, done, ended, recipients FROM journal WHERE {SOME}"
        ))
        .await?;
        whole.set_page_size(WHOLE);
        Ok(Statements {
            heads,
            whole,
            // At the time of the id, so that the same said twice is the same, and a removal is surely later.
            insert: write(
                "INSERT INTO journal (slot, minute, kind, id, part, app, created_at, send_at,
                    expires_at, recipients, body, targets, epoch, key, key_body, key_expires_at)
                 VALUES (?, ?, 0, ?, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ?",
            )
            .await?,
            annul: write(&format!(
                "DELETE FROM journal USING TIMESTAMP ? WHERE {ONE}"
            ))
            .await?,
            fence: read(fence.clone()).await?,
            fence_serial: serial(fence).await?,
            fence_first: cas(format!(
                "UPDATE journal SET fence = ?, revision = 0 WHERE {BUCKET} IF fence = null"
            ))
            .await?,
            fence_raise: cas(format!(
                "UPDATE journal SET fence = ? WHERE {BUCKET} IF fence < ?"
            ))
            .await?,
            summary: read(summary.clone()).await?,
            summary_serial: serial(summary).await?,
            targets: read(format!(
                "SELECT app, ended, targets FROM journal WHERE {ONE}"
            ))
            .await?,
            outcomes: read(format!(
                "SELECT ended FROM journal WHERE {BUCKET} AND kind = 1 AND id = ?"
            ))
            .await?,
            cancel: cas(format!(
                "UPDATE journal SET cancelled = true WHERE {ONE}
                 IF app = ? AND recipients > 0 AND finished = null"
            ))
            .await?,
            books: read(books.clone()).await?,
            books_serial: serial(books).await?,
            compare: cas(format!(
                "UPDATE journal SET revision = ? WHERE {BUCKET} IF fence = ? AND revision = ?"
            ))
            .await?,
            update: cas(format!(
                "UPDATE journal SET counts = ?, done = ? WHERE {ONE}"
            ))
            .await?,
            update_only: cas(format!(
                "UPDATE journal SET counts = ?, ended = ? WHERE {ONE}"
            ))
            .await?,
            finish: cas(format!("UPDATE journal SET finished = true WHERE {ONE}")).await?,
            outcome: cas("INSERT INTO journal (slot, minute, kind, id, part, ended)
                 VALUES (?, ?, 1, ?, ?, ?)"
                .to_owned())
            .await?,
            days: read("SELECT day, open FROM journal_buckets WHERE slot = ?".to_owned()).await?,
            day: serial(
                "SELECT open, retired FROM journal_buckets WHERE slot = ? AND day = ?".to_owned(),
            )
            .await?,
            retired: read(
                "SELECT day, retired FROM journal_buckets WHERE slot = ? AND day <= ?".to_owned(),
            )
            .await?,
            slot_fence: serial(
                "SELECT fence FROM journal_buckets WHERE slot = ? LIMIT 1".to_owned(),
            )
            .await?,
            slot_first: cas(
                "UPDATE journal_buckets SET fence = ? WHERE slot = ? IF fence = null".to_owned(),
            )
            .await?,
            slot_raise: cas(
                "UPDATE journal_buckets SET fence = ? WHERE slot = ? IF fence = ?".to_owned(),
            )
            .await?,
            day_write: cas(
                "UPDATE journal_buckets SET open = ?, retired = ? WHERE slot = ? AND day = ?"
                    .to_owned(),
            )
            .await?,
            day_delete: cas("DELETE FROM journal_buckets WHERE slot = ? AND day = ?".to_owned())
                .await?,
            bucket_delete: write(&format!("DELETE FROM journal WHERE {BUCKET}")).await?,
            key: read(key.clone()).await?,
            key_serial: serial(key).await?,
            key_insert: cas(
                "INSERT INTO journal_keys (app, key, body, id, recipients, expires_at)
                 VALUES (?, ?, ?, ?, ?, ?) IF NOT EXISTS USING TTL ?"
                    .to_owned(),
            )
            .await?,
            key_replace: cas(format!(
                "UPDATE journal_keys USING TTL ? SET body = ?, id = ?, recipients = ?,
                    expires_at = ? WHERE {KEY} IF id = ?"
            ))
            .await?,
        })
    }
}
