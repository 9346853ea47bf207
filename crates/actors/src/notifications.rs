//! Notifications as the API sees them: accept, look up, cancel.
//!
//! Not an actor: an accept is one permit per delivery, one read (the recipients' devices), one durable write,
//! and then a cast to the dispatcher, all in the caller's task.

mod accept;
pub(crate) mod gate;
mod room;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use fanfare_core::admission::Admission;
use fanfare_core::dispatch::CANCELLED;
use fanfare_store::fleet::Notice;
use fanfare_store::{DeliveryPage, Ended, OutcomeBatch, Store, Summary};
use fanfare_telemetry::Telemetry;
use fanfare_types::message::Variables;
use fanfare_types::notification::State;
use fanfare_types::{
    Address, AppId, Clock, Counts, DeviceId, Live, Message, NotificationId, Options, Outcome, Slot,
    Tenure, Timestamp, UserId,
};

use crate::dispatcher::DispatcherHandle;
use crate::feeder::FeederHandle;
use crate::fleet::FleetHandle;
use crate::live::LiveBooks;
use crate::random::Random;
use crate::{Error, Result};
use gate::Gate;
pub(crate) use room::Room;

/// Cheap to clone.
#[derive(Clone)]
pub struct Notifications(Arc<Parts>);

/// What accepting is made of.
pub(crate) struct Parts {
    pub(crate) limits: Limits,
    /// Longest wait for the store.
    pub(crate) call_timeout: Duration,
    pub(crate) admission: Arc<Admission>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) live: LiveBooks,
    pub(crate) fleet: FleetHandle,
    pub(crate) tenure: Arc<Tenure>,
    pub(crate) dispatcher: DispatcherHandle,
    pub(crate) cancelled: Cancelled,
    pub(crate) feeder: FeederHandle,
    pub(crate) telemetry: Telemetry,
    pub(crate) clock: Clock,
    pub(crate) random: Random,
    pub(crate) room: Room,
    pub(crate) gate: Gate,
}

/// Tells whoever holds deliveries of an app that one of its notifications was cancelled.
pub(crate) type Cancelled = Arc<dyn Fn(&AppId) + Send + Sync>;

/// A checked request. `options.expires_at` is absolute by now.
#[derive(Clone, Debug)]
pub struct NewNotification {
    pub app: AppId,
    pub to: To,
    pub message: Message,
    pub variables: Variables,
    pub options: Options,
    pub idempotency: Option<IdempotencyKey>,
}

#[derive(Clone, Debug)]
pub enum To {
    Users(Vec<UserId>),
    Devices(Vec<DeviceId>),
    Addresses(Vec<Address>),
}

/// SHA-256 of caller and key, and of the body.
#[derive(Clone, Debug)]
pub struct IdempotencyKey {
    pub key: [u8; 32],
    pub body: [u8; 32],
}

/// The answer to an accepted request; the same again for a repeated one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acceptance {
    pub id: NotificationId,
    /// Devices found.
    pub recipients: u64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct View {
    pub id: NotificationId,
    pub state: State,
    pub created_at: Timestamp,
    pub recipients: u64,
    pub counts: Counts,
}

/// What the API promises about time.
#[derive(Clone, Debug)]
pub struct Limits {
    /// How long an `Idempotency-Key` is remembered. Default 24 h.
    pub idempotency_ttl: Duration,
    /// How long a call that finds no room waits for some before it is refused. Default 2 s.
    pub room_wait: Duration,
    /// Calls that wait for room at once; at it the last one of the app and lane with most of them is refused.
    /// Default 1,000.
    pub room_waiting_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            idempotency_ttl: Duration::from_secs(24 * 60 * 60),
            room_wait: Duration::from_secs(2),
            room_waiting_max: 1_000,
        }
    }
}

impl Notifications {
    pub(crate) fn new(parts: Parts) -> Self {
        Notifications(Arc::new(parts))
    }

    /// From now on every accept is refused; returns when those under way have their answers.
    pub(crate) async fn refuse(&self) {
        self.0.gate.close().await;
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.0.gate.is_closed()
    }

    /// Accepts: durable when it answers. After [`Error::Timeout`] it may still be accepted, as after any answer
    /// that is lost; the same idempotency key tells.
    pub async fn accept(&self, new: NewNotification) -> Result<Acceptance> {
        self.in_time(accept::accept(&self.0, new)).await
    }

    /// A disk that hangs must not keep callers waiting without end: what they hold is freed, and they are told.
    async fn in_time<T>(&self, call: impl Future<Output = Result<T>>) -> Result<T> {
        let longest = self.0.call_timeout;
        match tokio::time::timeout(longest, call).await {
            Ok(answer) => answer,
            Err(_) => Err(Error::Timeout(longest)),
        }
    }

    /// `None` when there is no such notification in this app.
    pub async fn view(&self, app: &AppId, id: NotificationId) -> Result<Option<View>> {
        if let Some(live) = self.0.live.get(app, id) {
            return Ok(Some(live_view(&live)));
        }
        let summary = self.in_time(async { Ok(self.0.store.summary(app, id).await?) });
        let summary = summary.await?;
        Ok(summary.map(|summary| self.journal_view(&summary)))
    }

    /// A page of deliveries; `None` when there is no such notification in this app. What ended within the
    /// last moments may still be listed without its outcome.
    pub async fn deliveries(
        &self,
        app: &AppId,
        id: NotificationId,
        outcome: Option<Outcome>,
        start: u32,
        limit: usize,
    ) -> Result<Option<DeliveryPage>> {
        let page = self.0.store.deliveries(app, id, outcome, start, limit);
        self.in_time(async { Ok(page.await?) }).await
    }

    /// Cancels what has not been handed over; `None` when there is no such notification in this app.
    pub async fn cancel(&self, app: &AppId, id: NotificationId) -> Result<Option<View>> {
        // A task of its own: a caller who goes away leaves nothing cancelled in the journal alone.
        let (notifications, app) = (self.clone(), app.clone());
        let cancelling = tokio::spawn(async move { notifications.cancelled(&app, id).await });
        self.in_time(async { cancelling.await.unwrap_or(Err(Error::ShuttingDown)) })
            .await
    }

    async fn cancelled(&self, app: &AppId, id: NotificationId) -> Result<Option<View>> {
        let Some(summary) = self.0.store.cancel(app, id).await? else {
            return Ok(None);
        };
        if let Some(view) = self.cancel_here(&summary).await? {
            return Ok(Some(view));
        }
        let tenure = &self.0.tenure;
        // Whoever takes its slot up from now on finds it cancelled.
        let is_ours = self.0.fleet.hold(Slot::of(id)).is_some();
        if !is_ours || tenure.is_over(self.0.clock.now()) {
            let app = app.clone();
            self.0.fleet.tell(Notice::Cancelled { app, id }).await?;
        }
        self.view(app, id).await
    }

    /// It was cancelled on another node.
    pub(crate) async fn was_cancelled(&self, app: &AppId, id: NotificationId) -> Result<()> {
        if let Some(summary) = self.0.store.summary(app, id).await? {
            self.cancel_here(&summary).await?;
        }
        Ok(())
    }

    /// Ends what this node has of a notification that is cancelled in the journal; its view if it is in memory.
    async fn cancel_here(&self, summary: &Summary) -> Result<Option<View>> {
        let (app, id) = (&summary.app, summary.id);
        if let Some(live) = self.0.live.get(app, id) {
            live.progress.cancel();
            (self.0.cancelled)(app);
            return Ok(Some(live_view(&live)));
        }
        let is_waiting = summary.cancelled && summary.counts.terminal() < summary.recipients;
        if is_waiting && self.0.fleet.hold(Slot::of(id)).is_some() {
            self.end_waiting(summary).await?;
        }
        Ok(None)
    }

    /// Ends what was never brought into memory: nobody else would before its `send_at`. Should it be fed at
    /// this very moment, it is cancelled there as well, and the journal keeps the first outcome.
    async fn end_waiting(&self, summary: &Summary) -> Result<()> {
        let at = self.0.clock.now();
        let count = u32::try_from(summary.recipients).unwrap_or(u32::MAX);
        let ended = |ordinal| Ended {
            ordinal,
            outcome: Outcome::Cancelled,
            reason: CANCELLED,
            attempts: 0,
            at,
        };
        let batch = OutcomeBatch {
            app: summary.app.clone(),
            id: summary.id,
            ended: (0..count).map(ended).collect(),
        };
        Ok(self.0.store.record(vec![batch]).await?)
    }

    fn journal_view(&self, summary: &Summary) -> View {
        let mut counts = summary.counts;
        counts.waiting = summary.recipients.saturating_sub(counts.terminal());
        counts.in_flight = 0;
        View {
            id: summary.id,
            state: summary.state(self.0.clock.now()),
            created_at: summary.created_at,
            recipients: summary.recipients,
            counts,
        }
    }
}

fn live_view(live: &Live) -> View {
    let counts = live.progress.counts();
    let recipients = live.progress.recipients();
    let state = if live.progress.is_cancelled() {
        State::Cancelled
    } else if counts.terminal() >= recipients {
        State::Completed
    } else {
        State::Sending
    };
    View {
        id: live.id,
        state,
        created_at: live.created_at,
        recipients,
        counts,
    }
}

impl fmt::Debug for Notifications {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Notifications")
    }
}
