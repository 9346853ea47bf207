//! What other nodes tell, and what this one does about it.

use std::collections::HashMap;
use std::sync::Arc;

use fanfare_core::fleet::Failed;
use fanfare_store::fleet::{INBOX_KEPT, Notice, NoticeId};
use fanfare_types::{NodeId, Slot, Timestamp};
use parking_lot::Mutex;

use super::actor::Args;
use crate::{Error, Result};

/// What was heard and acted upon: it comes again for as long as its inbox is read. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Known(Arc<Mutex<HashMap<NoticeId, Timestamp>>>);

impl Known {
    fn is_known(&self, id: &NoticeId) -> bool {
        self.0.lock().contains_key(id)
    }

    /// Bounded by what others tell while two inboxes are read; what is older does not come again.
    fn add(&self, ids: &[NoticeId], now: Timestamp) {
        let mut known = self.0.lock();
        known.retain(|_, heard| now.since(*heard) < INBOX_KEPT * 8);
        known.extend(ids.iter().map(|id| (*id, now)));
    }
}

/// Listens once. Only when all that is new is acted upon has this node listened.
pub(super) async fn hear(args: Args, known: Known, id: NodeId, inbox: u64) -> Result<(), Failed> {
    let told = args.fleet.hear(id, inbox).await.map_err(|error| {
        tracing::debug!(
            error = error.label(),
            "other gateways could not be listened to"
        );
        Failed
    })?;
    let mut heard = Vec::new();
    for told in told.into_iter().filter(|told| !known.is_known(&told.id)) {
        for notice in told.notices {
            act(&args, notice).await.map_err(|error| {
                tracing::warn!(
                    error = error.label(),
                    "what another gateway told could not be acted upon, tried again"
                );
                Failed
            })?;
        }
        heard.push(told.id);
    }
    if !heard.is_empty() {
        known.add(&heard, args.clock.now());
        if let Err(error) = args.fleet.acknowledge(id, heard).await {
            // Whoever waits for it waits a moment longer.
            tracing::debug!(error = error.label(), "nothing was acknowledged");
        }
    }
    Ok(())
}

async fn act(args: &Args, notice: Notice) -> Result<(), Error> {
    match notice {
        Notice::Revoked { devices, .. } => {
            let now = args.clock.now();
            for device in devices {
                args.revocations.revoke(device, now);
            }
            Ok(())
        }
        // Of a slot that is another's there is nothing here, and whoever takes it up reads that it is cancelled.
        Notice::Cancelled { id, .. } if args.handle.hold(Slot::of(id)).is_none() => Ok(()),
        Notice::Cancelled { app, id } => args.notifications.was_cancelled(&app, id).await,
        Notice::Campaign { app, id } => args.campaigns.was_changed(&app, id).await,
    }
}
