//! One write of the outcomes actor: outcomes until they are durable, then facts, if they can be written.

use std::sync::Arc;

use fanfare_types::{Facts, Failing, NotificationId, Permit};

use super::{Args, Ending, Msg, batch};
use crate::backoff::Backoff;
use crate::failpoint::failpoint;

/// Tries of one batch of facts. Afterwards they are let go, so that outcomes do not wait for them.
const FACTS_TRIES_MAX: u32 = 5;

/// Devices whose facts are added in one store call.
const FACTS_AT_ONCE: usize = 250;

pub(super) async fn all(args: Args, endings: Vec<Ending>, facts: Vec<Facts>) -> Msg {
    let Some(complete) = outcomes(&args, endings).await else {
        return Msg::Written(Vec::new());
    };
    record(&args, facts).await;
    // A successor knows nothing of this write; the feeder clears what it leaves.
    Msg::Written(complete)
}

/// Writes until it is durable; the deliveries keep their permits meanwhile, which bounds what can wait behind.
/// Returns the notifications that are complete; `None` when the store is closed.
async fn outcomes(args: &Args, endings: Vec<Ending>) -> Option<Vec<NotificationId>> {
    if endings.is_empty() {
        return Some(Vec::new());
    }
    let chunks = batch::chunks(&endings);
    let campaigns = batch::by_campaign(&chunks);
    // Notifications and campaigns do not wait for each other's tries; both share an fsync.
    let notified = until_durable(args, endings.len(), || {
        let batches = batch::outcomes(&endings);
        async move {
            match batches.is_empty() {
                true => Ok(()),
                false => args.store.record(batches).await,
            }
        }
    });
    let mut made = Some(chunks);
    let opened = until_durable(args, endings.len(), || {
        let chunks = made.take().unwrap_or_else(|| batch::chunks(&endings));
        async move {
            match chunks.is_empty() {
                true => Ok(()),
                false => args.store.record_chunks(chunks).await,
            }
        }
    });
    let (notified, opened) = tokio::join!(notified, opened);
    notified?;
    opened?;
    failpoint!("outcomes", "recorded");
    let complete = close_books(endings);
    for (campaign, chunks, ended) in campaigns {
        args.runs.recorded(campaign, chunks, ended);
    }
    Some(complete)
}

/// Repeats a write until it is durable; `None` when the store is closed.
async fn until_durable<F>(
    args: &Args,
    deliveries: usize,
    mut write: impl FnMut() -> F,
) -> Option<()>
where
    F: Future<Output = fanfare_store::Result<()>>,
{
    let mut backoff = Backoff::default();
    while let Err(error) = write().await {
        tracing::error!(
            error = error.label(),
            deliveries,
            "outcomes cannot be journaled, tried again"
        );
        if matches!(error, fanfare_store::Error::Closed) {
            (args.gave_up)("the store is closed".to_owned());
            return None;
        }
        backoff.wait().await;
    }
    Some(())
}

/// Whoever looks now finds in the journal what the books say. Returns the notifications that are complete.
fn close_books(mut endings: Vec<Ending>) -> Vec<NotificationId> {
    // Before it is told, so that whoever hears of it finds room.
    let held = endings.iter_mut();
    Permit::give_back_all(held.map(|ending| &mut ending.finished.delivery.permit));
    let mut complete = Vec::new();
    for alike in endings.chunk_by(|one, other| {
        let (one, other) = (&one.finished, &other.finished);
        Arc::ptr_eq(&one.delivery.live, &other.delivery.live) && one.outcome == other.outcome
    }) {
        let finished = &alike[0].finished;
        let live = &finished.delivery.live;
        let are_last = live.progress.ended(finished.outcome, alike.len() as u64);
        // A chunk is closed by its campaign.
        if are_last && live.run.is_none() {
            complete.push(live.id);
        }
    }
    complete
}

/// Adds the facts to their rows, some at a time so that nobody waits for the store's writer for long, and tells the
/// reaper of the rows that failed.
async fn record(args: &Args, facts: Vec<Facts>) {
    for facts in facts.chunks(FACTS_AT_ONCE) {
        if let Some(failing) = add(args, facts).await {
            args.reaper.failing(failing);
        }
    }
}

/// The rows that failed, as they are afterwards; `None` when the facts were let go.
async fn add(args: &Args, facts: &[Facts]) -> Option<Vec<Failing>> {
    let mut backoff = Backoff::default();
    for left in (0..FACTS_TRIES_MAX).rev() {
        match args.store.record_facts(facts.to_vec()).await {
            Ok(failing) => return Some(failing),
            // Told twice they would count twice, so what may have been written is not tried again.
            Err(error) if left == 0 || matches!(error, fanfare_store::Error::Unknown(_)) => {
                tracing::warn!(
                    error = error.label(),
                    devices = facts.len(),
                    "delivery facts cannot be written, let go"
                );
                return None;
            }
            Err(_) => backoff.wait().await,
        }
    }
    None
}
