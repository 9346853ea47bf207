//! Hand-over: what may leave now, on which connection.

use fanfare_types::{Lane, Timestamp};

use super::{ConnectionId, Effect, Job, Pool, World, over};
use crate::breaker::Allowance;
use crate::lanes::Room;
use crate::revocations::Standing;
use crate::token::Generation;

/// What may still leave during one event.
struct Budget {
    pushes: usize,
    /// Deliveries that may be found stale: no more than could be handed over when they come back, since all of a
    /// long queue may have grown old, and each costs a read.
    stale: usize,
    is_probe: bool,
}

/// What a look at a delivery just before it leaves says.
enum Checked {
    Good(Job),
    /// It has ended, was dropped, or is routed again.
    Gone,
    /// It is stale, and so were enough others: it waits at the head of its lane.
    Enough,
}

impl Pool {
    pub(super) fn pump(&mut self, world: &mut World<'_>) {
        let now = world.now;
        if !self.lanes.look(now) || world.tenure.is_over(now) {
            return;
        }
        let Some(token) = self.token.usable(now) else {
            return;
        };
        let is_probe = match self.breaker.allowance(now) {
            Allowance::All => false,
            Allowance::Probe => true,
            Allowance::Nothing => return,
        };
        self.pacing.set_portion(world.tenure.portion(), now);
        let paced = self.allowance(now);
        let mut budget = Budget {
            pushes: if is_probe { paced.min(1) } else { paced },
            stale: self.connections.free().saturating_sub(self.rerouted),
            is_probe,
        };
        while budget.pushes > 0 {
            let roomiest = self.connections.roomiest(self.lanes.has_urgent());
            let Some((connection, room)) = roomiest else {
                return;
            };
            let spacing = self.limits.token_spacing;
            if !self.connections.show(connection, token, spacing, now) {
                // Another one may show it.
                if self.connections.dismiss(connection) {
                    world.effects.push(Effect::Close(connection));
                }
                continue;
            }
            if !self.hand_over(connection, room, token, &mut budget, world) {
                return;
            }
        }
    }

    /// How many may leave, by the provider's quota and by what it can be trusted with.
    pub(super) fn allowance(&mut self, now: Timestamp) -> usize {
        let in_flight = self.connections.in_flight();
        let ramp = self.ramp.allowance(in_flight, now);
        self.pacing.allowance(now).min(ramp)
    }

    /// One batch for one connection. Returns whether looking on makes sense.
    fn hand_over(
        &mut self,
        connection: ConnectionId,
        mut room: Room,
        token: Generation,
        budget: &mut Budget,
        world: &mut World<'_>,
    ) -> bool {
        let waiting = self.lanes.len();
        let most = self.limits.batch_max.min(budget.pushes);
        let mut batch = Vec::with_capacity(most.min(waiting).min(room.all));
        while batch.len() < most {
            let Some(job) = self.lanes.take(room, world.now) else {
                break;
            };
            let lane = job.delivery.live.options.lane;
            let mut job = match self.check(job, budget, world) {
                Checked::Good(job) => job,
                Checked::Gone => {
                    // Bulk has had its turn: otherwise much that is old would be looked at before the next urgent one.
                    if lane == Lane::Urgent {
                        self.lanes.give_turn_back();
                    }
                    continue;
                }
                Checked::Enough => break,
            };
            job.is_probe = budget.is_probe;
            self.connections.on_handed(connection, lane);
            room.all -= 1;
            room.bulk = room.bulk.min(room.all);
            if lane == Lane::Bulk {
                room.bulk = room.bulk.saturating_sub(1);
            }
            batch.push(job);
        }
        if batch.is_empty() {
            return self.lanes.len() < waiting;
        }
        budget.pushes -= batch.len();
        self.pacing.take(batch.len(), world.now);
        self.ramp.take(batch.len());
        if budget.is_probe {
            self.breaker.on_probe();
            self.probe_on = Some(connection);
        }
        world.effects.push(Effect::Hand {
            connection,
            batch,
            token,
        });
        true
    }

    fn check(&mut self, job: Job, budget: &mut Budget, world: &World<'_>) -> Checked {
        let delivery = &job.delivery;
        if let Some(over) = over(delivery, world.now) {
            job.give_leave_back();
            self.lay_down(job, over, world.now);
            return Checked::Gone;
        }
        let standing = match &delivery.device {
            Some((device, _)) => world
                .revocations
                .standing(*device, delivery.routed_at, world.now),
            // An address the caller named is what it is.
            None => Standing::Good,
        };
        match standing {
            Standing::Good => Checked::Good(job),
            Standing::Stale if budget.stale == 0 => {
                self.lanes.put_back(job);
                Checked::Enough
            }
            Standing::Stale => {
                job.give_leave_back();
                budget.stale -= 1;
                self.rerouted += 1;
                self.stale.push(*job.delivery);
                Checked::Gone
            }
        }
    }
}
