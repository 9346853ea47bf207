//! What an answer means for its delivery, its connection and its pool.

use fanfare_types::{Outcome, Reason, Verdict};

use super::{ConnectionId, Effect, How, Job, Pool, Returned, Stage, World};
use crate::breaker::Probed;
use crate::dispatch::CANCELLED;
use crate::retry::{self, Attempted, Next};
use crate::token::{Generation, Stale};

impl Pool {
    pub(super) fn take_back(
        &mut self,
        connection: ConnectionId,
        returned: Returned,
        world: &mut World<'_>,
    ) {
        let Returned { mut job, how } = returned;
        let lane = job.delivery.live.options.lane;
        self.connections.on_back(connection, lane, world.now);
        self.look_at_probe(&mut job, &how, world);
        if !matches!(how, How::Answered { .. }) {
            // No attempt was made.
            job.give_leave_back();
        }
        match how {
            How::Answered {
                verdict,
                reason,
                token,
            } => {
                if verdict == Verdict::NotSent {
                    // The provider never saw it.
                    job.delivery.attempts = job.delivery.attempts.saturating_sub(1);
                }
                if self.is_of_the_past(verdict) {
                    return self.queue(job, world.now);
                }
                self.learn(connection, verdict, token, world);
                self.decide(job, verdict, reason, world);
            }
            How::Stale => self.reroute(job),
            // Nobody has it, and it may come when nobody waits for outcomes any more: the next start finds it so again.
            How::Unsendable(..) if self.stage == Stage::Draining => {}
            How::Unsendable(outcome, reason) => {
                self.end(job, outcome, reason, None, world.now);
            }
            // Queueing looks whether it still may, and whatever may not leave now waits.
            How::Over => self.queue(job, world.now),
            How::NotTaken => {
                // It is about to end, or its link is full: either way the news of it is on its way.
                if self.connections.on_not_taken(connection) {
                    world.effects.push(Effect::Close(connection));
                }
                self.decide(job, Verdict::NotSent, Reason::NONE, world);
            }
        }
    }

    /// Routed again, unless nothing of it is sent any more.
    fn reroute(&mut self, job: Job) {
        if self.stage != Stage::Draining && !job.delivery.live.is_withdrawn() {
            self.stale.push(*job.delivery);
        }
    }

    fn look_at_probe(&mut self, job: &mut Job, how: &How, world: &mut World<'_>) {
        if !std::mem::take(&mut job.is_probe) {
            return;
        }
        self.probe_on = None;
        let probed = match how {
            How::Answered { verdict, .. } => probed(*verdict),
            How::Stale | How::Unsendable(..) | How::Over | How::NotTaken => Probed::NotSent,
        };
        if self.breaker.on_probed(probed, world.now) {
            world.effects.push(Effect::Refused(false));
        }
    }

    /// What the pool learns from an answer, whoever it was for.
    fn learn(
        &mut self,
        connection: ConnectionId,
        verdict: Verdict,
        token: Generation,
        world: &mut World<'_>,
    ) {
        let now = world.now;
        match verdict {
            Verdict::Unknown | Verdict::NotSent => return,
            Verdict::AuthRefresh { reconnect } => {
                if self.token.on_stale(token) == Stale::Suspicious && self.breaker.trip(now) {
                    world.effects.push(Effect::Refused(true));
                }
                if reconnect {
                    self.retire(connection, world);
                }
                return;
            }
            Verdict::ThrottleConnection => {
                self.retire(connection, world);
                return;
            }
            Verdict::Config => {
                if self.breaker.on_refused(now) {
                    world.effects.push(Effect::Refused(true));
                }
            }
            Verdict::ThrottleProject { after } => {
                let pause = after.unwrap_or(self.retry.project_delay);
                self.pacing
                    .on_throttled(pause.min(self.retry.delay_max), now);
            }
            Verdict::Accepted => {
                if self.breaker.on_good() {
                    world.effects.push(Effect::Refused(false));
                }
            }
            Verdict::TokenDead { .. }
            | Verdict::TokenSuspect
            | Verdict::BadRequest
            | Verdict::ThrottleDevice { .. }
            | Verdict::Server { .. } => {}
        }
        self.connections.on_useful(connection, now);
        if !matches!(verdict, Verdict::Server { .. }) {
            self.ramp.on_good(now);
        }
        self.token.on_proven(token);
    }

    pub(super) fn retire(&mut self, connection: ConnectionId, world: &mut World<'_>) {
        if self.connections.retire(connection) {
            world.effects.push(Effect::Close(connection));
        }
    }

    /// What happens to the delivery.
    fn decide(&mut self, mut job: Job, verdict: Verdict, reason: Reason, world: &mut World<'_>) {
        job.not_sent = match verdict {
            Verdict::NotSent => job.not_sent.saturating_add(1),
            _ => 0,
        };
        let delivery = &mut job.delivery;
        let options = &delivery.live.options;
        let attempted = Attempted {
            attempts: delivery.attempts,
            auth_refreshes: delivery.auth_refreshes,
            not_sent: job.not_sent,
            on_unknown: options.on_unknown,
            due_at: options.send_at.unwrap_or(delivery.live.created_at),
            expires_at: options.expires_at,
        };
        let random = match verdict {
            Verdict::Accepted => 0,
            // Whatever may go again does so with jitter.
            _ => (world.random)(),
        };
        let next = retry::after(verdict, attempted, &self.retry, world.now, random);
        if matches!(verdict, Verdict::AuthRefresh { .. }) {
            delivery.auth_refreshes += 1;
        }
        match next {
            Next::End {
                outcome,
                reason: ours,
            } => {
                let reason = ours.unwrap_or(reason);
                self.end(job, outcome, reason, Some(verdict), world.now);
            }
            Next::Again | Next::At(_) if job.delivery.live.is_cancelled() => {
                self.end(job, Outcome::Cancelled, CANCELLED, Some(verdict), world.now);
            }
            Next::Again | Next::At(_) if job.delivery.live.is_withdrawn() => {}
            Next::Again => self.queue(job, world.now),
            Next::At(at) => {
                if matches!(verdict, Verdict::ThrottleDevice { .. }) {
                    job.set_aside();
                }
                self.queue_at(at, job);
            }
        }
    }
}

fn probed(verdict: Verdict) -> Probed {
    match verdict {
        Verdict::Config | Verdict::AuthRefresh { .. } => Probed::Refused,
        Verdict::Accepted
        | Verdict::TokenDead { .. }
        | Verdict::TokenSuspect
        | Verdict::BadRequest
        | Verdict::ThrottleDevice { .. } => Probed::Good,
        Verdict::NotSent => Probed::NotSent,
        Verdict::ThrottleProject { .. }
        | Verdict::ThrottleConnection
        | Verdict::Server { .. }
        | Verdict::Unknown => Probed::Inconclusive,
    }
}
