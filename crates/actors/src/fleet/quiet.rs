//! Slots that are given up: each goes back when nothing of it is under way any more.

use std::sync::Arc;
use std::time::Duration;

use fanfare_types::{Epoch, Hold, NodeId, Slot, Timestamp};
use ractor::ActorRef;

use super::actor::{Msg, State};

/// How often it is looked whether what was handed over is answered.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A slot of which nothing more is handed over.
pub(super) struct Quietening {
    id: NodeId,
    epoch: Epoch,
    /// Whoever has something of it has a clone of this.
    pub(super) hold: Arc<Hold>,
    /// Then it goes back in any case.
    until: Timestamp,
}

impl State {
    pub(super) fn quieten(
        &mut self,
        id: Option<NodeId>,
        slot: Slot,
        epoch: Epoch,
        myself: &ActorRef<Msg>,
    ) {
        let (Some(id), Some(hold)) = (id, self.args.handle.hold(slot)) else {
            return;
        };
        self.lose(slot);
        self.quietening.push(Quietening {
            id,
            epoch,
            hold,
            until: self.args.clock.now() + self.args.quiet_after,
        });
        self.look_later(myself);
    }

    fn look_later(&mut self, myself: &ActorRef<Msg>) {
        if !self.is_looking && !self.quietening.is_empty() {
            self.is_looking = true;
            drop(myself.send_after(LOOK_EVERY, || Msg::Look));
        }
    }

    pub(super) fn look(&mut self, myself: &ActorRef<Msg>) {
        self.is_looking = false;
        self.args.live.forget_lost();
        self.args.campaigns.forget_lost();
        let now = self.args.clock.now();
        let is_over = |quietening: &mut Quietening| {
            // This one is ours.
            Arc::strong_count(&quietening.hold) == 1 || now >= quietening.until
        };
        let over: Vec<_> = self.quietening.extract_if(.., is_over).collect();
        for Quietening {
            id, epoch, hold, ..
        } in over
        {
            let slot = hold.slot;
            self.member(myself, |m, world| m.on_quiet(id, slot, epoch, world));
        }
        self.look_later(myself);
    }
}
