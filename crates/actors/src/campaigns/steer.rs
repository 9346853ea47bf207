//! Steering: a durable change of standing, and what is to be true before its answer.

use std::sync::Arc;

use fanfare_core::campaign::{self, Command, Known};
use fanfare_store::campaigns::StoredCampaign;
use fanfare_store::fleet::Notice;
use fanfare_types::{AppId, CampaignId, CampaignState, Standing};

use super::change::{Change, change};
use super::known::known;
use super::{CampaignView, Parts};
use crate::{Error, Result};

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
        let decide = |stored: Box<StoredCampaign>| async move {
            let known = self.known(&stored, command).await?;
            let next = campaign::steer(command, &stored.standing, known, self.clock.now());
            Ok::<_, Error>((stored, next.map_err(Error::Impossible)?))
        };
        match change(&self.store, app, id, decide).await? {
            Change::Written(standing) => self.carry_out(app, id, &standing),
            Change::Stands(stored) => self.carry_out(app, id, &stored.standing),
            Change::Contended => return Err(Error::Contended),
            Change::Gone => return Ok(None),
        }
        self.tell(app, id).await?;
        self.view(app, id).await
    }

    /// Every other node has looked at its standing when this returns, or hands nothing over any more.
    pub(super) async fn tell(&self, app: &AppId, id: CampaignId) -> Result<()> {
        let app = app.clone();
        self.fleet.tell(Notice::Campaign { app, id }).await
    }

    /// What is durable is so in memory, too: nothing more of a paused or cancelled one is handed over. One that is
    /// about to run reads the standing once it can be found here.
    pub(super) fn carry_out(&self, app: &AppId, id: CampaignId, standing: &Standing) {
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
