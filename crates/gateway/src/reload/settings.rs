//! The settings beside the apps: which of them change at once, and which were built into listeners, threads, actors
//! or the store when the gateway started.

use super::{Change, Changes};
use crate::config::Settings;

/// A line a setting: whether it is live or waits for a restart, where it is, and its key in the file.
macro_rules! settings {
    ($($kind:ident $($field:ident).+ = $key:literal;)+) => {
        pub(super) fn compare(before: &Settings, after: &Settings, changes: &mut Changes) {
            $(changes.$kind.extend(Change::of($key, &before.$($field).+, &after.$($field).+));)+
        }

        /// Brings what is live to what `from` says.
        pub(super) fn take_over(into: &mut Settings, from: &Settings) {
            $(settings!(@$kind into, from, $($field).+);)+
        }

        /// Every key, and whether it is live.
        #[cfg(test)]
        pub(super) const KEYS: &[(&str, &str)] = &[$(($key, stringify!($kind))),+];
    };
    (@live $into:ident, $from:ident, $($field:ident).+) => {
        $into.$($field).+.clone_from(&$from.$($field).+);
    };
    (@waiting $into:ident, $from:ident, $($field:ident).+) => {};
}

settings! {
    waiting listen = "listen";
    waiting admin = "admin";
    waiting data_dir = "data_dir";
    live drain_timeout = "drain_timeout";
    waiting sender_threads = "sender_threads";
    waiting store.kind = "store.kind";
    waiting store.embedded.readers = "store.readers";
    waiting store.embedded.queue_max = "store.queue_max";
    waiting store.embedded.group_max = "store.group_max";
    waiting store.embedded.cache_bytes = "store.cache";
    waiting store.scylla.nodes = "store.nodes";
    waiting store.scylla.keyspace = "store.keyspace";
    waiting store.scylla.datacenter = "store.datacenter";
    waiting store.scylla.username = "store.username";
    waiting store.scylla.password = "store.password_file";
    waiting store.scylla.tls = "store.tls";
    waiting store.scylla.consistency = "store.consistency";
    waiting store.scylla.replication = "store.replication";
    waiting store.scylla.request_timeout = "store.request_timeout";
    waiting store.scylla.queue_max = "store.queue_max";
    waiting fleet.name = "fleet.name";
    waiting fleet.lease = "fleet.lease";
    waiting fleet.settle = "fleet.settle";
    waiting fleet.poll = "fleet.poll";
    waiting limits.body_bytes_max = "limits.body_max";
    waiting limits.bodies_bytes_max = "limits.bodies_max";
    waiting limits.requests_max = "limits.requests_max";
    live limits.targets_max = "limits.targets_max";
    waiting limits.connections_max = "limits.connections_max";
    live limits.request_timeout = "limits.request_timeout";
    waiting limits.idle_timeout = "limits.idle_timeout";
    live limits.ttl_default = "limits.ttl_default";
    live limits.ttl_max = "limits.ttl_max";
    live limits.deliveries_max = "limits.deliveries_max";
    live limits.deliveries_per_app_max = "limits.deliveries_per_app_max";
    live limits.bulk_share = "limits.bulk_share";
    waiting limits.room_wait = "limits.room_wait";
    waiting limits.room_waiting_max = "limits.room_waiting_max";
    waiting limits.idempotency_ttl = "limits.idempotency_ttl";
    waiting limits.call_timeout = "limits.call_timeout";
    waiting limits.fresh_for = "limits.fresh_for";
    waiting limits.revocations_max = "limits.revocations_max";
    waiting campaigns.unfinished_max = "campaigns.unfinished_max";
    waiting campaigns.window = "campaigns.window";
    waiting campaigns.upload_rows_max = "campaigns.upload_rows_max";
    waiting campaigns.upload_row_bytes_max = "campaigns.upload_row_max";
    waiting campaigns.upload_idle = "campaigns.upload_idle";
    waiting campaigns.watchers_max = "campaigns.watchers_max";
    waiting campaigns.facts = "campaigns.facts";
    live registry.devices_per_user_max = "registry.devices_per_user_max";
    waiting registry.shards = "registry.shards";
    waiting registry.users_max = "registry.users_max";
    waiting registry.user_queue_max = "registry.user_queue_max";
    waiting registry.passivate_after = "registry.passivate_after";
    waiting registry.stale_after = "registry.stale_after";
    waiting registry.retention = "registry.retention";
    waiting registry.sweep_every = "registry.sweep_every";
    waiting journal.flush_after = "journal.flush_after";
    waiting journal.flush_count = "journal.flush_count";
    waiting journal.facts_after = "journal.facts_after";
    waiting journal.facts_max = "journal.facts_max";
    waiting journal.retention = "journal.retention";
    waiting cleanup.suspect_share_max = "cleanup.suspect_share_max";
    waiting cleanup.suspect_window = "cleanup.suspect_window";
    waiting cleanup.suspect_hold = "cleanup.suspect_hold";
    waiting link.codec = "link.codec";
    waiting link.connect_timeout = "link.connect_timeout";
    waiting link.reconnect_min = "link.reconnect_min";
    waiting link.reconnect_max = "link.reconnect_max";
    waiting link.ramp_start = "link.ramp_start";
    waiting link.request_timeout = "link.request_timeout";
    waiting link.streams_max = "link.streams_max";
    waiting link.queue_max = "link.queue_max";
    waiting link.ping_after = "link.ping_after";
    waiting link.ping_timeout = "link.ping_timeout";
    waiting link.answer_bytes_max = "link.answer_max";
    waiting link.write_buffer_bytes = "link.write_buffer";
    live log.level = "log.level";
    waiting log.format = "log.format";
}
