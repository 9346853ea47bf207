//! The fleet, as the other rooms of this node see it: which slots it holds, until when it may hand anything over, and
//! how the other nodes are told what they must not go on relying upon.
//!
//! On a store that is not shared a node is alone: it holds every slot for ever, and tells nobody.

pub(crate) mod actor;
#[cfg(test)]
pub(crate) mod commons;
mod hearing;
mod held;
mod perform;
mod quiet;
mod telling;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use fanfare_store::fleet::Notice;
use fanfare_types::{Hold, NodeId, NotificationId, Slot, Tenure};
use parking_lot::{Mutex, RwLock};
use tokio::sync::oneshot;

use crate::slot::Slot as Seat;
use crate::{Error, Result};
use actor::Msg;
use held::Held;
use telling::Untold;

/// How often an actor that died meanwhile is told anew.
const TRIES: usize = 5;

/// How long it may take to be there again.
const RETRY_DELAY: Duration = Duration::from_millis(200);

/// Of this node, among several on one store.
#[derive(Clone, Debug)]
pub struct Config {
    /// What operators call it. Default: the host's name.
    pub name: String,
    /// How nodes find each other gone, and how long they wait for each other.
    pub limits: fanfare_core::fleet::Limits,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            name: "fanfare".to_owned(),
            limits: fanfare_core::fleet::Limits::default(),
        }
    }
}

/// Cheap to clone.
#[derive(Clone)]
pub(crate) struct FleetHandle(Arc<Shared>);

struct Shared {
    tenure: Arc<Tenure>,
    held: RwLock<Held>,
    /// Entered while the tree is built.
    listeners: RwLock<Vec<Listener>>,
    /// Of the actor that sees to all this; `None` when this node is alone.
    actor: Option<Seat<Msg>>,
    /// As which node it is in.
    id: Mutex<Option<NodeId>>,
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
        FleetHandle::new(Tenure::alone(), Held::all(), None)
    }

    /// Of one among several. It holds nothing yet.
    pub(crate) fn among(actor: Seat<Msg>) -> Self {
        FleetHandle::new(Tenure::none(), Held::none(), Some(actor))
    }

    fn new(tenure: Arc<Tenure>, mut held: Held, actor: Option<Seat<Msg>>) -> Self {
        held.tell(&tenure);
        FleetHandle(Arc::new(Shared {
            tenure,
            held: RwLock::new(held),
            listeners: RwLock::default(),
            actor,
            id: Mutex::default(),
        }))
    }

    pub(crate) fn is_alone(&self) -> bool {
        self.0.actor.is_none()
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

    fn changed(&self, changed: &Changed) {
        let listeners = self.0.listeners.read().clone();
        listeners.iter().for_each(|listener| listener(changed));
    }

    /// Tells the other nodes; after this each of them has heard it, or hands nothing over any more.
    ///
    /// # Errors
    /// They could not be told.
    pub(crate) async fn tell(&self, notice: Notice) -> Result<()> {
        let Some(actor) = &self.0.actor else {
            return Ok(());
        };
        for _ in 0..TRIES {
            let (answer, told) = oneshot::channel();
            // One that is not there, or dies, says nothing.
            drop(actor.cast(Msg::Tell(notice.clone(), answer)));
            match told.await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(Untold)) => break,
                Err(_) => tokio::time::sleep(RETRY_DELAY).await,
            }
        }
        Err(Error::Untold)
    }
}

impl fmt::Debug for FleetHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FleetHandle({} slots)", self.share())
    }
}
