//! One walk over the unfinished notifications of the journal.
//!
//! Work waits for permits like any other. An app without room keeps one notification half fed and its later
//! ones are met again by another pass, so memory is bounded by apps and one app's backlog stops no other. What is
//! over needs no room: it ends in the journal.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use fanfare_core::feeder::Again;
use fanfare_store::{Recovered, Result};
use fanfare_types::{AppId, Hold, NotificationId, Slot, Timestamp};

use super::Args;
use super::feed::{Feed, over};

/// Polls for room between looks at what has become due, or is over, meanwhile.
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
        waits_until: None,
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
    /// When the first of what waits behind something half fed expires.
    waits_until: Option<Timestamp>,
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
        let is_served = self.args.admission.serves(&app);
        if !is_served && self.unserved.insert(app.clone()) {
            tracing::warn!(%app, "journal holds work of an app that is not configured, it waits");
        }
        // Also of an app that is not served: what its pools handed over before it went is still answered.
        if self.args.live.contains(id) {
            return Ok(());
        }
        let Some(hold) = self.args.fleet.hold(Slot::of(id)) else {
            return Ok(());
        };
        if !is_served || self.half_fed.contains_key(&app) {
            return self.leave(recovered, hold, is_served).await;
        }
        let terminal = recovered.counts.terminal();
        let mut feed = Feed::of(recovered, hold);
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
            let must_wait = self.half_fed.contains_key(&live.app);
            let is_over = over(&live, self.args.clock.now()).is_some();
            if must_wait && !is_over {
                self.losses_wait = true;
                sooner(&mut self.waits_until, live.options.expires_at);
                continue;
            }
            let mut feed = Feed::again(&live, self.args).await?;
            if must_wait {
                feed.end_if_over(self.args).await?;
            } else if !feed.push(self.args) {
                self.half_fed.insert(live.app.clone(), feed);
            }
        }
        Ok(())
    }

    /// Of an app that is not served, or has no room: it waits in the journal, and ends there when its time is over.
    async fn leave(
        &mut self,
        recovered: Recovered,
        hold: Arc<Hold>,
        is_served: bool,
    ) -> Result<()> {
        let (id, expires_at) = (recovered.record.id, recovered.record.options.expires_at);
        if Feed::of(recovered, hold).end_if_over(self.args).await? {
            return Ok(());
        }
        if is_served {
            self.again.meet(id);
            sooner(&mut self.waits_until, expires_at);
        } else {
            sooner(&mut self.unserved_until, expires_at);
        }
        Ok(())
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
            if polls % POLLS_PER_LOOK == 0 {
                let now = self.args.clock.now();
                progress |= self.end_half_fed(now).await?;
                if self.more_is_over(now).await? || self.more_is_due(now).await? {
                    return Ok(Some(None));
                }
            }
        }
    }

    /// Ends what is half fed and over. Returns whether there was any.
    async fn end_half_fed(&mut self, now: Timestamp) -> Result<bool> {
        let is_over = |_: &AppId, feed: &mut Feed| over(&feed.live, now).is_some();
        let ended: Vec<_> = self.half_fed.extract_if(is_over).collect();
        let any = !ended.is_empty();
        for (_, mut feed) in ended {
            feed.end_if_over(self.args).await?;
        }
        Ok(any)
    }

    /// Whether something is over that waits behind what is half fed; the next pass ends it.
    async fn more_is_over(&mut self, now: Timestamp) -> Result<bool> {
        if self.waits_until.is_none_or(|until| now < until) {
            return Ok(false);
        }
        self.waits_until = None;
        self.take_in_lost().await?;
        Ok(true)
    }

    /// Whether something scheduled has become due since the last pass began; the next one takes it in.
    async fn more_is_due(&mut self, now: Timestamp) -> Result<bool> {
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

fn sooner(earliest: &mut Option<Timestamp>, at: Timestamp) {
    *earliest = Some(earliest.map_or(at, |earliest| earliest.min(at)));
}
