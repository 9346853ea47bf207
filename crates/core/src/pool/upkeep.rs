//! What is due without an event of its own: retries, expiry, connections, the next wake-up.

use std::time::Duration;

use super::{Effect, Pool, World, over};
use fanfare_types::Timestamp;

/// Whatever is due and could not be done waits this long, so that nothing ever spins.
const WAKE_MIN: Duration = Duration::from_millis(5);

/// Without tenure, whether there is one again is looked at this often.
const TENURE_LOOK: Duration = Duration::from_millis(100);

impl Pool {
    pub(super) fn bring_back_due(&mut self, world: &World<'_>) {
        while let Some(mut job) = self.retries.pop_due(world.now) {
            job.come_back();
            self.lanes.push(job);
        }
    }

    /// Lays down what waits and is over: expired, now and then cancelled or withdrawn, too; the latter soon when told
    /// so.
    pub(super) fn sweep(&mut self, now: Timestamp) {
        let regularly = now.since(self.swept_at) >= self.limits.sweep_every;
        let since_thorough = now.since(self.swept_thoroughly_at);
        let thoroughly = (regularly && since_thorough >= self.limits.sweep_thoroughly_every)
            || (self.cancelled && since_thorough >= self.limits.sweep_cancelled_every);
        if !regularly && !thoroughly {
            return;
        }
        if regularly {
            self.swept_at = now;
            // Some of them end on the way.
            self.rerouted = 0;
        }
        let mut gone = self
            .lanes
            .sweep(now, thoroughly, |job| over(&job.delivery, now).is_some());
        if thoroughly {
            self.swept_thoroughly_at = now;
            self.cancelled = false;
            gone.append(
                &mut self
                    .retries
                    .take_out(|job| over(&job.delivery, now).is_some()),
            );
        }
        for job in gone {
            if let Some(over) = over(&job.delivery, now) {
                self.lay_down(job, over, now);
            }
        }
    }

    pub(super) fn manage_connections(&mut self, world: &mut World<'_>) {
        let now = world.now;
        let waiting = self.lanes.demand().min(self.allowance(now));
        // While the credential is in doubt, one connection is enough.
        let in_doubt = !self.breaker.is_closed() || self.token.usable(now).is_none();
        let demand = match in_doubt {
            true if self.connections.live() > 0 => 0,
            true => waiting.min(1),
            false => waiting,
        };
        if !self.lanes.is_empty() {
            for connection in self.connections.shut(now - self.limits.shut_after) {
                self.retire(connection, world);
            }
        }
        for connection in self.connections.open_for(demand, &self.limits, now) {
            world.effects.push(Effect::Open(connection));
        }
        if let Some(idle_after) = self.limits.idle_after
            && self.lanes.is_empty()
        {
            self.dismiss(self.connections.idle(now - idle_after), world);
        }
    }

    /// Sets the shell's timer to the next instant something is due without an event.
    pub(super) fn arm(&mut self, world: &mut World<'_>) {
        let now = world.now;
        let waits = !self.lanes.is_empty();
        let holds = waits || self.retries.len() > 0;
        let while_waiting = [
            // Once its pause is over something else keeps the probe: a token, or a connection, and they wake.
            self.breaker.wake_at().filter(|at| *at > now),
            world.tenure.is_over(now).then(|| now + TENURE_LOOK),
            self.pacing.wake_at(now),
            self.ramp.wake_at(now),
            self.lanes.wake_at(),
            self.connections.wake_at(now),
            self.connections
                .shut_since()
                .map(|since| since + self.limits.shut_after),
        ];
        let idle_at = match (waits, self.limits.idle_after) {
            (false, Some(after)) => self.connections.idle_since().map(|since| since + after),
            _ => None,
        };
        let due = [
            self.retries.next_at(),
            self.token.wake_at(waits),
            holds.then(|| self.swept_at + self.limits.sweep_every),
            (holds && self.cancelled)
                .then(|| self.swept_thoroughly_at + self.limits.sweep_cancelled_every),
            idle_at,
        ];
        let next = while_waiting
            .into_iter()
            .filter(|_| waits)
            .chain(due)
            .flatten()
            .min();
        let Some(next) = next.map(|next| next.max(now + WAKE_MIN)) else {
            return;
        };
        if self.armed.is_none_or(|armed| next < armed) {
            self.armed = Some(next);
            world.effects.push(Effect::WakeAt(next));
        }
    }
}
