//! The fleet, as the other rooms of this node see it: which slots it holds, until when it may hand anything over, and
//! how the other nodes are told what they must not go on relying upon.
//!
//! On a store that is not shared a node is alone: it holds every slot for ever, and tells nobody.

mod held;

use std::fmt;
use std::sync::Arc;

use fanfare_store::fleet::Notice;
use fanfare_types::{Hold, NotificationId, Slot, Tenure};
use parking_lot::RwLock;

use crate::Result;
use held::Held;

/// Cheap to clone.
#[derive(Clone)]
pub(crate) struct FleetHandle(Arc<Shared>);

struct Shared {
    tenure: Arc<Tenure>,
    held: RwLock<Held>,
    /// Entered while the tree is built.
    listeners: RwLock<Vec<Listener>>,
}

/// Told of gained and lost slots, once that is so; must return at once.
pub(crate) type Listener = Arc<dyn Fn(&Changed) + Send + Sync>;

/// What this node holds is another.
#[derive(Clone, Debug, Default)]
pub(crate) struct Changed {
    pub(crate) gained: Vec<Slot>,
    pub(crate) lost: Vec<Slot>,
}

impl FleetHandle {
    /// Of a node that shares its store with nobody.
    pub(crate) fn alone() -> Self {
        FleetHandle::new(Tenure::alone(), Held::all())
    }

    fn new(tenure: Arc<Tenure>, mut held: Held) -> Self {
        held.tell(&tenure);
        FleetHandle(Arc::new(Shared {
            tenure,
            held: RwLock::new(held),
            listeners: RwLock::default(),
        }))
    }

    /// A held slot to accept something into, evenly among them; `None` when this node holds none.
    pub(crate) fn pick(&self, random: u64) -> Option<Arc<Hold>> {
        self.0.held.read().pick(random)
    }

    /// `None` when this node does not hold it.
    pub(crate) fn hold(&self, slot: Slot) -> Option<Arc<Hold>> {
        self.0.held.read().of(slot)
    }

    /// The hold on the slot of a notification or chunk; one that is lost when this node does not hold it.
    pub(crate) fn hold_on(&self, id: NotificationId) -> Arc<Hold> {
        let slot = Slot::of(id);
        self.hold(slot).unwrap_or_else(|| {
            let hold = Hold::new(slot);
            hold.lose();
            hold
        })
    }

    /// Until when this node may hand anything over.
    pub(crate) fn tenure(&self) -> Arc<Tenure> {
        self.0.tenure.clone()
    }

    /// How many of [`Slot::COUNT`] slots it holds: its share of what is limited for the fleet.
    pub(crate) fn share(&self) -> usize {
        self.0.held.read().len()
    }

    /// Whoever is told when slots are gained or lost.
    pub(crate) fn listen(&self, listener: Listener) {
        self.0.listeners.write().push(listener);
    }

    /// Tells the other nodes; after this each of them has heard it, or hands nothing over any more.
    ///
    /// # Errors
    /// They could not be told.
    pub(crate) async fn tell(&self, _: Notice) -> Result<()> {
        Ok(())
    }
}

impl fmt::Debug for FleetHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FleetHandle({} slots)", self.share())
    }
}
