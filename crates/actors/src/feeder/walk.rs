//! One walk over the unfinished notifications of the journal.
//!
//! Work waits for permits like any other. An app without room keeps one notification half fed and its later
//! ones are met again by another pass, so memory is bounded by apps and one app's backlog stops no other.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use fanfare_core::feeder::{just_before, remaining};
use fanfare_store::{Recovered, Result};
use fanfare_types::{
    Address, AddressKind, AppId, Delivery, Environment, Live, NotificationId, Permits, Progress,
    Target, Timestamp,
};

use super::Args;

/// Polls for room between looks at what has become due meanwhile.
const POLLS_PER_LOOK: u32 = 50;

/// Feeds everything due that is not live. Returns the next scheduled time.
pub(super) async fn walk(args: &Args) -> Result<Option<Timestamp>> {
    let mut walk = Walk {
        args,
        due: args.clock.now(),
        half_fed: HashMap::new(),
        unserved: HashSet::new(),
        again_from: None,
    };
    walk.pass(None).await?;
    while let Some(from) = walk.wait_for_room().await? {
        walk.pass(from).await?;
    }
    args.store.next_due(walk.due).await
}

struct Walk<'a> {
    args: &'a Args,
    /// What was to be sent by then is fed.
    due: Timestamp,
    /// Apps without room: the notification that waits.
    half_fed: HashMap<AppId, Feed>,
    /// Apps that are in the journal and not in the configuration; their work waits there.
    unserved: HashSet<AppId>,
    /// Where the next pass begins, if one is needed.
    again_from: Option<Option<NotificationId>>,
}

/// A notification that is being fed.
struct Feed {
    live: Arc<Live>,
    left: VecDeque<(u32, Target)>,
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
            return Ok(());
        }
        if self.args.live.contains(id) {
            return Ok(());
        }
        if self.half_fed.contains_key(&app) {
            self.meet_again(id);
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
                self.meet_again(id);
            }
            None => self.args.live.remove(id),
        }
        Ok(())
    }

    fn meet_again(&mut self, id: NotificationId) {
        self.again_from.get_or_insert_with(|| just_before(id));
    }

    /// Waits while work waits for permits and there is nothing else to do. Returns where the next pass begins;
    /// `None` when all is fed.
    async fn wait_for_room(&mut self) -> Result<Option<Option<NotificationId>>> {
        let mut progress = self.half_fed.is_empty();
        let mut polls = 0;
        loop {
            if progress && let Some(from) = self.again_from.take() {
                return Ok(Some(from));
            }
            if self.half_fed.is_empty() {
                return Ok(None);
            }
            tokio::time::sleep(self.args.limits.room_poll).await;
            progress |= self.push_on();
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
        self.half_fed.retain(|_, feed| !feed.push(self.args));
        self.half_fed.len() < before
    }
}

impl Feed {
    fn of(recovered: Recovered) -> Self {
        let record = recovered.record;
        let count = u32::try_from(record.targets.len()).unwrap_or(u32::MAX);
        let recipients = u64::from(count);
        let left = remaining(count, &recovered.done);
        let mut left = left.into_iter().peekable();
        let targets = (0u32..).zip(record.targets);
        let left = targets
            .filter(|(ordinal, _)| left.next_if_eq(ordinal).is_some())
            .collect();
        let live = Live {
            id: record.id,
            app: record.app,
            created_at: record.created_at,
            options: record.options,
            message: record.message,
            variables: record.variables,
            progress: Progress::new(recipients, recovered.counts),
        };
        if recovered.cancelled {
            live.progress.cancel();
        }
        Feed {
            live: Arc::new(live),
            left,
        }
    }

    /// Hands on as much as there is room for. Returns whether that was all.
    fn push(&mut self, args: &Args) -> bool {
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
                registered_at: self.live.created_at,
                routed_at,
                started_at: Timestamp::default(),
                attempts: 0,
                auth_refreshes: 0,
                permit,
            });
        }
        batch
    }
}
