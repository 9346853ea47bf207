//! One child of the root: how it is made, how often it died, and the slot its handles look in.

use std::sync::Arc;

use fanfare_core::restart::History;
use futures_util::future::BoxFuture;
use ractor::{Actor, ActorCell, ActorId};

use crate::slot::Slot;
use crate::system::sending::Sending;
use crate::{Error, Result};

type Start = Box<dyn Fn(ActorCell) -> BoxFuture<'static, Result<Option<ActorId>>> + Send + Sync>;

pub(super) struct Child {
    pub(super) name: &'static str,
    /// Of the actor that lives now, or died last.
    pub(super) id: Option<ActorId>,
    pub(super) history: History,
    start: Start,
}

impl Child {
    /// A child that was not started yet.
    pub(super) fn new<A: Actor>(
        name: &'static str,
        actor: fn() -> A,
        args: A::Arguments,
        slot: Slot<A::Msg>,
    ) -> Self
    where
        A::Arguments: Clone + Sync,
    {
        let start = move |root: ActorCell| -> BoxFuture<'static, _> {
            let (args, slot) = (args.clone(), slot.clone());
            Box::pin(async move {
                let spawned = A::spawn_linked(None, actor(), args, root).await;
                let (actor, _) = spawned.map_err(|error| Error::Start(error.to_string()))?;
                let id = actor.get_id();
                slot.set(actor);
                Ok(Some(id))
            })
        };
        Child::of(name, Box::new(start))
    }

    /// The sending side, which has actors of its own.
    pub(super) fn sending(sending: Arc<dyn Sending>) -> Self {
        Child::of("pools", Box::new(move |root| sending.start(root)))
    }

    fn of(name: &'static str, start: Start) -> Self {
        Child {
            name,
            id: None,
            history: History::default(),
            start,
        }
    }

    /// Starts it (again) and puts it into its slot.
    pub(super) async fn start(&mut self, root: ActorCell) -> Result<()> {
        self.id = (self.start)(root).await?;
        Ok(())
    }
}
