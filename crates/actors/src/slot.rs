//! A slot keeps the address of an actor that its supervisor may replace: handles hold the slot, not the actor.

use std::fmt;
use std::sync::Arc;

use parking_lot::RwLock;
use ractor::{ActorRef, Message, MessagingErr};

/// Cheap to clone; all clones name the same actor.
pub(crate) struct Slot<M>(Arc<RwLock<Option<ActorRef<M>>>>);

impl<M: Message> Slot<M> {
    /// A slot nobody stands in yet.
    pub(crate) fn empty() -> Self {
        Slot(Arc::new(RwLock::new(None)))
    }

    /// Puts an actor (or its successor) in.
    pub(crate) fn set(&self, actor: ActorRef<M>) {
        *self.0.write() = Some(actor);
    }

    pub(crate) fn get(&self) -> Option<ActorRef<M>> {
        self.0.read().clone()
    }

    /// Sends, or gives the message back when nobody is there.
    pub(crate) fn cast(&self, message: M) -> Result<(), M> {
        match &*self.0.read() {
            None => Err(message),
            Some(actor) => actor.send_message(message).map_err(|error| match error {
                MessagingErr::SendErr(message) => message,
                MessagingErr::ChannelClosed | MessagingErr::InvalidActorType => {
                    unreachable!("a typed reference sends its own type")
                }
            }),
        }
    }
}

impl<M> Clone for Slot<M> {
    fn clone(&self) -> Self {
        Slot(self.0.clone())
    }
}

impl<M> fmt::Debug for Slot<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Slot")
    }
}
