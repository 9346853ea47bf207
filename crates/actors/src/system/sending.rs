//! The sending side as the root needs it: the pools, or a stand-in in tests.

use std::sync::Arc;

use fanfare_core::revocations::Revocations;
use fanfare_types::Delivery;
use futures_util::future::BoxFuture;
use ractor::ActorCell;
use tokio::runtime::Handle;

use super::{Config, PoolStats, Ways};
use crate::dispatcher::DispatcherHandle;
use crate::outcomes::OutcomesHandle;
use crate::{App, Result};

pub(super) trait Sending: Send + Sync + 'static {
    fn deliver(&self, batch: Vec<Delivery>);

    fn stats(&self) -> BoxFuture<'_, Result<Vec<PoolStats>>>;

    /// Hands nothing more over; returns when what was handed over has ended and connections are closed.
    fn drain(&self) -> BoxFuture<'_, ()>;
}

/// What the sending side is made from.
pub(super) struct Parts {
    pub(super) root: ActorCell,
    pub(super) config: Config,
    pub(super) apps: Arc<[App]>,
    pub(super) ways: Ways,
    pub(super) revocations: Arc<Revocations>,
    pub(super) dispatcher: DispatcherHandle,
    pub(super) outcomes: OutcomesHandle,
}

pub(super) type Make =
    Box<dyn FnOnce(Parts) -> BoxFuture<'static, Result<Arc<dyn Sending>>> + Send + Sync>;

/// The pools, their connections spread over `senders`.
pub(super) fn pools(senders: Vec<Handle>) -> Make {
    let _ = senders;
    todo!("joined with the sending room")
}
