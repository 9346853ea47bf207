//! The tables, as each version made them: a file of version n has had the first n of these carried out.

/// Columns that `sqlite3` shows as they are: words as text, instants in milliseconds since 1970.
///
/// Updates leave out the indexed columns where they can, because SQLite rewrites an index whenever one of
/// its columns is named, changed or not. A notification is two rows for the same reason: the one that
/// changes is small, and the record beside it is written once.
pub(in crate::embedded) const V1: &str = "
CREATE TABLE devices (
    row INTEGER PRIMARY KEY,
    app TEXT NOT NULL,
    id BLOB NOT NULL,
    user TEXT NOT NULL,
    address_key BLOB NOT NULL,
    tenant TEXT,
    device_key TEXT,
    platform TEXT NOT NULL,
    channel TEXT NOT NULL,
    address_kind TEXT NOT NULL,
    environment TEXT NOT NULL,
    address TEXT NOT NULL,
    app_version TEXT,
    device_name TEXT,
    device_model TEXT,
    os_version TEXT,
    locale TEXT,
    time_zone TEXT,
    device_info TEXT,
    display_order INTEGER,
    tags TEXT,
    status TEXT NOT NULL,
    invalidated_at INTEGER,
    deleted_at INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL,
    registered_at INTEGER NOT NULL,
    token_refreshed_at INTEGER,
    last_used_at INTEGER,
    notification_count INTEGER NOT NULL,
    consecutive_failures INTEGER NOT NULL,
    revision INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX devices_id ON devices (app, id);
CREATE UNIQUE INDEX devices_address ON devices (app, address_key);
CREATE INDEX devices_user ON devices (app, user);

CREATE TABLE notifications (
    seq INTEGER PRIMARY KEY,
    id BLOB NOT NULL,
    app TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    send_at INTEGER,
    due_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    cancelled INTEGER NOT NULL DEFAULT 0,
    finished INTEGER NOT NULL,
    recipients INTEGER NOT NULL,
    ended_delivered INTEGER NOT NULL DEFAULT 0,
    ended_rejected INTEGER NOT NULL DEFAULT 0,
    ended_dead INTEGER NOT NULL DEFAULT 0,
    ended_expired INTEGER NOT NULL DEFAULT 0,
    ended_cancelled INTEGER NOT NULL DEFAULT 0,
    ended_failed INTEGER NOT NULL DEFAULT 0,
    done BLOB,
    ended BLOB
) STRICT;
CREATE UNIQUE INDEX notifications_id ON notifications (id);
CREATE INDEX notifications_unfinished ON notifications (id, due_at) WHERE finished = 0;
CREATE INDEX notifications_scheduled ON notifications (send_at)
    WHERE finished = 0 AND send_at IS NOT NULL;

CREATE TABLE records (
    seq INTEGER PRIMARY KEY,
    body TEXT NOT NULL,
    targets BLOB NOT NULL
) STRICT;

CREATE TABLE outcomes (
    seq INTEGER NOT NULL,
    first INTEGER NOT NULL,
    ended BLOB NOT NULL,
    PRIMARY KEY (seq, first)
) STRICT, WITHOUT ROWID;

CREATE TABLE idempotency (
    app TEXT NOT NULL,
    key BLOB NOT NULL,
    body BLOB NOT NULL,
    notification BLOB NOT NULL,
    recipients INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (app, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_expires ON idempotency (expires_at);

CREATE TABLE pings (
    id INTEGER PRIMARY KEY,
    count INTEGER NOT NULL
) STRICT;
";

/// Version 2 holds that a user's device keys are unique, and knows the rows of a tenant.
///
/// No version 1 wrote a key twice on purpose; of rows that share one all the same, the one seen last keeps it.
/// The key's index serves look-ups by user, too. Rows without a tenant are left out of the other one, so that
/// apps that know none do not pay for it; `deleted_at` is in it so that rows can be counted without being read.
pub(in crate::embedded) const V2: &str = "
UPDATE devices SET device_key = NULL WHERE device_key IS NOT NULL AND EXISTS (
    SELECT 1 FROM devices AS other WHERE other.app = devices.app AND other.user = devices.user
        AND other.device_key = devices.device_key
        AND (other.last_seen_at, other.id) > (devices.last_seen_at, devices.id)
);
DROP INDEX devices_user;
CREATE UNIQUE INDEX devices_user ON devices (app, user, device_key);
CREATE INDEX devices_tenant ON devices (app, tenant, id, deleted_at)
    WHERE tenant IS NOT NULL AND deleted_at IS NULL;
";

/// Version 3 holds campaigns.
///
/// What changes with every batch of outcomes is small and lies apart from what is written once: a shard's and a
/// chunk's numbers from the recipients. Many recipients are one packed blob, and so are a block of uploaded rows and
/// what was not simply delivered of a batch. Numbers of campaigns and uploads are never used again, because what
/// belongs to one that is gone is removed little by little (`campaign_trash`).
pub(in crate::embedded) const V3: &str = "
CREATE TABLE campaigns (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id BLOB NOT NULL,
    app TEXT NOT NULL,
    state TEXT NOT NULL,
    finished INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    standing TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX campaigns_id ON campaigns (id);
CREATE INDEX campaigns_app ON campaigns (app, id);
CREATE INDEX campaigns_unfinished ON campaigns (app, id) WHERE finished = 0;

CREATE TABLE campaign_records (
    seq INTEGER PRIMARY KEY,
    body TEXT NOT NULL
) STRICT;

CREATE TABLE campaign_uploads (
    upload INTEGER PRIMARY KEY AUTOINCREMENT,
    campaign INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    complete INTEGER NOT NULL,
    state TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX campaign_uploads_campaign ON campaign_uploads (campaign);

CREATE TABLE campaign_blocks (
    seq INTEGER PRIMARY KEY,
    upload INTEGER NOT NULL,
    number INTEGER NOT NULL,
    rows INTEGER NOT NULL,
    body BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX campaign_blocks_number ON campaign_blocks (upload, number, rows);

CREATE TABLE campaign_shards (
    campaign INTEGER NOT NULL,
    number INTEGER NOT NULL,
    cursor BLOB NOT NULL,
    last BLOB NOT NULL,
    chunk BLOB,
    rows INTEGER NOT NULL,
    scanned INTEGER NOT NULL DEFAULT 0,
    opened INTEGER NOT NULL DEFAULT 0,
    ended_delivered INTEGER NOT NULL DEFAULT 0,
    ended_rejected INTEGER NOT NULL DEFAULT 0,
    ended_dead INTEGER NOT NULL DEFAULT 0,
    ended_expired INTEGER NOT NULL DEFAULT 0,
    ended_cancelled INTEGER NOT NULL DEFAULT 0,
    ended_failed INTEGER NOT NULL DEFAULT 0,
    done INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (campaign, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE campaign_chunks (
    seq INTEGER PRIMARY KEY,
    campaign INTEGER NOT NULL,
    id BLOB NOT NULL,
    shard INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    recipients INTEGER NOT NULL,
    ended_delivered INTEGER NOT NULL,
    ended_rejected INTEGER NOT NULL,
    ended_dead INTEGER NOT NULL,
    ended_expired INTEGER NOT NULL,
    ended_cancelled INTEGER NOT NULL,
    ended_failed INTEGER NOT NULL,
    done BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX campaign_chunks_id ON campaign_chunks (campaign, id);

CREATE TABLE campaign_recipients (
    seq INTEGER PRIMARY KEY,
    body BLOB NOT NULL
) STRICT;

CREATE TABLE campaign_ended (
    batch INTEGER PRIMARY KEY,
    campaign INTEGER NOT NULL,
    chunk BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    outcomes INTEGER NOT NULL,
    body BLOB NOT NULL
) STRICT;
CREATE INDEX campaign_ended_campaign ON campaign_ended (campaign);

CREATE TABLE campaign_trash (
    seq INTEGER PRIMARY KEY,
    campaign INTEGER,
    upload INTEGER
) STRICT;
";
