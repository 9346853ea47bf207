//! What several gateways share through the database: who is there, who holds which slot, and what they tell each other.
//!
//! ```text
//! join ─▶ beat ─▶ beat ─▶ …                     a node that was buried hears so at its next beat
//! census ─▶ (somebody's beat stands still for the whole lease) ─▶ bury ─▶ claim ─▶ take_up
//! tell ─▶ the inbox of each other node ─▶ hear
//! ```
//!
//! Nothing here compares clocks, and nothing decides: the rules are in `core`. Each step that others race for is a
//! compare-and-set.

use std::time::Duration;

use fanfare_types::{AppId, CampaignId, DeviceId, Epoch, NotificationId, Slot};
pub use fanfare_types::{Census, Lease, Node, NodeId};
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

use crate::Result;

/// What a node tells the others at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Notice {
    /// Whatever was routed for these devices before is to be read again.
    Revoked { app: AppId, devices: Vec<DeviceId> },
    /// A notification was cancelled.
    Cancelled { app: AppId, id: NotificationId },
    /// A campaign's standing is another.
    Campaign { app: AppId, id: CampaignId },
}

/// A gateway among several on one store. Every call is one or two round trips; none waits for another node.
pub trait Fleet: Send + Sync + 'static {
    /// Slots, and then nodes. At the consistency of compare-and-set, so that nothing that was decided is missed.
    fn census(&self) -> BoxFuture<'_, Result<Census>>;

    /// Enters this node; it holds nothing yet.
    fn join(&self, id: NodeId, name: &str) -> BoxFuture<'_, Result<()>>;

    /// Shows that this node lives: its beat becomes `node.beat` if it was one less, and the rest of `node` is written.
    /// `false`: it was buried, and is another node from now on. After [`crate::Error::Unknown`] the same again does no
    /// harm.
    fn beat<'a>(&'a self, node: &'a Node) -> BoxFuture<'a, Result<bool>>;

    /// Takes a node for dead, if it has not beaten since `beat`. `false`: it has, or is gone already.
    fn bury(&self, id: NodeId, beat: u64) -> BoxFuture<'_, Result<bool>>;

    /// This node goes; what it held is free.
    fn leave(&self, id: NodeId) -> BoxFuture<'_, Result<()>>;

    /// Takes slots as they were seen, each at its next epoch: all of them, or none (`false`) when one has changed.
    fn claim(&self, id: NodeId, seen: Vec<Lease>) -> BoxFuture<'_, Result<bool>>;

    /// Gives a slot back, if it is still held at that epoch.
    fn release(&self, slot: Slot, epoch: Epoch) -> BoxFuture<'_, Result<()>>;

    /// From now on this store works on a slot: every write for it carries `epoch`, and after this none of an earlier
    /// epoch is taken. Before its answer the slot's work is none of this node's. An error, when somebody has taken it up
    /// at a later epoch.
    fn take_up(&self, slot: Slot, epoch: Epoch) -> BoxFuture<'_, Result<()>>;

    /// From now on this store does not work on a slot: its work is passed over by [`crate::Journal::unfinished`],
    /// [`crate::Campaigns::shards`] and [`crate::Campaigns::open_chunks`], and its outcomes are not recorded.
    fn give_up(&self, slot: Slot);

    /// Puts notices into the inboxes of all nodes but `from`; with those nodes. Durable when it answers, in an inbox that
    /// each of them still reads for [`INBOX_KEPT`]. After an error the same again, with the same `id`, does no harm.
    fn tell(
        &self,
        from: NodeId,
        id: NoticeId,
        notices: Vec<Notice>,
    ) -> BoxFuture<'_, Result<Vec<NodeId>>>;

    /// What was told to this node in an inbox and the one before it: what was heard before comes again.
    fn hear(&self, id: NodeId, inbox: u64) -> BoxFuture<'_, Result<Vec<Told>>>;

    /// This node has acted upon what it heard.
    fn acknowledge(&self, id: NodeId, heard: Vec<NoticeId>) -> BoxFuture<'_, Result<()>>;

    /// Who has acknowledged.
    fn heard(&self, id: NoticeId) -> BoxFuture<'_, Result<Vec<NodeId>>>;
}

/// What was told together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    pub id: NoticeId,
    pub notices: Vec<Notice>,
}

/// A node reads an inbox for at least this long after it has begun the next one. Who read in a census where a node
/// listens has half of this time to put something there.
pub const INBOX_KEPT: Duration = Duration::from_secs(4);

/// Names what was told together, so that what comes again is known: the teller and its count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NoticeId {
    pub from: NodeId,
    pub number: u64,
}
