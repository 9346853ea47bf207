//! What the supervisor reads and writes.

use std::sync::Arc;

use fanfare_core::campaign::{self, Command, Known};
use fanfare_store::Store;
use fanfare_store::campaigns::{Changed, StoredCampaign};
use fanfare_types::{AppId, CampaignId, CampaignState, Standing, Timestamp};

use super::Msg;
use crate::campaigns::known::known;
use crate::campaigns::run::Ways;

/// Campaigns read in one store call.
const PAGE: usize = 64;

/// How often a change that others got ahead of is decided again.
const TRIES_MAX: usize = 16;

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
    match change(&ways, &app, id, Turn::Start).await {
        Ok(()) => look(ways.store.clone(), app, id).await,
        Err(error) => failed(app, id, &error),
    }
}

/// It crashed too often.
pub(super) async fn pause(ways: Ways, app: AppId, id: CampaignId) -> Msg {
    if let Err(error) = change(&ways, &app, id, Turn::Pause).await {
        return failed(app, id, &error);
    }
    // One that cannot be paused (it was cancelled) is tried again, a little later each time.
    Msg::Failed(app, id)
}

/// What the supervisor changes by itself.
#[derive(Clone, Copy)]
enum Turn {
    Start,
    Pause,
}

impl Turn {
    async fn next(
        self,
        ways: &Ways,
        stored: &StoredCampaign,
    ) -> fanfare_store::Result<Option<Standing>> {
        let standing = &stored.standing;
        Ok(match self {
            Turn::Start => {
                let known = known(&ways.store, stored).await?;
                campaign::due(standing, known, ways.clock.now())
            }
            // What cannot be paused does not run either.
            Turn::Pause => campaign::steer(
                Command::Pause,
                standing,
                Known::of_any(stored.record.ttl),
                ways.clock.now(),
            )
            .ok()
            .flatten(),
        })
    }
}

/// Writes what is decided, decided again when others got ahead of it.
async fn change(ways: &Ways, app: &AppId, id: CampaignId, turn: Turn) -> fanfare_store::Result<()> {
    let Some(mut stored) = ways.store.campaign(app, id).await? else {
        return Ok(());
    };
    for _ in 0..TRIES_MAX {
        let Some(next) = turn.next(ways, &stored).await? else {
            return Ok(());
        };
        match ways.store.change(app, id, next).await? {
            Changed::Done | Changed::Gone => return Ok(()),
            Changed::Conflict(now) => stored = *now,
        }
    }
    Ok(())
}
