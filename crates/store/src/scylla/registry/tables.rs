//! The registry's tables. Their pages, with sizes and queries, are in `docs/tables/registry.md`.

/// Deleted rows leave scans little to wade through: a partition is one user's, and levelled compaction keeps it in
/// few files, so that a row and its removal meet soon.
const DEVICES: &str = "
CREATE TABLE IF NOT EXISTS devices (
    app text,
    user text,
    id blob,
    body blob,
    facts blob,
    since bigint,
    PRIMARY KEY ((app, user), id)
) WITH compaction = {'class': 'LeveledCompactionStrategy'}
  AND gc_grace_seconds = 864000
  AND comment = 'Devices by user. Written at the timestamp that its address decided, never by compare-and-set. body: the row, packed; facts: what pushes said of it since; since: when the user got the device, µs'";

const DEVICE_IDS: &str = "
CREATE TABLE IF NOT EXISTS device_ids (
    app text,
    id blob,
    user text,
    PRIMARY KEY ((app, id))
) WITH compaction = {'class': 'LeveledCompactionStrategy'}
  AND gc_grace_seconds = 864000
  AND comment = 'Whose a device is; written with its row'";

/// Read and written by its full key alone, so what was removed lies in nobody's way.
const ADDRESSES: &str = "
CREATE TABLE IF NOT EXISTS addresses (
    app text,
    key blob,
    change bigint,
    ts bigint,
    decided blob,
    PRIMARY KEY ((app, key))
) WITH compaction = {'class': 'LeveledCompactionStrategy'}
  AND gc_grace_seconds = 864000
  AND comment = 'Who holds an address: the one point of decision, by compare-and-set on change alone. decided: all that is to be written elsewhere for it, so that anybody finishes it'";

/// 256 partitions a tenant.
const TENANTS: &str = "
CREATE TABLE IF NOT EXISTS tenants (
    app text,
    tenant text,
    bucket smallint,
    id blob,
    user text,
    PRIMARY KEY ((app, tenant, bucket), id)
) WITH compaction = {'class': 'LeveledCompactionStrategy'}
  AND gc_grace_seconds = 864000
  AND comment = 'The devices of a tenant that are not deleted, for listings; bucket: a hash of the id'";

pub(in crate::scylla) const TABLES: &[&str] = &[DEVICES, DEVICE_IDS, ADDRESSES, TENANTS];
