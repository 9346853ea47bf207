//! Who is there, and who holds what, as one read of the store saw it.

use super::{Epoch, NodeId, Slot};

/// Everybody who is there. The slots were read before the nodes: a holder that is not among them is gone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Census {
    pub nodes: Vec<Node>,
    /// Of every slot, in order.
    pub slots: Vec<Lease>,
}

/// A node that joined, and neither left nor was buried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    pub id: NodeId,
    /// What an operator calls it: its host name, or `fleet.name`.
    pub name: String,
    /// Grows by one at each beat.
    pub beat: u64,
    /// It gives its slots up and wants none.
    pub is_draining: bool,
    /// Where it listens for what others tell it.
    pub inbox: u64,
    /// What it is doing, for whoever asks another node: JSON, at most 64 KiB.
    pub doing: String,
}

/// Who holds a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    pub slot: Slot,
    pub epoch: Epoch,
    /// `None`: it was released. A node that is in no census any more holds nothing.
    pub holder: Option<NodeId>,
}

impl Census {
    pub fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.iter().find(|node| node.id == id)
    }

    /// Whoever holds it and is there.
    pub fn holder(&self, lease: &Lease) -> Option<NodeId> {
        lease.holder.filter(|holder| self.node(*holder).is_some())
    }
}
