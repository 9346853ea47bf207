//! What the supervisor reads and writes.

use std::future::ready;
use std::sync::Arc;

use fanfare_core::campaign::{self, Command, Known};
use fanfare_store::Store;
use fanfare_store::campaigns::StoredCampaign;
use fanfare_store::fleet::Notice;
use fanfare_types::{AppId, CampaignId, CampaignState, Timestamp};

use super::Msg;
use crate::campaigns::change::change;
use crate::campaigns::known::known;
use crate::campaigns::run::Ways;

/// Campaigns read in one store call.
const PAGE: usize = 64;

/// What the supervisor needs to know of a campaign.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(super) app: AppId,
    pub(super) id: CampaignId,
    pub(super) state: CampaignState,
    pub(super) revision: u64,
    pub(super) rate: Option<u32>,
    pub(super) start_at: Option<Timestamp>,
    pub(super) has_open: bool,
}

impl Seen {
    fn of(stored: StoredCampaign) -> Self {
        Seen {
            app: stored.record.app,
            id: stored.record.id,
            state: stored.standing.state,
            revision: stored.standing.revision,
            rate: stored.standing.rate,
            start_at: stored.standing.start_at,
            has_open: stored.scan.opened > stored.counts.terminal(),
        }
    }
}

/// Every unfinished campaign there is.
pub(super) async fn walk(store: Arc<dyn Store>) -> Msg {
    let mut seen = Vec::new();
    loop {
        let after = seen.last().map(|seen: &Seen| seen.id);
        match store.unfinished_campaigns(after, PAGE).await {
            Ok(page) => {
                let is_last = page.len() < PAGE;
                seen.extend(page.into_iter().map(Seen::of));
                if is_last {
                    return Msg::Walked(Ok(seen));
                }
            }
            Err(error) => {
                tracing::warn!(
                    error = error.label(),
                    "campaigns could not be looked at, tried again"
                );
                return Msg::Walked(Err(()));
            }
        }
    }
}

pub(super) async fn look(store: Arc<dyn Store>, app: AppId, id: CampaignId) -> Msg {
    match store.campaign(&app, id).await {
        Ok(found) => Msg::Looked(found.map(Seen::of)),
        Err(error) => failed(app, id, &error),
    }
}

fn failed(app: AppId, id: CampaignId, error: &fanfare_store::Error) -> Msg {
    tracing::warn!(
        campaign = %id,
        error = error.label(),
        "campaign could not be looked at, tried again"
    );
    Msg::Failed(app, id)
}

/// A scheduled campaign's time has come.
pub(super) async fn start(ways: Ways, app: AppId, id: CampaignId) -> Msg {
    let ways = &ways;
    let decide = |stored: Box<StoredCampaign>| async move {
        let known = known(&ways.store, &stored).await?;
        let next = campaign::due(&stored.standing, known, ways.clock.now());
        Ok::<_, fanfare_store::Error>((stored, next))
    };
    match change(&ways.store, &app, id, decide).await {
        Ok(_) => look(ways.store.clone(), app, id).await,
        Err(error) => failed(app, id, &error),
    }
}

/// It crashed too often.
pub(super) async fn pause(ways: Ways, app: AppId, id: CampaignId) -> Msg {
    let decide = |stored: Box<StoredCampaign>| {
        let known = Known::of_any(stored.record.ttl);
        let next = campaign::steer(Command::Pause, &stored.standing, known, ways.clock.now());
        // What cannot be paused does not run either.
        ready(Ok::<_, fanfare_store::Error>((stored, next.ok().flatten())))
    };
    if let Err(error) = change(&ways.store, &app, id, decide).await {
        return failed(app, id, &error);
    }
    let notice = Notice::Campaign {
        app: app.clone(),
        id,
    };
    if ways.fleet.tell(notice).await.is_err() {
        tracing::warn!(campaign = %id, "other gateways find later that the campaign is paused");
    }
    // One that cannot be paused (it was cancelled) is tried again, a little later each time.
    Msg::Failed(app, id)
}
