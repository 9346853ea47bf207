//! Why an actor's handle could not do what it was asked.

use std::time::Duration;

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the store failed")]
    Store(#[from] fanfare_store::Error),
    /// No room for the work; nothing was kept.
    #[error("no room: {0:?}")]
    Refused(fanfare_core::admission::Refused),
    /// The `Idempotency-Key` belongs to another body.
    #[error("idempotency key used for another request")]
    IdempotencyConflict,
    /// The actor did not answer within `call_timeout`; the work may still be done.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// The gateway is draining or the actor is gone.
    #[error("shutting down")]
    ShuttingDown,
    /// The tree could not be started.
    #[error("cannot start: {0}")]
    Start(String),
    /// Others kept changing the same rows; nothing was changed.
    #[error("too many conflicting changes at once")]
    Contended,
    /// This gateway holds no part of the fleet's work: it has just started, or cannot reach the others.
    #[error("no part of the work is held here")]
    NoSlot,
    /// The change is durable, but other gateways could not be told of it; asked again, it tells them.
    #[error("other gateways could not be told")]
    Untold,
    /// A campaign cannot do that now.
    #[error("campaign: {0}")]
    Impossible(fanfare_core::campaign::Impossible),
    /// The app is not one that is served here.
    #[error("no such app")]
    UnknownApp,
}

impl Error {
    /// Stable word for metrics and problem documents.
    pub fn label(&self) -> &'static str {
        match self {
            Error::Store(error) => error.label(),
            Error::Refused(_) => "no_room",
            Error::IdempotencyConflict => "idempotency_conflict",
            Error::Timeout(_) => "timeout",
            Error::ShuttingDown => "shutting_down",
            Error::Start(_) => "start",
            Error::Contended => "contended",
            Error::NoSlot => "no_slot",
            Error::Untold => "untold",
            Error::Impossible(why) => why.label(),
            Error::UnknownApp => "unknown_app",
        }
    }
}
