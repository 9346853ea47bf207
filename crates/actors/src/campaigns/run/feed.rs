//! The rest of a chunk that waits for permits, and how it becomes deliveries.

use std::collections::VecDeque;
use std::sync::Arc;

use fanfare_core::dispatch;
use fanfare_store::Ended;
use fanfare_store::campaigns::{ChunkOutcomes, Reach};
use fanfare_types::message::Variables;
use fanfare_types::{
    Address, AddressKind, Audience, CampaignRecord, Channel, Delivery, DeviceId, Environment, Lane,
    Live, Message, Options, Outcome, Permits, Reason, Recipient, Timestamp, UserId,
};
use ractor::ActorRef;

use super::{Args, Msg, Present, ROOM_POLL};
use crate::backoff::Backoff;
use crate::task;

/// Deliveries that take permits and are handed on together.
const BATCH_MAX: usize = 64;

/// What all chunks of a run share.
pub(super) struct Shared {
    pub(super) audience: Arc<Audience>,
    pub(super) message: Arc<Message>,
    pub(super) variables: Arc<Variables>,
    pub(super) options: Options,
}

impl Shared {
    pub(super) fn of(record: &CampaignRecord, expires_at: Option<Timestamp>) -> Self {
        Shared {
            audience: Arc::new(record.audience.clone()),
            message: Arc::new(record.message.clone()),
            variables: Arc::new(record.variables.clone()),
            options: Options {
                priority: record.priority,
                collapse_key: record.collapse_key.as_deref().map(Into::into),
                lane: Lane::Bulk,
                on_unknown: record.on_unknown,
                expires_at: expires_at.unwrap_or(Timestamp::MAX),
                send_at: None,
            },
        }
    }
}

/// A recipient that waits.
pub(super) struct Row {
    ordinal: u32,
    device: (DeviceId, UserId),
    channel: Channel,
    variables: Option<Arc<Variables>>,
    reach: Option<Reach>,
}

impl Row {
    /// `None` for one without a device: it ended when it was opened.
    pub(super) fn of(ordinal: u32, recipient: Recipient, reach: Option<Reach>) -> Option<Self> {
        Some(Row {
            ordinal,
            device: (recipient.device?, recipient.user?),
            channel: recipient.channel?,
            variables: recipient.variables,
            reach,
        })
    }
}

/// The part of a chunk that was not handed on yet.
pub(super) struct Feed {
    live: Arc<Live>,
    routed_at: Timestamp,
    rows: VecDeque<Row>,
}

impl Feed {
    pub(super) fn new(
        live: &Arc<Live>,
        routed_at: Timestamp,
        rows: impl Iterator<Item = Row>,
    ) -> Option<Self> {
        let feed = Feed {
            live: live.clone(),
            routed_at,
            rows: rows.collect(),
        };
        (!feed.rows.is_empty()).then_some(feed)
    }

    /// Hands on as much as there is room for. Returns whether that was all.
    fn push(&mut self, args: &Args) -> bool {
        let mut size = BATCH_MAX;
        while !self.rows.is_empty() && size > 0 {
            let count = self.rows.len().min(size);
            match args.ways.admission.try_take(&args.app, Lane::Bulk, count) {
                Ok(permits) => self.hand_on(permits, args),
                Err(_) => size = count / 2,
            }
        }
        self.rows.is_empty()
    }

    fn hand_on(&mut self, mut permits: Permits, args: &Args) {
        let is_routed = self.routed_at > Timestamp::default();
        let mut batch = Vec::with_capacity(permits.count());
        while let Some(permit) = permits.split() {
            let Some(row) = self.rows.pop_front() else {
                break;
            };
            batch.push(row.delivery(&self.live, self.routed_at, permit));
        }
        match is_routed {
            true => (args.ways.pools)(batch),
            false => args.ways.dispatcher.dispatch(batch),
        }
    }
}

impl Row {
    fn delivery(
        self,
        live: &Arc<Live>,
        routed_at: Timestamp,
        permit: fanfare_types::Permit,
    ) -> Delivery {
        let reach = self.reach.unwrap_or_else(|| Reach {
            // Not known: it is read before it is sent to.
            address: Address::new(
                self.channel,
                AddressKind::RegistrationToken,
                Environment::Production,
                "",
            ),
            locale: None,
            registered_at: live.created_at,
        });
        Delivery {
            live: live.clone(),
            ordinal: self.ordinal,
            device: Some(self.device),
            address: reach.address,
            locale: reach.locale,
            variables: self.variables,
            registered_at: reach.registered_at,
            routed_at,
            attempts: 0,
            auth_refreshes: 0,
            permit,
        }
    }
}

impl Present {
    /// Hands on what waits, or ends it when its time is over.
    pub(super) fn feed(&mut self, args: &Args, now: Timestamp, myself: &ActorRef<Msg>) {
        if self.core.is_withdrawn() {
            // The store has them.
            return self.feeds.clear();
        }
        let expires_at = self.shared.options.expires_at;
        if let Some((outcome, reason)) = dispatch::over(self.is_cancelled, expires_at, now) {
            for feed in self.feeds.drain(..) {
                let end = end(args.clone(), feed, outcome, reason.clone(), now);
                // What it did not record is found by the next run.
                task::spawn(myself, ("campaign", "end"), Msg::Lost, end);
            }
        }
        while let Some(feed) = self.feeds.front_mut() {
            if !feed.push(args) {
                break;
            }
            self.feeds.pop_front();
        }
        if !self.feeds.is_empty() && !self.is_feed_timed {
            self.is_feed_timed = true;
            // Campaigns that wait do not ask together.
            let half = ROOM_POLL / 2;
            let part = u32::try_from(args.ways.random.next() >> 32).unwrap_or(0);
            let wait = half + half.mul_f64(f64::from(part) / f64::from(u32::MAX));
            drop(myself.send_after(wait, || Msg::Feed));
        }
    }
}

/// Records what never becomes a delivery.
async fn end(
    args: Args,
    feed: Feed,
    outcome: Outcome,
    reason: Reason,
    at: Timestamp,
) -> Option<Msg> {
    let Feed { live, rows, .. } = feed;
    let ended = rows.iter().map(|row| Ended {
        ordinal: row.ordinal,
        outcome,
        reason: reason.clone(),
        attempts: 0,
        at,
    });
    let batch = ChunkOutcomes {
        app: args.app.clone(),
        campaign: args.id,
        chunk: live.id,
        ended: ended.collect(),
    };
    let count = rows.len() as u64;
    live.progress.recording(count);
    let mut backoff = Backoff::default();
    while let Err(error) = args.ways.store.record_chunks(vec![batch.clone()]).await {
        super::tasks::failed(&args, &error);
        if live.is_withdrawn() || matches!(error, fanfare_store::Error::Closed) {
            return None;
        }
        backoff.wait().await;
    }
    live.progress.ended(outcome, count);
    for row in &rows {
        args.ways.telemetry.ended(&args.app, row.channel, outcome);
    }
    Some(Msg::Recorded(vec![live.id], count))
}
