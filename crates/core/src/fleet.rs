//! Several gateways on one store: when this one shows that it lives, which others it takes for dead, which slots it
//! takes and gives up, and until when it may hand anything over.
//!
//! Clocks are never compared between nodes. Whoever sees a beat stand still for a whole lease, by its own clock, may bury
//! that node; and a node stops by itself a tenth of a lease before anybody can have seen that. What it relies upon may
//! be changed by others: they tell it, and it stops when it has not listened for [`Limits::settle`].

mod me;
mod member;
mod shift;
mod sight;
mod telling;

use std::time::Duration;

use fanfare_types::{Epoch, Lease, Node, NodeId, Slot, Timestamp};

pub use member::{Member, World};
pub use telling::Telling;

#[derive(Clone, Debug)]
pub struct Limits {
    /// A node that has not shown for this long that it lives is taken for dead. Default 5 s.
    pub lease: Duration,
    /// How long a node may go on without having listened to the others. Whoever changes what they rely upon waits for
    /// them for this long at most. Default 1 s.
    pub settle: Duration,
    /// How often it listens. Default 200 ms.
    pub poll: Duration,
    /// A node listens in the next inbox after this long; see `fanfare_store::fleet::INBOX_KEPT`. Default 4 s.
    pub inbox_kept: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            lease: Duration::from_secs(5),
            settle: Duration::from_secs(1),
            poll: Duration::from_millis(200),
            inbox_kept: Duration::from_secs(4),
        }
    }
}

impl Limits {
    /// How often a node shows that it lives: four may be missed.
    pub fn beat_every(&self) -> Duration {
        self.lease / 5
    }

    /// How often it looks at who is there.
    pub fn census_every(&self) -> Duration {
        self.lease / 10
    }

    /// For how long a beat is good for the node itself. The last tenth is for clocks that do not run alike.
    pub fn good_for(&self) -> Duration {
        self.lease - self.lease / 10
    }

    /// How long a teller waits for who does not acknowledge.
    pub fn settled_after(&self) -> Duration {
        self.settle + self.settle / 10
    }
}

/// What the shell does. Of what has an answer, it brings the answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Then [`Member::on_joined`].
    Join(NodeId),
    /// Then [`Member::on_beaten`].
    Beat(Node),
    /// Then [`Member::on_census`], with this number.
    Count(u64),
    /// Listen in this inbox, act upon what is heard, acknowledge; then [`Member::on_heard`], with `begun`.
    Hear { inbox: u64, begun: Timestamp },
    /// Then [`Member::on_buried`].
    Bury(NodeId, u64),
    /// Then [`Member::on_claimed`].
    Claim(Vec<Lease>),
    /// Then [`Member::on_taken_up`].
    TakeUp(Slot, Epoch),
    /// The slot is held, and its work begins.
    Gain(Slot),
    /// Nothing more of the slot is handed over.
    Lose(Slot),
    /// Nothing more of it is handed over; when all that was is answered and recorded, [`Member::on_quiet`].
    Quieten(Slot, Epoch),
    /// The store is not to work on it.
    GiveUp(Slot),
    /// Then [`Member::on_released`].
    Release(Slot, Epoch),
    /// Something may be handed over until then.
    Tenure(Timestamp),
    /// It was taken for dead.
    Died(NodeId),
    /// Then [`Member::on_left`].
    Leave(NodeId),
    /// It holds nothing, is nobody any more, and does nothing.
    Gone,
    /// Call [`Member::on_wake`] at this instant, instead of any told before.
    WakeAt(Timestamp),
}

/// A call of the store came to nothing, or nobody knows what it came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failed;
