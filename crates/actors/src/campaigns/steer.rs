//! Steering: a durable change of standing, and what is to be true before its answer.

use std::sync::Arc;

use fanfare_core::campaign::{self, Command, Known};
use fanfare_store::campaigns::{Changed, StoredCampaign};
use fanfare_types::{AppId, CampaignId, CampaignState, Standing};

use super::known::known;
use super::{CampaignView, Parts};
use crate::{Error, Result};

/// How often a change that others got ahead of is decided again.
const TRIES_MAX: usize = 16;

/// In a task of its own: a caller who goes away does not leave a campaign that is paused in the store and runs.
pub(super) async fn steer(
    parts: &Arc<Parts>,
    app: &AppId,
    id: CampaignId,
    command: Command,
) -> Result<Option<CampaignView>> {
    let (parts, app) = (parts.clone(), app.clone());
    let steered = tokio::spawn(async move { parts.steer(&app, id, command).await });
    steered.await.unwrap_or(Err(Error::ShuttingDown))
}

impl Parts {
    async fn steer(
        &self,
        app: &AppId,
        id: CampaignId,
        command: Command,
    ) -> Result<Option<CampaignView>> {
        let Some(mut stored) = self.store.campaign(app, id).await? else {
            return Ok(None);
        };
        for _ in 0..TRIES_MAX {
            let known = self.known(&stored, command).await?;
            let next = campaign::steer(command, &stored.standing, known, self.clock.now())
                .map_err(Error::Impossible)?;
            let Some(next) = next else {
                self.carry_out(app, id, &stored.standing);
                return self.view(app, id).await;
            };
            match self.store.change(app, id, next.clone()).await? {
                Changed::Done => {
                    self.carry_out(app, id, &next);
                    return self.view(app, id).await;
                }
                Changed::Conflict(now) => stored = *now,
                Changed::Gone => return Ok(None),
            }
        }
        Err(Error::Contended)
    }

    /// What is durable is so in memory, too: nothing more of a paused or cancelled one is handed over. One that is
    /// about to run reads the standing once it can be found here.
    fn carry_out(&self, app: &AppId, id: CampaignId, standing: &Standing) {
        if let Some(running) = self.runs.get(id) {
            match standing.state {
                CampaignState::Paused => running.withdraw(),
                CampaignState::Cancelled => running.cancel(),
                _ => {
                    running.set_rate(standing.revision, standing.rate, self.clock.now());
                    running.look();
                }
            }
            // Another rate, too, is looked at by whoever waits for the old one.
            (self.sweep)(app);
        }
        self.supervisor.changed(app, id);
    }

    async fn known(&self, stored: &StoredCampaign, command: Command) -> Result<Known> {
        if command != Command::Start || stored.standing.state.is_final() {
            return Ok(Known::of_any(stored.record.ttl));
        }
        Ok(known(&self.store, stored).await?)
    }

    /// As memory has it while it runs, else as the store has it.
    pub(super) async fn view(&self, app: &AppId, id: CampaignId) -> Result<Option<CampaignView>> {
        let stored = self.store.campaign(app, id).await?;
        Ok(stored.map(|stored| self.runs.view(stored, self.clock.now())))
    }
}
