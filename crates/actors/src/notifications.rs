//! Notifications as the API sees them: accept, look up, cancel.
//!
//! Not an actor: an accept is one read (the recipients' devices), one permit per delivery, one durable write,
//! and then a cast to the dispatcher, all in the caller's task.

use std::time::Duration;

use fanfare_store::DeliveryPage;
use fanfare_types::message::Variables;
use fanfare_types::notification::State;
use fanfare_types::{
    Address, AppId, Counts, DeviceId, Message, NotificationId, Options, Outcome, Timestamp, UserId,
};

use crate::Result;

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Notifications {}

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
}

impl Notifications {
    /// Accepts: durable when it answers.
    pub async fn accept(&self, new: NewNotification) -> Result<Acceptance> {
        let _ = new;
        todo!("the flow room")
    }

    /// `None` when there is no such notification in this app.
    pub async fn view(&self, app: &AppId, id: NotificationId) -> Result<Option<View>> {
        let _ = (app, id);
        todo!("the flow room")
    }

    /// A page of deliveries; `None` when there is no such notification in this app.
    pub async fn deliveries(
        &self,
        app: &AppId,
        id: NotificationId,
        outcome: Option<Outcome>,
        start: u32,
        limit: usize,
    ) -> Result<Option<DeliveryPage>> {
        let _ = (app, id, outcome, start, limit);
        todo!("the flow room")
    }

    /// Cancels what has not been handed over; `None` when there is no such notification in this app.
    pub async fn cancel(&self, app: &AppId, id: NotificationId) -> Result<Option<View>> {
        let _ = (app, id);
        todo!("the flow room")
    }
}
