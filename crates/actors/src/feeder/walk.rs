//! One walk over the unfinished notifications of the journal.
//!
//! Work waits for permits like any other. An app without room keeps one notification half fed and its later
//! ones are met again by another pass, so memory is bounded by apps and one app's backlog stops no other.

use std::collections::{HashMap, HashSet};

use fanfare_core::dispatch::over;
use fanfare_core::feeder::{Again, remaining};
use fanfare_store::{Ended, OutcomeBatch, Recovered, Result};
use fanfare_types::{AppId, NotificationId, Timestamp};

use super::Args;
use super::feed::Feed;

/// Polls for room between looks at what has become due meanwhile.
const POLLS_PER_LOOK: u32 = 50;

/// Feeds everything due that is not live. Returns the next scheduled time.
pub(super) async fn walk(args: &Args) -> Result<Option<Timestamp>> {
    let mut walk = Walk {
        args,
        due: args.clock.now(),
        half_fed: HashMap::new(),
        unserved: HashSet::new(),
        again: Again::default(),
        losses_wait: false,
        unserved_until: None,
    };
    walk.take_in_lost().await?;
    walk.pass(None).await?;
    while let Some(from) = walk.wait_for_room().await? {
        walk.pass(from).await?;
    }
    let next_due = args.store.next_due(walk.due).await?;
    Ok(next_due.into_iter().chain(walk.unserved_until).min())
}

struct Walk<'a> {
    args: &'a Args,
    /// What was to be sent by then is fed.
    due: Timestamp,
    /// Apps without room: the notification that waits.
    half_fed: HashMap<AppId, Feed>,
    /// Apps that are in the journal and not in the configuration; their work waits there.
    unserved: HashSet<AppId>,
    /// What could not be taken in yet.
    again: Again,
    /// Apps without room have notifications that lost deliveries.
    losses_wait: bool,
    /// When the first of what waits for an app that is not served expires.
    unserved_until: Option<Timestamp>,
}

impl Walk<'_> {
    async fn pass(&mut self, from: Option<NotificationId>) -> Result<()> {
        let mut after = from;
        loop {
            let limit = self.args.limits.page;
            let page = self.args.store.unfinished(self.due, after, limit).await?;
            let Some(last) = page.last() else {
                return Ok(());
            };
            after = Some(last.record.id);
            for recovered in page {
                self.meet(recovered).await?;
            }
            self.push_on();
        }
    }

    async fn meet(&mut self, recovered: Recovered) -> Result<()> {
        let (id, app) = (recovered.record.id, recovered.record.app.clone());
        if !self.args.admission.serves(&app) {
            if self.unserved.insert(app.clone()) {
                tracing::warn!(%app, "journal holds work of an app that is not configured, it waits");
            }
            return self.leave(recovered).await;
        }
        if self.args.live.contains(id) {
            return Ok(());
        }
        if self.half_fed.contains_key(&app) {
            self.again.meet(id);
            return Ok(());
        }
        let terminal = recovered.counts.terminal();
        let mut feed = Feed::of(recovered);
        if !self.args.live.enter(&feed.live) {
            return Ok(());
        }
        // Only now nobody else can work on it; what was journaled since the page was read decides.
        let fresh = match self.args.store.summary(&app, id).await {
            Ok(fresh) => fresh,
            Err(error) => {
                self.args.live.remove(id);
                return Err(error);
            }
        };
        match fresh {
            Some(fresh) if fresh.counts.terminal() == terminal => {
                if fresh.cancelled {
                    feed.live.progress.cancel();
                }
                if !feed.push(self.args) {
                    self.half_fed.insert(app, feed);
                }
            }
            Some(_) => {
                self.args.live.remove(id);
                self.again.meet(id);
            }
            None => self.args.live.remove(id),
        }
        Ok(())
    }

    /// Brings back what a crash lost of notifications that others still work on.
    async fn take_in_lost(&mut self) -> Result<()> {
        self.args.live.has_new_losses();
        self.losses_wait = false;
        for live in self.args.live.with_losses() {
            if !self.args.admission.serves(&live.app) {
                // When the app comes back it is looked at again.
                continue;
            }
            if self.half_fed.contains_key(&live.app) {
                self.losses_wait = true;
                continue;
            }
            let mut feed = Feed::again(&live, self.args).await?;
            if !feed.push(self.args) {
                self.half_fed.insert(live.app.clone(), feed);
            }
        }
        Ok(())
    }

    /// Of an app that is not served: it waits in the journal for the app, and ends there when its time is over.
    async fn leave(&mut self, recovered: Recovered) -> Result<()> {
        // What its pools handed over before the app went is still answered.
        if self.args.live.contains(recovered.record.id) {
            return Ok(());
        }
        let now = self.args.clock.now();
        let expires_at = recovered.record.options.expires_at;
        let Some((outcome, reason)) = over(recovered.cancelled, expires_at, now) else {
            let until = self
                .unserved_until
                .map_or(expires_at, |until| until.min(expires_at));
            self.unserved_until = Some(until);
            return Ok(());
        };
        let count = u32::try_from(recovered.record.targets.len()).unwrap_or(u32::MAX);
        let ended = |ordinal| Ended {
            ordinal,
            outcome,
            reason: reason.clone(),
            attempts: 0,
            at: now,
        };
        let batch = OutcomeBatch {
            app: recovered.record.app,
            id: recovered.record.id,
            ended: remaining(count, &recovered.done)
                .into_iter()
                .map(ended)
                .collect(),
        };
        self.args.store.record(vec![batch]).await
    }

    /// Waits while work waits for permits and there is nothing else to do. Returns where the next pass begins;
    /// `None` when all is fed.
    async fn wait_for_room(&mut self) -> Result<Option<Option<NotificationId>>> {
        let mut progress = self.half_fed.is_empty();
        let mut polls = 0;
        loop {
            if progress && let Some(from) = self.again.take() {
                return Ok(Some(from));
            }
            if self.half_fed.is_empty() {
                return Ok(None);
            }
            tokio::time::sleep(self.args.limits.room_poll).await;
            progress |= self.push_on();
            if self.args.live.has_new_losses() || (progress && self.losses_wait) {
                self.take_in_lost().await?;
            }
            polls += 1;
            if polls % POLLS_PER_LOOK == 0 && self.more_is_due().await? {
                return Ok(Some(None));
            }
        }
    }

    /// Whether something scheduled has become due since the last pass began; the next one takes it in.
    async fn more_is_due(&mut self) -> Result<bool> {
        let now = self.args.clock.now();
        let next = self.args.store.next_due(self.due).await?;
        let more = next.is_some_and(|at| at <= now);
        if more {
            self.due = now;
        }
        Ok(more)
    }

    /// Goes on with what waits. Returns whether some of it is wholly fed now.
    fn push_on(&mut self) -> bool {
        let before = self.half_fed.len();
        self.half_fed.retain(|app, feed| {
            // Of an app that is not served any more: the rest waits in the journal.
            let goes_on = self.args.admission.serves(app);
            goes_on && !feed.push(self.args)
        });
        self.half_fed.len() < before
    }
}
