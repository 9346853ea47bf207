//! Dispatch: which deliveries go to their pool at once, which are routed (their device read) first, and in what
//! order: urgent before bulk, one app after the other within a lane, first come first served within an app.

mod queue;

use std::time::Duration;

use fanfare_types::{
    AppId, Delivery, Device, DeviceId, Finished, Live, Outcome, Reason, Timestamp,
};

use crate::revocations::{Revocations, Standing};
use queue::Queue;

/// Why a delivery ended before it reached a pool.
pub const DEVICE_GONE: Reason = Reason::of("device_gone");
/// The caller cancelled the notification.
pub const CANCELLED: Reason = Reason::of("cancelled");
/// The ttl passed.
pub const EXPIRED: Reason = Reason::of("expired");

#[derive(Clone, Debug)]
pub struct Limits {
    /// Devices read in one store call, and deliveries in one message. Default 64.
    pub batch_max: usize,
    /// Routing reads under way at once; the rest waits. Default 16.
    pub reads_max: usize,
    /// Urgent batches routed in a row while bulk waits; then one of bulk goes. Default 8.
    pub urgent_weight: u32,
    /// No read starts for this long after one failed; doubles up to `retry_delay_max`. Default 50 ms.
    pub retry_delay_min: Duration,
    /// Default 5 s.
    pub retry_delay_max: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            batch_max: 64,
            reads_max: 16,
            urgent_weight: 8,
            retry_delay_min: Duration::from_millis(50),
            retry_delay_max: Duration::from_secs(5),
        }
    }
}

/// What the shell carries out.
#[derive(Debug)]
pub enum Effect {
    /// Hand over to the pools.
    Deliver(Vec<Delivery>),
    /// These ended here.
    End(Vec<Finished>),
    /// Read the devices of this batch (all of one app), and come back with [`Dispatch::on_read`].
    Read { app: AppId, batch: Vec<Delivery> },
    /// Call [`Dispatch::on_wake`] at this instant.
    WakeAt(Timestamp),
}

/// What a routing read gave.
#[derive(Debug)]
pub struct Read {
    pub batch: Vec<Delivery>,
    /// The rows found; `None` when the store failed.
    pub devices: Option<Vec<Device>>,
    /// Taken before the read began.
    pub routed_at: Timestamp,
}

/// The deliveries that wait to be routed. Bounded by the permits they hold.
#[derive(Debug)]
pub struct Dispatch {
    limits: Limits,
    queue: Queue,
    reads: usize,
    failures: u32,
    paused_until: Option<Timestamp>,
    draining: bool,
}

impl Dispatch {
    pub fn new(limits: Limits) -> Self {
        let queue = Queue::new(limits.urgent_weight);
        Dispatch {
            limits,
            queue,
            reads: 0,
            failures: 0,
            paused_until: None,
            draining: false,
        }
    }

    /// Deliveries that wait to be routed.
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// New deliveries, or such that came back from a pool as stale.
    pub fn on_deliveries(
        &mut self,
        batch: Vec<Delivery>,
        revocations: &Revocations,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        let (mut good, mut ended) = (Vec::with_capacity(batch.len()), Vec::new());
        // What comes while draining stays in the journal for the next start.
        for delivery in batch.into_iter().filter(|_| !self.draining) {
            match way(&delivery, revocations, now) {
                Way::Deliver => good.push(delivery),
                Way::Route => self.queue.push(delivery),
                Way::Over(Over::Ends(outcome, reason)) => {
                    ended.push(finished(delivery, outcome, reason, now));
                }
                Way::Over(Over::Withdrawn) => drop(delivery),
            }
        }
        self.put_out(good, ended, effects);
        self.pump(now, effects);
    }

    /// A routing read came back.
    pub fn on_read(&mut self, mut read: Read, now: Timestamp, effects: &mut Vec<Effect>) {
        self.reads = self.reads.saturating_sub(1);
        if self.draining {
            return;
        }
        read.batch.retain(|delivery| !delivery.live.is_withdrawn());
        match read.devices {
            Some(devices) => {
                self.failures = 0;
                self.settle(read.batch, devices, read.routed_at, now, effects);
            }
            None => self.pause(read.batch, now, effects),
        }
        self.pump(now, effects);
    }

    /// A notification of this app was cancelled, or a campaign withdrawn: those of its deliveries that wait to be
    /// routed end now, or are dropped.
    pub fn on_cancelled(&mut self, app: &AppId, now: Timestamp, effects: &mut Vec<Effect>) {
        let is_over =
            |delivery: &Delivery| delivery.live.is_cancelled() || delivery.live.is_withdrawn();
        let mut gone = self.queue.take_out(app, is_over);
        gone.retain(|delivery| !delivery.live.is_withdrawn());
        let ended = gone
            .into_iter()
            .map(|delivery| finished(delivery, Outcome::Cancelled, CANCELLED, now));
        self.put_out(Vec::new(), ended.collect(), effects);
    }

    /// The instant of a [`Effect::WakeAt`] has come. Timers and the clock may differ by a little (the clock is steered
    /// towards the machine's): one that comes early is set again, or what waits would wait for other work.
    pub fn on_wake(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        match self.paused_until {
            Some(until) if until > now => effects.push(Effect::WakeAt(until)),
            _ => self.pump(now, effects),
        }
    }

    /// Routes no more; what waits stays in the journal for the next start.
    pub fn on_drain(&mut self) {
        self.draining = true;
        self.queue.clear();
    }

    fn settle(
        &self,
        batch: Vec<Delivery>,
        mut devices: Vec<Device>,
        routed_at: Timestamp,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        devices.sort_unstable_by_key(|device| device.id);
        let (mut good, mut ended) = (Vec::with_capacity(batch.len()), Vec::new());
        for mut delivery in batch {
            if refresh(&mut delivery, &devices, routed_at) {
                good.push(delivery);
            } else {
                ended.push(finished(delivery, Outcome::Cancelled, DEVICE_GONE, now));
            }
        }
        self.put_out(good, ended, effects);
    }

    fn pause(&mut self, batch: Vec<Delivery>, now: Timestamp, effects: &mut Vec<Effect>) {
        self.queue.put_back(batch);
        let doublings = 2u32.saturating_pow(self.failures);
        let delay = self.limits.retry_delay_min.saturating_mul(doublings);
        self.failures = self.failures.saturating_add(1);
        let until = now + delay.min(self.limits.retry_delay_max);
        self.paused_until = self.paused_until.max(Some(until));
        effects.push(Effect::WakeAt(until));
    }

    fn pump(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        if self.paused_until.is_some_and(|until| until > now) {
            return;
        }
        self.paused_until = None;
        while self.reads < self.limits.reads_max {
            let Some((app, batch)) = self.queue.take(self.limits.batch_max) else {
                return;
            };
            self.reads += 1;
            effects.push(Effect::Read { app, batch });
        }
    }

    fn put_out(&self, good: Vec<Delivery>, ended: Vec<Finished>, effects: &mut Vec<Effect>) {
        if !good.is_empty() {
            effects.push(Effect::Deliver(good));
        }
        if !ended.is_empty() {
            effects.push(Effect::End(ended));
        }
    }
}

/// What becomes of a delivery that is not handed over any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Over {
    Ends(Outcome, Reason),
    /// Its campaign was withdrawn: whoever holds it drops it, and the chunk's losses have it.
    Withdrawn,
}

impl Over {
    /// `None` while it may go on.
    pub fn of(live: &Live, now: Timestamp) -> Option<Self> {
        if live.is_withdrawn() {
            return Some(Over::Withdrawn);
        }
        let end = over(live.is_cancelled(), live.options.expires_at, now);
        end.map(|(outcome, reason)| Over::Ends(outcome, reason))
    }
}

/// How a delivery ends that is not handed over any more: its notification was cancelled, or its time has passed.
pub fn over(
    is_cancelled: bool,
    expires_at: Timestamp,
    now: Timestamp,
) -> Option<(Outcome, Reason)> {
    match is_cancelled {
        true => Some((Outcome::Cancelled, CANCELLED)),
        false => (now >= expires_at).then_some((Outcome::Expired, EXPIRED)),
    }
}

enum Way {
    Deliver,
    Route,
    Over(Over),
}

fn way(delivery: &Delivery, revocations: &Revocations, now: Timestamp) -> Way {
    if let Some(over) = Over::of(&delivery.live, now) {
        return Way::Over(over);
    }
    match &delivery.device {
        None => Way::Deliver,
        Some((device, _)) => match revocations.standing(*device, delivery.routed_at, now) {
            // Never routed at all: recovered from the journal, which keeps no address of a device.
            Standing::Good if delivery.routed_at > Timestamp::default() => Way::Deliver,
            Standing::Good | Standing::Stale => Way::Route,
        },
    }
}

/// Brings the delivery up to the row as it was read; `false` when the row is gone, somebody else's, or not
/// delivered to any more. `devices` are sorted by id.
fn refresh(delivery: &mut Delivery, devices: &[Device], routed_at: Timestamp) -> bool {
    let Some((id, user)) = &delivery.device else {
        return true;
    };
    let Some(row) = find(devices, *id) else {
        return false;
    };
    if row.user != *user || row.app != delivery.live.app || !row.is_deliverable() {
        return false;
    }
    if delivery.address != row.address {
        delivery.address = row.address.clone();
    }
    if delivery.locale.as_deref() != row.meta.locale.as_deref() {
        delivery.locale = row.meta.locale.as_deref().map(Into::into);
    }
    delivery.registered_at = row.registered_at;
    delivery.routed_at = routed_at;
    true
}

fn find(devices: &[Device], id: DeviceId) -> Option<&Device> {
    let at = devices.binary_search_by_key(&id, |device| device.id).ok()?;
    devices.get(at)
}

fn finished(delivery: Delivery, outcome: Outcome, reason: Reason, at: Timestamp) -> Finished {
    Finished {
        delivery: delivery.into(),
        outcome,
        reason,
        at,
    }
}

#[cfg(test)]
mod tests;
