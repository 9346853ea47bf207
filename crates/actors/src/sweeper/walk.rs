//! The sweeper's walks. One row and one page at a time: nobody waits for them, and they should be no burden.

use fanfare_core::cleanup::{Sweep, sweep};
use fanfare_telemetry::Cleanup;
use fanfare_types::Device;
use tokio::time::sleep;

use super::{Args, Msg};
use crate::Result;

/// Walks the registry each `sweep_every`, first after one such time.
pub(super) async fn registry_again_and_again(args: Args) -> Msg {
    loop {
        sleep(args.limits.sweep_every).await;
        if let Err(error) = registry(&args).await {
            tracing::warn!(
                error = error.label(),
                "registry could not be swept, tried again next time"
            );
        }
    }
}

/// Purges the journal each `purge_every`.
pub(super) async fn journal_again_and_again(args: Args) -> Msg {
    loop {
        sleep(args.limits.purge_every).await;
        if let Err(error) = journal(&args).await {
            tracing::warn!(
                error = error.label(),
                "journal could not be purged, tried again next time"
            );
        }
    }
}

async fn registry(args: &Args) -> Result<()> {
    let mut after = None;
    loop {
        let page = args.store.scan(after, args.limits.page).await?;
        for device in page.devices {
            row(args, device).await?;
        }
        after = page.next;
        if after.is_none() {
            return Ok(());
        }
    }
}

async fn row(args: &Args, device: Device) -> Result<()> {
    let now = args.clock.now();
    let limits = &args.limits;
    let (app, user, id) = (&device.app, &device.user, device.id);
    let swept = match sweep(&device, now, limits.stale_after, limits.retention) {
        Sweep::Keep => None,
        Sweep::MarkStale => {
            let unseen_since = now - limits.stale_after;
            let marked = args.registry.mark_stale(app, user, id, unseen_since);
            marked.await?.then_some(Cleanup::Stale)
        }
        Sweep::Remove => {
            let before = now - limits.retention.unwrap_or_default();
            let removed = args.registry.purge(app, user, id, before);
            removed.await?.then_some(Cleanup::Retention)
        }
    };
    if let Some(cause) = swept {
        args.telemetry.device_cleaned(app, cause);
    }
    Ok(())
}

async fn journal(args: &Args) -> Result<()> {
    loop {
        let now = args.clock.now();
        let before = now - args.limits.journal_retention;
        let purge = args.store.purge(before, now, args.limits.purge_page);
        if purge.await? < args.limits.purge_page {
            break;
        }
    }
    let before = args.clock.now() - args.limits.journal_retention;
    while args
        .store
        .purge_campaigns(before, args.limits.purge_page)
        .await?
    {}
    Ok(())
}
