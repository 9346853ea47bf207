//! One child of the root: how it is made, how often it died, and the slot its handles look in.

use fanfare_core::restart::History;
use futures_util::future::BoxFuture;
use ractor::{Actor, ActorCell, ActorId, SpawnErr};

use crate::slot::Slot;

type Start = Box<dyn Fn(ActorCell) -> BoxFuture<'static, Result<ActorId, SpawnErr>> + Send + Sync>;

pub(super) struct Child {
    pub(super) name: &'static str,
    /// Of the actor that lives now, or died last.
    pub(super) id: ActorId,
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
                let (actor, _) = A::spawn_linked(None, actor(), args, root).await?;
                let id = actor.get_id();
                slot.set(actor);
                Ok(id)
            })
        };
        Child {
            name,
            id: ActorId::Local(u64::MAX),
            history: History::default(),
            start: Box::new(start),
        }
    }

    /// Starts it (again) and puts it into its slot.
    pub(super) async fn start(&mut self, root: ActorCell) -> Result<(), SpawnErr> {
        self.id = (self.start)(root).await?;
        Ok(())
    }
}
