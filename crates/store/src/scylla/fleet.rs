//! Nodes, leases of slots, and inboxes.
//!
//! ```text
//! fleet_nodes    one partition: a row for each node, decided by compare-and-set on its beat
//! fleet_slots    one partition: a row for each slot, so that a claim of many is one conditional batch
//! fleet_inbox    a partition for each node and a few seconds, which nobody reads afterwards: no tombstones on the way
//! fleet_heard    a partition for each thing told
//! ```
//!
//! The tables are described in `docs/tables/fleet.md`.

mod nodes;
mod notices;
mod slots;
mod statements;

use std::sync::Arc;

use fanfare_types::ids::Id96;
use fanfare_types::{Epoch, NodeId, Slot};
use futures_util::future::BoxFuture;

use super::Scylla;
use super::fault::damaged;
use super::session::Db;
use crate::fleet::{Census, Lease, Node, Notice, NoticeId, Told};
use crate::{Fleet, Result};
use statements::Statements;

pub(super) const TABLES: &[&str] = &[
    "CREATE TABLE IF NOT EXISTS fleet_nodes (
        part tinyint, id blob, name text, beat bigint, draining boolean, inbox bigint, doing text,
        PRIMARY KEY (part, id)
    ) WITH gc_grace_seconds = 3600",
    "CREATE TABLE IF NOT EXISTS fleet_slots (
        part tinyint, slot tinyint, epoch bigint, holder blob,
        PRIMARY KEY (part, slot)
    ) WITH gc_grace_seconds = 3600",
    "CREATE TABLE IF NOT EXISTS fleet_inbox (
        node blob, inbox bigint, teller blob, number bigint, notices text,
        PRIMARY KEY ((node, inbox), teller, number)
    ) WITH gc_grace_seconds = 600 AND default_time_to_live = 60
        AND compaction = {'class': 'TimeWindowCompactionStrategy',
            'compaction_window_unit': 'MINUTES', 'compaction_window_size': 10}",
    "CREATE TABLE IF NOT EXISTS fleet_heard (
        teller blob, number bigint, node blob,
        PRIMARY KEY ((teller, number), node)
    ) WITH gc_grace_seconds = 600 AND default_time_to_live = 60
        AND compaction = {'class': 'TimeWindowCompactionStrategy',
            'compaction_window_unit': 'MINUTES', 'compaction_window_size': 10}",
    "CREATE TABLE IF NOT EXISTS fleet_ping (part tinyint PRIMARY KEY, at timestamp)",
];

/// The one partition of nodes, slots and pings.
const PART: i8 = 0;

pub(super) struct Room {
    db: Arc<Db>,
    statements: Statements,
}

impl Room {
    pub(super) async fn new(db: &Arc<Db>) -> Result<Self> {
        Ok(Room {
            statements: Box::pin(Statements::prepare(db)).await?,
            db: db.clone(),
        })
    }

    /// One durable write and one read.
    pub(super) async fn ping(&self) -> Result<()> {
        self.db.write(&self.statements.ping, (PART,)).await?;
        let found: Option<(i8,)> = self.db.row(&self.statements.pinged, (PART,)).await?;
        found
            .map(drop)
            .ok_or_else(|| damaged("what was just written"))
    }
}

fn bytes(id: NodeId) -> Vec<u8> {
    id.0.0.to_vec()
}

fn node_id(bytes: &[u8]) -> Result<NodeId> {
    let id = bytes.try_into().map_err(|_| damaged("the id of a node"))?;
    Ok(NodeId(Id96(id)))
}

/// Numbers are kept as they fit: CQL has no unsigned ones.
fn big(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn number(big: i64) -> u64 {
    u64::try_from(big).unwrap_or(0)
}

impl Fleet for Scylla {
    fn census(&self) -> BoxFuture<'_, Result<Census>> {
        Box::pin(async {
            // In this order: a holder that is not among the nodes then is gone.
            let slots = self.fleet.slots().await?;
            let nodes = self.fleet.nodes().await?;
            Ok(Census { nodes, slots })
        })
    }

    fn join(&self, id: NodeId, name: &str) -> BoxFuture<'_, Result<()>> {
        let name = name.to_owned();
        Box::pin(async move { self.fleet.join(id, &name).await })
    }

    fn beat<'a>(&'a self, node: &'a Node) -> BoxFuture<'a, Result<bool>> {
        Box::pin(self.fleet.beat(node))
    }

    fn bury(&self, id: NodeId, beat: u64) -> BoxFuture<'_, Result<bool>> {
        Box::pin(self.fleet.bury(id, beat))
    }

    fn leave(&self, id: NodeId) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.fleet.leave(id))
    }

    fn claim(&self, id: NodeId, seen: Vec<Lease>) -> BoxFuture<'_, Result<bool>> {
        Box::pin(self.fleet.claim(id, seen))
    }

    fn release(&self, slot: Slot, epoch: Epoch) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.fleet.release(slot, epoch))
    }

    fn take_up(&self, slot: Slot, epoch: Epoch) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            self.journal.take_up(slot, epoch).await?;
            self.held.set(slot, Some(epoch));
            Ok(())
        })
    }

    fn give_up(&self, slot: Slot) {
        self.held.set(slot, None);
        self.journal.give_up(slot);
    }

    fn tell(
        &self,
        from: NodeId,
        id: NoticeId,
        notices: Vec<Notice>,
    ) -> BoxFuture<'_, Result<Vec<NodeId>>> {
        Box::pin(async move { self.fleet.tell(from, id, &notices).await })
    }

    fn hear(&self, id: NodeId, inbox: u64) -> BoxFuture<'_, Result<Vec<Told>>> {
        Box::pin(self.fleet.hear(id, inbox))
    }

    fn acknowledge(&self, id: NodeId, heard: Vec<NoticeId>) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.fleet.acknowledge(id, heard))
    }

    fn heard(&self, id: NoticeId) -> BoxFuture<'_, Result<Vec<NodeId>>> {
        Box::pin(self.fleet.heard(id))
    }
}
