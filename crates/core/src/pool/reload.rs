//! What a pool does when the configuration is read again: it goes by other limits, or gives its work to the pool of
//! another credential.

use fanfare_types::{Timestamp, Verdict};

use super::{Job, Limits, Moved, Pool, Stage, World, over};

impl Pool {
    /// Other limits from now on. Connections beyond the most finish what they have and close; more are opened as
    /// load asks for them. The breaker's and the token's own limits stay as they were.
    pub fn on_limits(&mut self, limits: Limits, world: &mut World<'_>) {
        self.pacing.set_rate_max(limits.rate_max, world.now);
        self.dismiss(self.connections.surplus(limits.connections_max), world);
        self.limits = limits;
        self.settle(world);
    }

    /// Another pool has taken over. What waits goes there, as does whatever is not over when it comes back; what is
    /// on connections gets its answer here, and then [`super::Effect::Drained`] comes.
    pub fn on_retired(&mut self, world: &mut World<'_>) {
        if self.stage == Stage::Sending {
            self.stage = Stage::Retired;
        }
        for job in self.lanes.take_all() {
            self.move_on(job, None);
        }
        for (at, job) in self.retries.take_all() {
            self.move_on(job, Some(at));
        }
        self.dismiss(self.connections.ids(), world);
        self.settle(world);
    }

    /// Deliveries of a pool that has retired.
    pub fn on_moved(&mut self, batch: Vec<Moved>, world: &mut World<'_>) {
        for Moved {
            delivery,
            not_before,
        } in batch
        {
            let job = Job::new(delivery);
            match not_before {
                Some(at) if at > world.now && over(&job.delivery, world.now).is_none() => {
                    self.queue_at(at, job);
                }
                _ => self.queue(job, world.now),
            }
        }
        self.settle(world);
    }

    pub(super) fn move_on(&mut self, job: Job, not_before: Option<Timestamp>) {
        self.moved.push(Moved {
            delivery: job.delivery,
            not_before,
        });
    }

    /// Whether an answer says no more than that the credential that was replaced is refused: the push was not
    /// processed, and the next credential may try.
    pub(super) fn is_of_the_past(&self, verdict: Verdict) -> bool {
        let is_refusal = matches!(verdict, Verdict::Config | Verdict::AuthRefresh { .. });
        self.stage == Stage::Retired && is_refusal
    }
}
