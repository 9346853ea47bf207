//! The tables of campaigns, and every statement on them.
//!
//! What is written over again and again lies in few files by levelled compaction; the rest is written once and removed by
//! the partition. What each partition holds, how large it becomes and who asks for it is in `docs/tables/campaigns.md`.

use scylla::statement::prepared::PreparedStatement;

use crate::Result;
use crate::scylla::session::{Db, Kind};

pub(in crate::scylla) const TABLES: &[&str] = &[
    // A campaign as a whole. Every write of it is a compare-and-set.
    "CREATE TABLE IF NOT EXISTS campaigns (id blob PRIMARY KEY, app text, record text, standing text, revision bigint,
        step bigint, upload text, upload_id blob, blocks bigint, last blob, is_cut boolean, cut text, totals text,
        is_gone boolean) WITH compaction = {'class': 'LeveledCompactionStrategy'}",
    "CREATE TABLE IF NOT EXISTS campaign_keys (app text, key blob, body blob, campaign blob, expires_at bigint,
        PRIMARY KEY ((app, key)))",
    // Where campaigns are found.
    "CREATE TABLE IF NOT EXISTS campaign_apps (part int, app text, PRIMARY KEY (part, app))",
    "CREATE TABLE IF NOT EXISTS campaign_months (app text, month int, PRIMARY KEY (app, month))
        WITH CLUSTERING ORDER BY (month DESC)",
    "CREATE TABLE IF NOT EXISTS campaigns_by_app (app text, month int, id blob, PRIMARY KEY ((app, month), id))
        WITH CLUSTERING ORDER BY (id DESC)",
    "CREATE TABLE IF NOT EXISTS campaigns_open (app text, id blob, is_final boolean, revision bigint static,
        PRIMARY KEY (app, id)) WITH compaction = {'class': 'LeveledCompactionStrategy'}",
    // Uploaded rows.
    "CREATE TABLE IF NOT EXISTS campaign_uploads (campaign blob, upload blob, bucket bigint,
        PRIMARY KEY (campaign, upload, bucket))",
    "CREATE TABLE IF NOT EXISTS campaign_blocks (upload blob, bucket bigint, number bigint, nonce blob, rows int,
        PRIMARY KEY ((upload, bucket), number))",
    "CREATE TABLE IF NOT EXISTS campaign_rows (upload blob, number bigint, nonce blob, body blob,
        PRIMARY KEY ((upload, number), nonce))",
    // A shard: its head (kind 0), its open chunks (1), and what was not simply delivered (2).
    "CREATE TABLE IF NOT EXISTS campaign_shards (campaign blob, shard int, kind tinyint, name blob,
        fence bigint, revision bigint, cursor blob, opener blob, is_done boolean, is_closed boolean, rows bigint,
        scanned bigint, opened bigint, ended blob,
        created_at bigint, size int, recipients blob, done blob,
        chunk blob, outcomes tinyint, body blob,
        PRIMARY KEY ((campaign, shard), kind, name)) WITH compaction = {'class': 'LeveledCompactionStrategy'}",
];

macro_rules! statements {
    ($($name:ident: $kind:ident, $cql:expr;)*) => {
        pub(super) struct Statements {
            $(pub(super) $name: PreparedStatement,)*
        }

        impl Statements {
            pub(super) async fn prepare(db: &Db) -> Result<Self> {
                Ok(Statements {
                    $($name: db.prepare($cql, Kind::$kind).await?,)*
                })
            }
        }
    };
}

/// What is read of a campaign, in the order of [`super::rows::Columns`].
macro_rules! campaign {
    () => {
        "SELECT app, record, standing, revision, step, upload, upload_id, blocks, last, cut, totals, is_gone
         FROM campaigns WHERE id = ?"
    };
}

/// What is read of a shard's head, in the order of [`super::shards::Columns`].
macro_rules! head {
    () => {
        "SELECT fence, revision, cursor, opener, is_done, is_closed, rows, scanned, opened, ended FROM campaign_shards
         WHERE campaign = ? AND shard = ? AND kind = 0 AND name = 0x00"
    };
}

/// The key of a shard's head.
macro_rules! of_head {
    () => {
        "WHERE campaign = ? AND shard = ? AND kind = 0 AND name = 0x00"
    };
}

/// The key of one of its open chunks.
macro_rules! of_chunk {
    () => {
        "WHERE campaign = ? AND shard = ? AND kind = 1 AND name = ?"
    };
}

statements! {
    campaign: Read, campaign!();
    campaign_decided: SerialRead, campaign!();
    make: Cas, "INSERT INTO campaigns (id, app, record, standing, revision, step, is_cut, is_gone)
        VALUES (?, ?, ?, ?, ?, 0, false, false) IF NOT EXISTS";
    void: Cas, "INSERT INTO campaigns (id, app, is_gone) VALUES (?, ?, true) IF NOT EXISTS USING TTL 86400";
    change: Cas, "UPDATE campaigns SET standing = ?, revision = ? WHERE id = ?
        IF revision = ? AND step = ? AND is_gone = false";
    append: Cas, "UPDATE campaigns SET upload = ?, upload_id = ?, blocks = ?, last = ?, step = ? WHERE id = ?
        IF revision = ? AND step = ? AND is_gone = false";
    cut: Cas, "UPDATE campaigns SET cut = ?, is_cut = true WHERE id = ?
        IF revision = ? AND step = ? AND is_cut = false AND is_gone = false";
    sum_up: Cas, "UPDATE campaigns SET totals = ? WHERE id = ? IF is_gone = false";
    condemn: Cas, "UPDATE campaigns SET is_gone = true WHERE id = ? IF is_gone = false";
    remove: Cas, "DELETE FROM campaigns WHERE id = ? IF is_gone = true";

    key: SerialRead, "SELECT body, campaign, expires_at FROM campaign_keys WHERE app = ? AND key = ?";
    take_key: Cas, "INSERT INTO campaign_keys (app, key, body, campaign, expires_at) VALUES (?, ?, ?, ?, ?)
        IF NOT EXISTS USING TTL ?";
    retake_key: Cas, "UPDATE campaign_keys USING TTL ? SET body = ?, campaign = ?, expires_at = ?
        WHERE app = ? AND key = ? IF campaign = ? AND expires_at = ?";
    free_key: Cas, "DELETE FROM campaign_keys WHERE app = ? AND key = ? IF campaign = ?";

    apps: Read, "SELECT app FROM campaign_apps WHERE part = 0";
    months: Read, "SELECT month FROM campaign_months WHERE app = ?";
    by_app: Read, "SELECT id FROM campaigns_by_app WHERE app = ? AND month = ? AND id < ? ORDER BY id DESC LIMIT ?";
    oldest: Read, "SELECT id FROM campaigns_by_app WHERE app = ? AND month = ? AND id < ? ORDER BY id ASC";
    list_app: Write, "INSERT INTO campaign_apps (part, app) VALUES (0, ?)";
    list_month: Write, "INSERT INTO campaign_months (app, month) VALUES (?, ?)";
    list: Write, "INSERT INTO campaigns_by_app (app, month, id) VALUES (?, ?, ?)";
    unlist: Write, "DELETE FROM campaigns_by_app WHERE app = ? AND month = ? AND id = ?";
    unlist_month: Write, "DELETE FROM campaign_months WHERE app = ? AND month = ?";

    open_list: SerialRead, "SELECT revision, id, is_final FROM campaigns_open WHERE app = ?";
    open_step: Cas, "UPDATE campaigns_open SET revision = ? WHERE app = ? IF revision = ?";
    open_put: Cas, "INSERT INTO campaigns_open (app, id, is_final) VALUES (?, ?, ?)";
    open_remove: Cas, "DELETE FROM campaigns_open WHERE app = ? AND id = ?";

    upload: Write, "INSERT INTO campaign_uploads (campaign, upload, bucket) VALUES (?, ?, ?)";
    uploads: Read, "SELECT upload, bucket FROM campaign_uploads WHERE campaign = ?";
    remove_uploads: Write, "DELETE FROM campaign_uploads WHERE campaign = ?";
    block: Write, "INSERT INTO campaign_blocks (upload, bucket, number, nonce, rows) VALUES (?, ?, ?, ?, ?)";
    blocks: Read, "SELECT number, nonce, rows FROM campaign_blocks WHERE upload = ? AND bucket = ? AND number >= ?";
    remove_blocks: Write, "DELETE FROM campaign_blocks WHERE upload = ? AND bucket = ?";
    put_rows: Write, "INSERT INTO campaign_rows (upload, number, nonce, body) VALUES (?, ?, ?, ?)";
    rows: Read, "SELECT body FROM campaign_rows WHERE upload = ? AND number = ? AND nonce = ?";
    remove_rows: Write, "DELETE FROM campaign_rows WHERE upload = ? AND number = ?";

    head: Read, head!();
    head_decided: SerialRead, head!();
    begin: Cas, concat!("UPDATE campaign_shards SET fence = ?, is_closed = ?, revision = 1, cursor = ?, opener = 0x,
        is_done = false, rows = ?, scanned = 0, opened = 0, ended = 0x ", of_head!(), " IF revision = ?");
    fence: Cas, concat!("UPDATE campaign_shards SET fence = ?, revision = ? ", of_head!(), " IF revision = ?");
    close: Cas, concat!("UPDATE campaign_shards SET is_closed = true, revision = ? ", of_head!(), " IF revision = ?");
    step: Cas, concat!("UPDATE campaign_shards SET revision = ?, cursor = ?, opener = ?, is_done = ?, rows = ?,
        scanned = ?, opened = ?, ended = ? ", of_head!(), " IF revision = ? AND fence = ?");
    chunk_put: Cas, "INSERT INTO campaign_shards (campaign, shard, kind, name, created_at, size, recipients, ended,
        done) VALUES (?, ?, 1, ?, ?, ?, ?, ?, ?)";
    chunk_set: Cas, concat!("UPDATE campaign_shards SET ended = ?, done = ? ", of_chunk!());
    chunk_remove: Cas, concat!("DELETE FROM campaign_shards ", of_chunk!());
    ended_put: Cas, "INSERT INTO campaign_shards (campaign, shard, kind, name, chunk, created_at, outcomes, body)
        VALUES (?, ?, 2, ?, ?, ?, ?, ?)";
    chunk_names: Read, "SELECT name FROM campaign_shards WHERE campaign = ? AND shard = ? AND kind = 1 AND name > ?
        LIMIT ?";
    chunk: Read, concat!("SELECT created_at, size, recipients, ended, done FROM campaign_shards ", of_chunk!());
    chunk_books: Read, concat!("SELECT created_at, size, ended, done FROM campaign_shards ", of_chunk!());
    recipients: Read, concat!("SELECT recipients FROM campaign_shards ", of_chunk!());
    devices: Read, "SELECT token(app, user), app, user, id, body, since FROM devices
        WHERE token(app, user) > ? AND token(app, user) <= ? LIMIT ?";
    ended: Read, "SELECT name, chunk, created_at, outcomes, body FROM campaign_shards
        WHERE campaign = ? AND shard = ? AND kind = 2 AND name >= ? LIMIT ?";
    remove_shard: Write, "DELETE FROM campaign_shards WHERE campaign = ? AND shard = ?";
}
