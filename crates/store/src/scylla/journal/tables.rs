//! The journal's tables; their page is `docs/tables/journal.md`.

pub(in crate::scylla) const TABLES: &[&str] = &[
    // A bucket is a partition. Kind 0: notifications. Kind 1: outcomes, by their first ordinal.
    "CREATE TABLE IF NOT EXISTS journal (
        slot tinyint, minute bigint, kind tinyint, id blob, part int,
        fence bigint static, revision bigint static,
        app text, created_at bigint, send_at bigint, expires_at bigint, recipients bigint,
        body text, targets blob, epoch bigint, key blob, key_body blob, key_expires_at bigint,
        cancelled boolean, finished boolean, counts blob, done blob, ended blob,
        PRIMARY KEY ((slot, minute), kind, id, part)
    ) WITH gc_grace_seconds = 86400",
    // Which buckets a slot has, a row for each day: overwritten, so that nobody reads past tombstones.
    "CREATE TABLE IF NOT EXISTS journal_buckets (
        slot tinyint, day int, fence bigint static, open blob, retired blob,
        PRIMARY KEY (slot, day)
    ) WITH gc_grace_seconds = 86400",
    // Nothing is deleted here: each row ends by its TTL.
    "CREATE TABLE IF NOT EXISTS journal_keys (
        app text, key blob, body blob, id blob, recipients bigint, expires_at bigint,
        PRIMARY KEY ((app, key))
    ) WITH gc_grace_seconds = 86400
        AND compaction = {'class': 'TimeWindowCompactionStrategy',
            'compaction_window_unit': 'HOURS', 'compaction_window_size': 6}",
];
