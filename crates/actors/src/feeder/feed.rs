//! A notification that is being fed: what is left of it, and how that becomes deliveries.

use std::collections::VecDeque;
use std::sync::Arc;

use fanfare_core::dispatch;
use fanfare_core::feeder::{just_before, remaining};
use fanfare_store::{Ended, OutcomeBatch, Recovered, Result};
use fanfare_types::{
    Address, AddressKind, Delivery, Environment, Hold, Live, Outcome, Permits, Progress, Reason,
    Target, Timestamp,
};

use super::Args;

/// A notification that is being fed.
pub(super) struct Feed {
    pub(super) live: Arc<Live>,
    left: VecDeque<(u32, Target)>,
}

impl Drop for Feed {
    /// A walk that is broken off leaves what it did not hand on to the next one.
    fn drop(&mut self) {
        if !self.left.is_empty() {
            let left = self.left.iter().map(|(ordinal, _)| *ordinal);
            self.live.progress.losses().add(left);
        }
    }
}

/// Ordinals that were taken to be looked up; they are lost again when that comes to nothing.
struct Lost<'a> {
    live: &'a Live,
    ordinals: Vec<u32>,
}

impl<'a> Lost<'a> {
    fn take(live: &'a Live) -> Self {
        let ordinals = live.progress.losses().take();
        Lost { live, ordinals }
    }
}

impl Drop for Lost<'_> {
    fn drop(&mut self) {
        if !self.ordinals.is_empty() {
            self.live.progress.losses().add(self.ordinals.drain(..));
        }
    }
}

/// A crash came between the journal and the books: the books are told what the journal has.
async fn close(live: &Live, ordinal: u32, args: &Args) -> Result<()> {
    let page = args
        .store
        .deliveries(&live.app, live.id, None, ordinal, 1)
        .await?;
    let rows = page.into_iter().flat_map(|page| page.rows);
    let ended = rows.filter(|row| row.ordinal == ordinal);
    let ended = ended.filter_map(|row| row.ended).next();
    let is_last = ended.is_none_or(|ended| {
        live.progress.recording(1);
        live.progress.ended(ended.outcome, 1)
    });
    // Nothing of it is left, or nothing is known of it any more: whoever looks finds what the journal has.
    if is_last {
        args.live.remove(live.id);
    }
    Ok(())
}

/// How a notification ends of which nothing more is handed over.
pub(super) fn over(live: &Live, now: Timestamp) -> Option<(Outcome, Reason)> {
    dispatch::over(live.progress.is_cancelled(), live.options.expires_at, now)
}

/// The targets with these ordinals (ascending).
fn those(targets: Vec<Target>, ordinals: Vec<u32>) -> VecDeque<(u32, Target)> {
    let mut ordinals = ordinals.into_iter().peekable();
    let targets = (0u32..).zip(targets);
    targets
        .filter(|(ordinal, _)| ordinals.next_if_eq(ordinal).is_some())
        .collect()
}

impl Feed {
    pub(super) fn of(recovered: Recovered, hold: Arc<Hold>) -> Self {
        let record = recovered.record;
        let count = u32::try_from(record.targets.len()).unwrap_or(u32::MAX);
        let recipients = u64::from(count);
        let left = those(record.targets, remaining(count, &recovered.done));
        let live = Live {
            id: record.id,
            app: record.app,
            created_at: record.created_at,
            options: record.options,
            message: record.message.into(),
            variables: record.variables.into(),
            progress: Progress::new(recipients, recovered.counts),
            run: None,
            hold,
        };
        if recovered.cancelled {
            live.progress.cancel();
        }
        Feed {
            live: Arc::new(live),
            left,
        }
    }

    /// What a crash lost of a notification in memory. Of what the journal knows the outcome, so do the books then.
    pub(super) async fn again(live: &Arc<Live>, args: &Args) -> Result<Feed> {
        let mut lost = Lost::take(live);
        let from = just_before(live.id);
        let unfinished = args.store.unfinished(Timestamp(u64::MAX), from, 1).await?;
        let found = unfinished
            .into_iter()
            .find(|found| found.record.id == live.id);
        let (targets, open) = match found {
            None => (Vec::new(), Vec::new()),
            Some(Recovered { record, done, .. }) => {
                let is_done = |ordinal: &u32| done.binary_search(ordinal).is_ok();
                let open = lost.ordinals.extract_if(.., |ordinal| !is_done(ordinal));
                (record.targets, open.collect())
            }
        };
        // From here on these are lost again if it breaks off.
        let feed = Feed {
            live: live.clone(),
            left: those(targets, open),
        };
        while let Some(ordinal) = lost.ordinals.last() {
            close(live, *ordinal, args).await?;
            lost.ordinals.pop();
        }
        Ok(feed)
    }

    /// Hands on as much as there is room for. Returns whether that was all.
    pub(super) fn push(&mut self, args: &Args) -> bool {
        if self.live.hold.is_lost() {
            // The rest is another node's, or this one's again under another hold: whoever drops this says so.
            return true;
        }
        let mut size = args.limits.batch_max;
        while !self.left.is_empty() && size > 0 {
            let count = self.left.len().min(size);
            let (app, lane) = (&self.live.app, self.live.options.lane);
            match args.admission.try_take(app, lane, count) {
                Ok(permits) => {
                    let now = args.clock.now();
                    args.dispatcher.dispatch(self.deliveries(permits, now));
                }
                Err(_) => size = count / 2,
            }
        }
        self.left.is_empty()
    }

    /// When its notification is over, what is left of it ends in the journal, and then in the books: that needs no
    /// room. Returns whether it was over.
    pub(super) async fn end_if_over(&mut self, args: &Args) -> Result<bool> {
        let now = args.clock.now();
        let Some((outcome, reason)) = over(&self.live, now) else {
            return Ok(false);
        };
        let ended = |(ordinal, _): &(u32, Target)| Ended {
            ordinal: *ordinal,
            outcome,
            reason: reason.clone(),
            attempts: 0,
            at: now,
        };
        let batch = OutcomeBatch {
            app: self.live.app.clone(),
            id: self.live.id,
            ended: self.left.iter().map(ended).collect(),
        };
        args.store.record(vec![batch]).await?;
        for (_, target) in self.left.drain(..) {
            let sender = args.telemetry.sender(&self.live.app, target.channel);
            sender.ended(outcome, 1);
            self.live.progress.recording(1);
            if self.live.progress.ended(outcome, 1) {
                args.live.remove(self.live.id);
            }
        }
        Ok(true)
    }

    fn deliveries(&mut self, mut permits: Permits, now: Timestamp) -> Vec<Delivery> {
        let mut batch = Vec::with_capacity(permits.count());
        while let Some(permit) = permits.split() {
            let Some((ordinal, target)) = self.left.pop_front() else {
                break;
            };
            // A registered device is read before it is sent to: a routing time of 0 says so.
            let unknown = || {
                let kind = AddressKind::RegistrationToken;
                Address::new(target.channel, kind, Environment::Production, "")
            };
            let routed_at = match target.address {
                Some(_) => now,
                None => Timestamp::default(),
            };
            batch.push(Delivery {
                live: self.live.clone(),
                ordinal,
                device: target.device,
                address: target.address.unwrap_or_else(unknown),
                locale: None,
                variables: None,
                registered_at: self.live.created_at,
                routed_at,
                attempts: 0,
                auth_refreshes: 0,
                permit,
            });
        }
        batch
    }
}
