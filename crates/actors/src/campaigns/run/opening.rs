//! From a page of the audience to an open chunk, and from a chunk of the store to what is left of it.

use std::sync::Arc;

use fanfare_core::campaign::run::{self, Effect, Failed, Loaded, Opened};
use fanfare_core::dispatch;
use fanfare_core::feeder::remaining;
use fanfare_store::Ended;
use fanfare_store::campaigns::{
    AudiencePage, AudienceQuery, AudienceRow, Chunk, Cursor, OpenChunk, Opened as Written, Reach,
};
use fanfare_types::{
    Audience, CampaignState, Counts, Live, NotificationId, Outcome, Progress, Reason, Recipient,
    Slot, Timestamp,
};

use super::super::runs;
use super::feed::{Feed, Row};
use super::tasks::{Load, failed};
use super::{Args, Msg, Present};

/// The recipient has no device that could be sent to.
const NO_DEVICE: Reason = Reason::of("no_device");

/// Rows looked at for one page: of a filter that few match, many pages are small.
const ROWS_MAX: usize = 16_384;

/// A page that was read, and its chunk once that is made.
pub(crate) struct Page {
    page: AudiencePage,
    /// Taken before the page was read.
    routed_at: Timestamp,
    /// Shared by the tries to open it. It has the recipients of the page's rows.
    chunk: Option<Arc<Chunk>>,
    /// How each of them is reached.
    reaches: Vec<Option<Reach>>,
}

impl Page {
    pub(super) fn recipients(&self) -> usize {
        self.page.rows.len()
    }
}

pub(super) async fn read(
    args: Args,
    audience: Arc<Audience>,
    shard: u32,
    after: Cursor,
    limit: usize,
) -> Msg {
    let routed_at = args.ways.clock.now();
    let query = AudienceQuery {
        app: args.app.clone(),
        campaign: args.id,
        shard,
        audience,
        after,
        limit,
        rows_max: ROWS_MAX,
    };
    let page = args.ways.store.audience(query).await;
    let page = page.map(|page| {
        Box::new(Page {
            page,
            routed_at,
            chunk: None,
            reaches: Vec::new(),
        })
    });
    Msg::Page(shard, page.map_err(|error| failed(&args, &error)))
}

pub(super) async fn open(args: Args, shard: u32, chunk: Option<Arc<Chunk>>) -> Msg {
    let Some(chunk) = chunk else {
        return Msg::Opened(shard, Err(Failed));
    };
    let opened = args.ways.store.open(&chunk).await;
    let opened = opened.map(|opened| match opened {
        Written::New | Written::Repeated => true,
        Written::Lost => false,
    });
    Msg::Opened(shard, opened.map_err(|error| failed(&args, &error)))
}

/// Those that end at their opening: without a device, and all of them when the time is over.
fn ended(rows: &[AudienceRow], expires_at: Timestamp, now: Timestamp) -> Vec<Ended> {
    let over = dispatch::over(false, expires_at, now);
    let ended = |(ordinal, row): (u32, &AudienceRow)| {
        let (outcome, reason) = match (&row.reach, &over) {
            (None, _) => (Outcome::Cancelled, NO_DEVICE),
            (Some(_), Some(over)) => over.clone(),
            (Some(_), None) => return None,
        };
        Some(Ended {
            ordinal,
            outcome,
            reason,
            attempts: 0,
            at: now,
        })
    };
    (0..).zip(rows).filter_map(ended).collect()
}

fn counts(ended: &[Ended]) -> Counts {
    let mut counts = Counts::default();
    for ended in ended {
        *counts.of(ended.outcome) += 1;
    }
    counts
}

impl Present {
    /// The chunk of the page that was read; the same again when it was made before.
    pub(super) fn chunk(&mut self, shard: u32, args: &Args, now: Timestamp) -> Option<Arc<Chunk>> {
        let from = self.cursors.get(&shard).cloned().unwrap_or_default();
        let page = self.pages.get_mut(&shard)?;
        let make = || {
            let rows = std::mem::take(&mut page.page.rows);
            let ended = ended(&rows, self.shared.options.expires_at, now);
            let parts = rows.into_iter().map(|row| (row.recipient, row.reach));
            let (recipients, reaches) = parts.unzip();
            page.reaches = reaches;
            Arc::new(Chunk {
                app: args.app.clone(),
                campaign: args.id,
                id: NotificationId::new(now, args.ways.random.next()).in_shard(shard),
                shard,
                created_at: now,
                recipients,
                ended,
                from,
                cursor: page.page.cursor.clone(),
                scanned: page.page.scanned,
                is_last: page.page.is_last,
            })
        };
        Some(page.chunk.get_or_insert_with(make).clone())
    }

    /// It is durable: from here on its deliveries may be sent.
    pub(super) fn opened(&mut self, shard: u32, args: &Args, now: Timestamp) -> Opened {
        let Some(Page {
            routed_at,
            chunk: Some(chunk),
            reaches,
            ..
        }) = self.pages.remove(&shard)
        else {
            return Opened::Lost;
        };
        // Nobody opens it any more.
        let chunk = Arc::unwrap_or_clone(chunk);
        self.cursors.insert(shard, chunk.cursor);
        let is_last = chunk.is_last;
        if chunk.recipients.is_empty() {
            self.running
                .ledger
                .lock()
                .on_opened(chunk.scanned, None, now);
            return Opened::Done {
                chunk: None,
                is_last,
            };
        }
        for ended in &chunk.ended {
            if let Some(channel) = chunk.recipients[ended.ordinal as usize].channel {
                args.ways.telemetry.ended(&args.app, channel, ended.outcome);
            }
        }
        args.ways
            .telemetry
            .campaign_opened(&args.app, chunk.recipients.len());
        let progress = Progress::new(chunk.recipients.len() as u64, counts(&chunk.ended));
        let live = self.live(chunk.id, chunk.created_at, progress);
        self.running
            .ledger
            .lock()
            .on_opened(chunk.scanned, Some(&live), now);
        let left = chunk.recipients.len() - chunk.ended.len();
        let mut done = chunk.ended.iter().map(|ended| ended.ordinal).peekable();
        let rows = (0..).zip(chunk.recipients.into_iter().zip(reaches));
        let rows = rows.filter(|(ordinal, _)| done.next_if_eq(ordinal).is_none());
        let rows =
            rows.filter_map(|(ordinal, (recipient, reach))| Row::of(ordinal, recipient, reach));
        let feed = Feed::new(&live, routed_at, rows);
        self.feeds.extend(feed);
        let chunk = run::OpenChunk { id: live.id, left };
        Opened::Done {
            chunk: (left > 0).then_some(chunk),
            is_last,
        }
    }

    pub(super) fn loaded(
        &mut self,
        loaded: Result<Box<Load>, Failed>,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        let loaded = loaded.map(|load| {
            let Load { mut shards, stored } = *load;
            // What the store holds before this node does, or still, is not worked on.
            shards.retain(|shard| self.fleet.hold(Slot::of_shard(shard.number)).is_some());
            match stored {
                Some(stored) => self.begin(stored, now, effects),
                // Purged: there is nothing to do for it.
                None => self.core.on_withdrawn(now, effects),
            }
            let cursors = shards
                .iter()
                .map(|shard| (shard.number, shard.cursor.clone()));
            self.cursors = cursors.collect();
            Loaded {
                shards: shards.iter().map(|s| (s.number, s.is_done)).collect(),
                left: shards.iter().map(|shard| shard.left).sum(),
            }
        });
        self.core.on_loaded(loaded, now, effects);
    }

    /// As it stands now that whoever pauses or cancels it finds the run.
    fn begin(
        &mut self,
        stored: fanfare_store::campaigns::StoredCampaign,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        let standing = &stored.standing;
        let portion = self.fleet.tenure().portion();
        self.running.run.pace.set_portion(portion, now);
        self.running.set_rate(standing.revision, standing.rate, now);
        match standing.state {
            CampaignState::Running => {}
            CampaignState::Cancelled => {
                self.running.run.cancel();
                self.look(now, effects);
            }
            _ => self.core.on_withdrawn(now, effects),
        }
        self.running.ledger.lock().begin(runs::found(&stored));
        *self.stored = stored;
    }

    /// What former runs left.
    pub(super) fn chunks(
        &mut self,
        chunks: Result<(Vec<OpenChunk>, bool), Failed>,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        let chunks = chunks.map(|(chunks, is_last)| {
            let found = chunks.into_iter().filter_map(|chunk| self.recover(chunk));
            (found.collect(), is_last)
        });
        self.core.on_chunks(chunks, now, effects);
    }

    /// `None` for one of a slot that is not held.
    fn recover(&mut self, chunk: OpenChunk) -> Option<run::OpenChunk> {
        self.recovered = Some(chunk.id);
        if self.fleet.hold_on(chunk.id).is_lost() {
            return None;
        }
        let count = u32::try_from(chunk.recipients.len()).unwrap_or(u32::MAX);
        let progress = Progress::new(u64::from(count), chunk.counts);
        let live = self.live(chunk.id, chunk.created_at, progress);
        self.running.ledger.lock().on_recovered(&live);
        let left = remaining(count, &chunk.done);
        let id = live.id;
        let found = run::OpenChunk {
            id,
            left: left.len(),
        };
        let mut left = left.into_iter().peekable();
        let recipients = (0..).zip(chunk.recipients);
        let rows =
            recipients.filter(|(ordinal, _): &(u32, Recipient)| left.next_if_eq(ordinal).is_some());
        let rows = rows.filter_map(|(ordinal, recipient)| Row::of(ordinal, recipient, None));
        // No address is kept: a routing time of 0 says that it is to be read.
        let feed = Feed::new(&live, Timestamp::default(), rows);
        self.feeds.extend(feed);
        Some(found)
    }

    fn live(&self, id: NotificationId, created_at: Timestamp, progress: Progress) -> Arc<Live> {
        progress.losses().tell(self.on_loss.clone());
        Arc::new(Live {
            id,
            app: self.stored.record.app.clone(),
            created_at,
            options: self.shared.options.clone(),
            message: self.shared.message.clone(),
            variables: self.shared.variables.clone(),
            progress,
            run: Some(self.running.run.clone()),
            hold: self.fleet.hold_on(id),
        })
    }
}
