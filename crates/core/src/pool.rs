//! A pool: what one (app, provider, environment, credential) sends, over which connections, when.
//!
//! Events in, [`Effect`]s out. It holds the lanes, the retries, the books about its connections, the provider
//! token's life, the breaker and the pacing; the shell holds sockets, the token itself and the timer.

mod answers;
mod connections;
mod job;
mod limits;
mod pump;
mod retries;
mod upkeep;

#[cfg(test)]
pub(crate) mod fixtures;
#[cfg(test)]
mod storm;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod walk;

use std::time::Duration;

use fanfare_types::{Delivery, Finished, Outcome, Reason, Timestamp, Verdict};

pub use connections::ConnectionId;
pub use job::{Ended, How, Job, Returned};
pub use limits::Limits;

use crate::breaker::{self, Breaker};
use crate::dispatch::{CANCELLED, EXPIRED};
use crate::lanes::Lanes;
use crate::pacing::Pacing;
use crate::retry;
use crate::revocations::Revocations;
use crate::token::{Dating, Generation, Token};
use connections::Connections;
use retries::Retries;

/// What the shell carries out.
#[derive(Debug)]
pub enum Effect {
    /// Hand these to a connection, with the provider token of that generation (the present one).
    Hand {
        connection: ConnectionId,
        batch: Vec<Job>,
        token: Generation,
    },
    /// Open a connection under this name; its end is told by [`Pool::on_closed`], whatever happens.
    Open(ConnectionId),
    /// Let a connection finish what it has, and close.
    Close(ConnectionId),
    /// Get a provider token dated by the clock of [`Pool::token_dating`], and tell by [`Pool::on_token`] or
    /// [`Pool::on_no_token`].
    RenewToken,
    End(Vec<Ended>),
    /// Their routing is too old or was revoked: back to the dispatcher.
    Reroute(Vec<Delivery>),
    /// Call [`Pool::on_wake`] at this instant, instead of any told before.
    WakeAt(Timestamp),
    /// The provider refuses the credential, project or topic (`true`), or takes it again.
    Refused(bool),
    /// Drained: the last connection is gone.
    Drained,
}

/// What an event is told about the world, and where its effects go.
pub struct World<'a> {
    pub now: Timestamp,
    /// Uniform over `u64`.
    pub random: &'a mut dyn FnMut() -> u64,
    pub revocations: &'a Revocations,
    pub effects: &'a mut Vec<Effect>,
}

/// How a pool stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figures {
    pub connections: usize,
    pub streams: usize,
    pub in_flight: usize,
    pub waiting: usize,
    pub retrying: usize,
    pub breaker: &'static str,
    /// Neither the provider nor the token endpoint refuses it, as far as is known.
    pub credential_usable: bool,
}

#[derive(Debug)]
pub struct Pool {
    limits: Limits,
    retry: retry::Policy,
    lanes: Lanes,
    retries: Retries,
    connections: Connections,
    token: Token,
    breaker: Breaker,
    pacing: Pacing,
    /// Deliveries that were sent back to the dispatcher and have not come again, since the last sweep.
    rerouted: usize,
    /// Where the breaker's probe is.
    probe_on: Option<ConnectionId>,
    swept_at: Timestamp,
    swept_thoroughly_at: Timestamp,
    /// Something was cancelled since the last thorough sweep.
    cancelled: bool,
    /// What the shell's timer is set to.
    armed: Option<Timestamp>,
    draining: bool,
    /// Gathered during an event, put out in batches at its end.
    ended: Vec<Ended>,
    stale: Vec<Delivery>,
}

impl Pool {
    /// `token_needed`: not with certificate credentials.
    pub fn new(limits: Limits, retry: retry::Policy, token_needed: bool) -> Self {
        let token = match token_needed {
            true => Token::new(limits.token.clone()),
            false => Token::not_needed(),
        };
        Pool {
            lanes: Lanes::new(limits.urgent_weight),
            retries: Retries::default(),
            connections: Connections::new(&limits),
            token,
            breaker: Breaker::new(limits.breaker.clone()),
            pacing: Pacing::new(limits.rate_max),
            rerouted: 0,
            probe_on: None,
            swept_at: Timestamp::default(),
            swept_thoroughly_at: Timestamp::default(),
            cancelled: false,
            armed: None,
            draining: false,
            ended: Vec::new(),
            stale: Vec::new(),
            limits,
            retry,
        }
    }

    /// Routed deliveries to send.
    pub fn on_work(&mut self, batch: Vec<Delivery>, world: &mut World<'_>) {
        // What comes while draining stays in the journal for the next start.
        if !self.draining {
            self.rerouted = self.rerouted.saturating_sub(batch.len());
            for delivery in batch {
                let job = Job::new(delivery);
                // Cancelled on its way here: the sweep may have been before it.
                match over(&job.delivery, world.now) {
                    Some((outcome, reason)) => self.end(job, outcome, reason, None, world.now),
                    None => self.lanes.push(job),
                }
            }
        }
        self.settle(world);
    }

    /// A notification was cancelled that may have deliveries here. They end at once, or with others cancelled
    /// within the same [`Limits::sweep_cancelled_every`].
    pub fn on_cancelled(&mut self, world: &mut World<'_>) {
        self.cancelled = true;
        self.settle(world);
    }

    /// A connection is up.
    pub fn on_opened(&mut self, connection: ConnectionId, world: &mut World<'_>) {
        self.connections.on_opened(connection, world.now);
        self.settle(world);
    }

    /// So many streams may be open on a connection from now on.
    pub fn on_streams(&mut self, connection: ConnectionId, streams: u32, world: &mut World<'_>) {
        self.connections.on_streams(connection, streams);
        self.settle(world);
    }

    /// The provider wants no more requests on it; it ends by itself.
    pub fn on_going_away(&mut self, connection: ConnectionId, world: &mut World<'_>) {
        self.connections.retire(connection);
        self.settle(world);
    }

    /// Jobs came back from a connection.
    pub fn on_returned(
        &mut self,
        connection: ConnectionId,
        batch: Vec<Returned>,
        world: &mut World<'_>,
    ) {
        for returned in batch {
            self.take_back(connection, returned, world);
        }
        self.settle(world);
    }

    /// A connection is gone, or could not be opened. What it did not give back is lost to this pool.
    pub fn on_closed(&mut self, connection: ConnectionId, world: &mut World<'_>) {
        let random = (world.random)();
        self.connections
            .on_closed(connection, &self.limits, world.now, random);
        if self.probe_on == Some(connection) {
            self.probe_on = None;
            self.breaker
                .on_probed(breaker::Probed::Inconclusive, world.now);
        }
        self.settle(world);
    }

    /// A new provider token, good for `lifetime`, to be replaced after `renew_after`.
    pub fn on_token(&mut self, renew_after: Duration, lifetime: Duration, world: &mut World<'_>) {
        self.token.on_renewed(renew_after, lifetime, world.now);
        self.settle(world);
    }

    /// No new provider token. `refused`: the credential itself is.
    pub fn on_no_token(&mut self, refused: bool, world: &mut World<'_>) {
        self.token.on_failed(refused, world.now, (world.random)());
        self.settle(world);
    }

    /// Which clock dates the token that is asked for now.
    pub fn token_dating(&self) -> Dating {
        self.token.dating()
    }

    pub fn on_wake(&mut self, world: &mut World<'_>) {
        self.armed = None;
        self.settle(world);
    }

    /// Hands nothing over any more and drops what waits; what was handed over is answered, and then
    /// [`Effect::Drained`] comes.
    pub fn on_drain(&mut self, world: &mut World<'_>) {
        self.draining = true;
        self.lanes.clear();
        self.retries.clear();
        for connection in self.connections.ids() {
            if self.connections.dismiss(connection) {
                world.effects.push(Effect::Close(connection));
            }
        }
        self.settle(world);
    }

    pub fn figures(&self, now: Timestamp) -> Figures {
        let (connections, streams, in_flight) = self.connections.figures();
        Figures {
            connections,
            streams,
            in_flight,
            waiting: self.lanes.len(),
            retrying: self.retries.len(),
            breaker: self.breaker.label(),
            credential_usable: !self.token.is_refused(now) && self.breaker.is_closed(),
        }
    }

    /// Does what is due after any event: retries, sweeping, the token, hand-over, connections, the timer.
    fn settle(&mut self, world: &mut World<'_>) {
        if self.draining {
            if self.connections.is_empty() {
                world.effects.push(Effect::Drained);
            }
        } else {
            self.bring_back_due(world);
            self.sweep(world.now);
            let wanted = !self.lanes.is_empty();
            let random = (world.random)();
            if self.token.begin_renewal(wanted, world.now, random) {
                world.effects.push(Effect::RenewToken);
            }
            self.pump(world);
            self.manage_connections(world);
            self.arm(world);
        }
        self.put_out(world);
    }

    fn end(
        &mut self,
        job: Job,
        outcome: Outcome,
        reason: Reason,
        verdict: Option<Verdict>,
        at: Timestamp,
    ) {
        let finished = Finished {
            delivery: job.delivery,
            outcome,
            reason,
            at,
        };
        self.ended.push(Ended { finished, verdict });
    }

    fn put_out(&mut self, world: &mut World<'_>) {
        let batch_max = self.limits.batch_max;
        batches(&mut self.ended, batch_max, |batch| {
            world.effects.push(Effect::End(batch));
        });
        batches(&mut self.stale, batch_max, |batch| {
            world.effects.push(Effect::Reroute(batch));
        });
    }
}

/// How a delivery ends that must not be handed over any more.
fn over(delivery: &Delivery, now: Timestamp) -> Option<(Outcome, Reason)> {
    if delivery.live.progress.is_cancelled() {
        Some((Outcome::Cancelled, CANCELLED))
    } else if now >= delivery.live.options.expires_at {
        Some((Outcome::Expired, EXPIRED))
    } else {
        None
    }
}

fn batches<T>(all: &mut Vec<T>, max: usize, mut put: impl FnMut(Vec<T>)) {
    while all.len() > max {
        let rest = all.split_off(max);
        put(std::mem::replace(all, rest));
    }
    if !all.is_empty() {
        put(std::mem::take(all));
    }
}
