//! A pool: what one (app, provider, environment, credential) sends, over which connections, when.
//!
//! Events in, [`Effect`]s out. It holds the lanes, the retries, the books about its connections, the provider
//! token's life, the breaker and the pacing; the shell holds sockets, the token itself and the timer.

mod answers;
mod connections;
mod job;
mod limits;
mod pump;
mod reload;
mod reopening;
mod retries;
mod upkeep;

#[cfg(test)]
pub(crate) mod fixtures;
#[cfg(test)]
mod outages;
#[cfg(test)]
mod storm;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod walk;

use std::time::Duration;

use fanfare_types::{Delivery, Finished, Outcome, Reason, Tenure, Timestamp, Verdict};

pub use connections::ConnectionId;
pub use job::{Ended, How, Job, Moved, Returned};
pub use limits::{Limits, Recovery};

use crate::breaker::{self, Breaker};
use crate::dispatch::Over;
use crate::lanes::Lanes;
use crate::pacing::Pacing;
use crate::ramp::Ramp;
use crate::retry;
use crate::revocations::Revocations;
use crate::token::{Dating, Generation, Token};
use connections::{Closed, Connections};
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
    /// This pool's credential is another's by now: to the pool that has it.
    Move(Vec<Moved>),
    /// Call [`Pool::on_wake`] at this instant, instead of any told before.
    WakeAt(Timestamp),
    /// The provider refuses the credential, project or topic (`true`), or takes it again.
    Refused(bool),
    /// Drained, or retired: the last connection is gone.
    Drained,
}

/// Whether a pool still takes work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Sending,
    /// Another pool has taken over: what comes goes there, and this one ends with its connections.
    Retired,
    /// The gateway ends: what comes stays in the journal for the next start.
    Draining,
}

/// What an event is told about the world, and where its effects go.
pub struct World<'a> {
    pub now: Timestamp,
    /// Uniform over `u64`.
    pub random: &'a mut dyn FnMut() -> u64,
    pub revocations: &'a Revocations,
    /// Until when anything may be handed over.
    pub tenure: &'a Tenure,
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
    ramp: Ramp,
    /// Deliveries that were sent back to the dispatcher and have not come again, since the last sweep.
    rerouted: usize,
    /// Where the breaker's probe is.
    probe_on: Option<ConnectionId>,
    swept_at: Timestamp,
    swept_thoroughly_at: Timestamp,
    /// Something was cancelled or withdrawn since the last thorough sweep.
    cancelled: bool,
    /// What the shell's timer is set to.
    armed: Option<Timestamp>,
    stage: Stage,
    /// Gathered during an event, put out in batches at its end.
    ended: Vec<Ended>,
    stale: Vec<Delivery>,
    moved: Vec<Moved>,
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
            ramp: Ramp::new(limits.recovery.ramp.clone()),
            rerouted: 0,
            probe_on: None,
            swept_at: Timestamp::default(),
            swept_thoroughly_at: Timestamp::default(),
            cancelled: false,
            armed: None,
            stage: Stage::Sending,
            ended: Vec::new(),
            stale: Vec::new(),
            moved: Vec::new(),
            limits,
            retry,
        }
    }

    /// Routed deliveries to send.
    pub fn on_work(&mut self, batch: Vec<Delivery>, world: &mut World<'_>) {
        self.rerouted = self.rerouted.saturating_sub(batch.len());
        for delivery in batch {
            self.queue(Job::new(delivery), world.now);
        }
        self.settle(world);
    }

    /// A notification was cancelled, or a campaign withdrawn, that may have deliveries here. They end, or are
    /// dropped, at once, or with others of the same [`Limits::sweep_cancelled_every`].
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
        self.connections.on_streams(connection, streams, world.now);
        self.settle(world);
    }

    /// The provider wants no more requests on it; it ends by itself. `calm`: it has had enough of us, so that
    /// another one waits.
    pub fn on_going_away(&mut self, connection: ConnectionId, calm: bool, world: &mut World<'_>) {
        self.connections.on_going_away(connection);
        if calm {
            let random = (world.random)();
            self.connections
                .on_calm(&self.limits.recovery, world.now, random);
            self.doubt();
        }
        self.settle(world);
    }

    /// A request on it got no answer in time, nor did any since: the provider may be gone without a word.
    pub fn on_silent(&mut self, connection: ConnectionId, world: &mut World<'_>) {
        self.retire(connection, world);
        self.doubt();
        self.settle(world);
    }

    /// Jobs came back from a connection.
    pub fn on_returned(
        &mut self,
        connection: ConnectionId,
        batch: Vec<Returned>,
        world: &mut World<'_>,
    ) {
        // Most of them have ended.
        self.ended.reserve(batch.len());
        for returned in batch {
            self.take_back(connection, returned, world);
        }
        self.settle(world);
    }

    /// A connection is gone, or could not be opened. What it did not give back is lost to this pool.
    pub fn on_closed(&mut self, connection: ConnectionId, world: &mut World<'_>) {
        let random = (world.random)();
        let closed =
            self.connections
                .on_closed(connection, &self.limits.recovery, world.now, random);
        if closed == Closed::CameToNothing {
            self.doubt();
        }
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
        self.stage = Stage::Draining;
        self.lanes.clear();
        self.retries.clear();
        self.dismiss(self.connections.ids(), world);
        self.settle(world);
    }

    /// A connection that was hoped for is none: if the provider answers on no other, it may be away.
    fn doubt(&mut self) {
        if !self.connections.is_any_proven() {
            self.ramp.on_away();
        }
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
        if self.stage == Stage::Sending {
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
        if self.stage != Stage::Sending && self.connections.is_empty() {
            world.effects.push(Effect::Drained);
        }
    }

    /// To be handed over as soon as may be, unless it is over: what comes here may have been cancelled or withdrawn
    /// on its way, after the sweep.
    fn queue(&mut self, job: Job, now: Timestamp) {
        if let Some(over) = over(&job.delivery, now) {
            return self.lay_down(job, over, now);
        }
        match self.stage {
            Stage::Sending => self.lanes.push(job),
            Stage::Retired => self.move_on(job, None),
            // It stays in the journal for the next start.
            Stage::Draining => {}
        }
    }

    /// To be handed over at `at`.
    fn queue_at(&mut self, at: Timestamp, job: Job) {
        match self.stage {
            Stage::Sending => self.retries.push(at, job),
            Stage::Retired => self.move_on(job, Some(at)),
            Stage::Draining => {}
        }
    }

    fn dismiss(&mut self, connections: Vec<ConnectionId>, world: &mut World<'_>) {
        for connection in connections {
            if self.connections.dismiss(connection) {
                world.effects.push(Effect::Close(connection));
            }
        }
    }

    /// What becomes of one that is not handed over any more.
    fn lay_down(&mut self, job: Job, over: Over, now: Timestamp) {
        match over {
            Over::Ends(outcome, reason) => self.end(job, outcome, reason, None, now),
            // Its notification's losses have it.
            Over::Withdrawn => drop(job),
        }
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
        batches(&mut self.moved, batch_max, |batch| {
            world.effects.push(Effect::Move(batch));
        });
    }
}

/// Whether a delivery must not be handed over any more, and what becomes of it.
fn over(delivery: &Delivery, now: Timestamp) -> Option<Over> {
    Over::of(&delivery.live, now)
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
