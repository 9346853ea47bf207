//! Notifications in the order of their ids: accepted, cancelled, their outcomes recorded, and read back.

use std::ops::ControlFlow;
use std::path::Path;

use anyhow::{Context, ensure};
use fanfare_store::embedded::{CopyReader, Kept};
use fanfare_store::{Accept, Accepted, Error, Journal, OutcomeBatch};
use fanfare_types::NotificationId;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::Copy;

/// Written, recorded and read back together.
const BATCH: usize = 256;

/// Writes under way at a time.
const AT_ONCE: usize = 64;

/// Tries of a write whose outcome is unknown.
const TRIES: usize = 5;

pub(super) async fn copy(copy: &mut Copy) -> anyhow::Result<u64> {
    copy.bar.set_message("notifications");
    let (last, mut copied) = copy.place.notifications();
    copy.bar.inc(copied);
    let (mut rows, reading) = read(&copy.file, last.map(NotificationId));
    let mut batch = Vec::with_capacity(BATCH);
    while rows.recv_many(&mut batch, BATCH).await > 0 {
        take(&*copy.into, &batch).await?;
        copied += batch.len() as u64;
        copy.bar.inc(batch.len() as u64);
        let last = batch.last().map(|kept| kept.record.id.0);
        copy.place
            .note_notifications(last.context("a batch has a last one")?, copied)?;
        batch.clear();
    }
    reading.await.context("reading notifications")??;
    Ok(copied)
}

/// Off the runtime; at most two batches ahead.
fn read(
    file: &Path,
    after: Option<NotificationId>,
) -> (mpsc::Receiver<Kept>, JoinHandle<fanfare_store::Result<()>>) {
    let (send, rows) = mpsc::channel(2 * BATCH);
    let file = file.to_owned();
    let reading = tokio::task::spawn_blocking(move || {
        let each = &mut |kept| match send.blocking_send(kept) {
            Ok(()) => ControlFlow::Continue(()),
            // Nobody wants more.
            Err(_) => ControlFlow::Break(()),
        };
        CopyReader::open(&file)?.notifications(after, each)
    });
    (rows, reading)
}

async fn take(into: &dyn Journal, batch: &[Kept]) -> anyhow::Result<()> {
    each(batch.iter().map(|kept| enter(into, kept))).await?;
    let outcomes = batch.iter().filter(|kept| !kept.ended.is_empty());
    let outcomes = outcomes.map(|kept| OutcomeBatch {
        app: kept.record.app.clone(),
        id: kept.record.id,
        ended: kept.ended.clone(),
    });
    let outcomes: Vec<OutcomeBatch> = outcomes.collect();
    tried(|| into.record(outcomes.clone())).await?;
    each(batch.iter().map(|kept| read_back(into, kept))).await
}

async fn each(
    steps: impl Iterator<Item = impl Future<Output = anyhow::Result<()>>>,
) -> anyhow::Result<()> {
    stream::iter(steps)
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await
}

async fn enter(into: &dyn Journal, kept: &Kept) -> anyhow::Result<()> {
    let id = kept.record.id;
    let accepted = tried(|| {
        into.accept(Accept {
            record: kept.record.clone(),
            idempotency: kept.idempotency.clone(),
        })
    });
    match accepted.await? {
        Accepted::New => {}
        Accepted::Repeated { id: there, .. } => ensure!(there == id, "{id} has the key of {there}"),
        Accepted::Conflict => anyhow::bail!("{id} has the key of another request"),
    }
    if kept.cancelled {
        tried(|| into.cancel(&kept.record.app, id)).await?;
    }
    Ok(())
}

async fn read_back(into: &dyn Journal, kept: &Kept) -> anyhow::Result<()> {
    let id = kept.record.id;
    let there = into.summary(&kept.record.app, id).await?;
    let there = there.with_context(|| format!("notification {id} is not in the cluster"))?;
    let recipients = kept.record.targets.len() as u64;
    ensure!(
        there.counts.terminal() == kept.ended.len() as u64
            && there.recipients == recipients
            && there.cancelled == kept.cancelled,
        "notification {id} is another in the cluster than in the store"
    );
    let ended = kept.ended.iter();
    let differs = ended.fold(fanfare_types::Counts::default(), |mut counts, ended| {
        *counts.of(ended.outcome) += 1;
        counts
    });
    let is_same = fanfare_types::Outcome::ALL
        .iter()
        .all(|outcome| differs.clone().of(*outcome) == there.counts.clone().of(*outcome));
    ensure!(
        is_same,
        "the outcomes of notification {id} are others in the cluster"
    );
    Ok(())
}

/// Again, while it is not known whether it was done; all of it may be done twice.
async fn tried<T, F: Future<Output = fanfare_store::Result<T>>>(
    mut write: impl FnMut() -> F,
) -> fanfare_store::Result<T> {
    for _ in 1..TRIES {
        match write().await {
            Err(Error::Unknown(_) | Error::Overloaded) => {}
            done => return done,
        }
    }
    write().await
}
