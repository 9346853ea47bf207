//! The journal half of a store: accepted notifications, and how each delivery ended.

use fanfare_types::notification::State;
use fanfare_types::{
    AppId, Channel, Counts, DeviceId, NotificationId, NotificationRecord, Outcome, Reason,
    Timestamp, UserId,
};
use futures_util::future::BoxFuture;

use crate::Result;

/// A notification to make durable.
#[derive(Clone, Debug)]
pub struct Accept {
    pub record: NotificationRecord,
    pub idempotency: Option<Idempotency>,
}

/// The caller's `Idempotency-Key`, hashed with the caller; and the request it belongs to.
#[derive(Clone, Debug)]
pub struct Idempotency {
    pub key: [u8; 32],
    pub body: [u8; 32],
    /// Afterwards the key may be used anew.
    pub expires_at: Timestamp,
}

/// What became of an [`Accept`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Accepted {
    /// Durable.
    New,
    /// The same key and body were accepted before; nothing was written.
    Repeated { id: NotificationId, recipients: u64 },
    /// The key was used for another body; nothing was written.
    Conflict,
}

/// Outcomes of one notification since the last batch.
#[derive(Clone, Debug)]
pub struct OutcomeBatch {
    pub app: AppId,
    pub id: NotificationId,
    pub ended: Vec<Ended>,
}

/// How one delivery ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    pub ordinal: u32,
    pub outcome: Outcome,
    pub reason: Reason,
    pub attempts: u32,
    pub at: Timestamp,
}

/// What the journal knows of a notification.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    pub id: NotificationId,
    pub app: AppId,
    pub created_at: Timestamp,
    pub send_at: Option<Timestamp>,
    pub expires_at: Timestamp,
    pub cancelled: bool,
    pub recipients: u64,
    /// Recorded outcomes; everything else counts as waiting.
    pub counts: Counts,
}

impl Summary {
    pub fn state(&self, now: Timestamp) -> State {
        if self.cancelled {
            State::Cancelled
        } else if self.counts.terminal() >= self.recipients {
            State::Completed
        } else if self.send_at.is_some_and(|at| at > now) {
            State::Scheduled
        } else {
            State::Sending
        }
    }
}

/// One delivery as the API lists it. `ended` is `None` while it has no outcome.
#[derive(Clone, Debug, PartialEq)]
pub struct DeliveryRow {
    pub ordinal: u32,
    pub device: Option<(DeviceId, UserId)>,
    pub channel: Channel,
    pub ended: Option<Ended>,
}

#[derive(Debug, Default)]
pub struct DeliveryPage {
    pub rows: Vec<DeliveryRow>,
    /// The ordinal the next page starts at; `None` at the end.
    pub next: Option<u32>,
}

/// An unfinished notification, as found after a restart or when its `send_at` came.
#[derive(Debug)]
pub struct Recovered {
    pub record: NotificationRecord,
    pub cancelled: bool,
    pub counts: Counts,
    /// Ordinals that have their outcome, ascending.
    pub done: Vec<u32>,
}

/// Accepted work. Writes are durable when they answer; many writers share one fsync.
pub trait Journal: Send + Sync + 'static {
    /// Makes a notification durable, or finds by its idempotency key that it already is. A key has expired when the
    /// record's `created_at` is not before its `expires_at`. A notification without targets is kept as
    /// completed. The same record once more changes nothing, and answers [`Accepted::New`] or
    /// [`Accepted::Repeated`]: a shared store does not look whether it is there, since that would cost every
    /// accept a round trip.
    ///
    /// In a shared store, only into a slot that this node holds.
    fn accept(&self, accept: Accept) -> BoxFuture<'_, Result<Accepted>>;

    /// Records outcomes, of many notifications at once. Recording an ordinal twice keeps the first outcome.
    /// Unknown notifications (they were purged), ordinals without a target, and what is of a slot that this node does
    /// not hold are passed over.
    fn record(&self, batches: Vec<OutcomeBatch>) -> BoxFuture<'_, Result<()>>;

    /// Marks a notification cancelled, durably; a finished one stays as it is. Its deliveries still have to
    /// be recorded. `None` when there is no such notification in this app.
    fn cancel(&self, app: &AppId, id: NotificationId) -> BoxFuture<'_, Result<Option<Summary>>>;

    fn summary(&self, app: &AppId, id: NotificationId) -> BoxFuture<'_, Result<Option<Summary>>>;

    /// Deliveries by ordinal, from `start`, at most `limit`; with `outcome`, only those that ended so.
    /// `None` when there is no such notification in this app.
    fn deliveries(
        &self,
        app: &AppId,
        id: NotificationId,
        outcome: Option<Outcome>,
        start: u32,
        limit: usize,
    ) -> BoxFuture<'_, Result<Option<DeliveryPage>>>;

    /// Of slots that this node holds: unfinished notifications whose `send_at` is not after `due`, and those that have none (whenever they were
    /// accepted: a clock may have been set back since), in id order from just after `after`, at most `limit`.
    fn unfinished(
        &self,
        due: Timestamp,
        after: Option<NotificationId>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Recovered>>>;

    /// When the earliest scheduled, unfinished notification after `due` is to be sent. A cancelled one counts
    /// until its deliveries have ended.
    fn next_due(&self, due: Timestamp) -> BoxFuture<'_, Result<Option<Timestamp>>>;

    /// Removes finished notifications accepted (by the time in their id) before `before` and idempotency keys expired by
    /// `now`, about `limit` of each at most. Returns how many notifications went. A shared store removes whole minutes
    /// of its slots, when all in one has ended, and its keys go by themselves.
    fn purge(
        &self,
        before: Timestamp,
        now: Timestamp,
        limit: usize,
    ) -> BoxFuture<'_, Result<usize>>;
}
