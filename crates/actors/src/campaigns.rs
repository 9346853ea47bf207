//! Campaigns as the API sees them: make, steer, upload, look up.
//!
//! A change of state is a compare-and-set in the store, decided by `core`; only when it is durable are those told who
//! carry it out. So a crash in between changes nothing about what will happen, and two that ask at once are one after
//! the other.

mod change;
mod known;
pub(crate) mod run;
pub(crate) mod runs;
mod steer;
pub(crate) mod supervisor;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use fanfare_core::campaign::{self, Command, Impossible, Look, eta};
use fanfare_store::campaigns::{
    Audienced, Block, CampaignDeliveries, Changed, Created, DeliveryCursor, Named, StoredCampaign,
    Upload, UploadRow,
};
use fanfare_store::{Idempotency, Store};
use fanfare_types::message::Variables;
use fanfare_types::{
    AppId, Audience, CampaignId, CampaignRecord, Clock, Counts, Message, MissingVariable,
    OnUnknown, Outcome, Priority, Standing, Timestamp,
};

use crate::fleet::FleetHandle;
use crate::notifications::IdempotencyKey;
use crate::random::Random;
use crate::{Error, Result};
use runs::Runs;
use supervisor::CampaignsHandle;

/// Cheap to clone.
#[derive(Clone)]
pub struct Campaigns(Arc<Parts>);

pub(crate) struct Parts {
    pub(crate) limits: Limits,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) runs: Runs,
    pub(crate) fleet: FleetHandle,
    pub(crate) supervisor: CampaignsHandle,
    /// Has everybody look at what they hold of an app: something of it was withdrawn or cancelled.
    pub(crate) sweep: Arc<dyn Fn(&AppId) + Send + Sync>,
    pub(crate) clock: Clock,
    pub(crate) random: Random,
}

#[derive(Clone, Debug)]
pub struct Limits {
    /// Campaigns of one app that are not finished. Default 1,000; at it a new one is refused: 409.
    pub unfinished_max: u64,
    /// Deliveries of one campaign in memory at most. Default 8,192; its readers wait at it.
    pub window: usize,
    /// Uploaded rows of one campaign. Default 50,000,000; beyond it 413.
    pub upload_rows_max: u64,
    /// Whether deliveries of campaigns are counted among a device's delivery facts. Default no: a row would be written
    /// for each push.
    pub facts: bool,
    /// How long an `Idempotency-Key` is remembered. Default 24 h.
    pub idempotency_ttl: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            unfinished_max: 1_000,
            window: 8_192,
            upload_rows_max: 50_000_000,
            facts: false,
            idempotency_ttl: Duration::from_secs(24 * 60 * 60),
        }
    }
}

/// A checked request.
#[derive(Clone, Debug)]
pub struct NewCampaign {
    pub app: AppId,
    pub name: String,
    pub audience: Audience,
    pub message: Message,
    pub variables: Variables,
    pub missing_variable: MissingVariable,
    pub priority: Priority,
    pub collapse_key: Option<String>,
    pub on_unknown: OnUnknown,
    pub ttl: Duration,
    /// Pushes a second.
    pub rate: Option<u32>,
    /// Absent: it waits for `start`.
    pub start_at: Option<Timestamp>,
    pub idempotency: Option<IdempotencyKey>,
}

/// A campaign at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct CampaignView {
    pub record: CampaignRecord,
    pub standing: Standing,
    pub upload: Upload,
    /// waiting + in flight + every outcome.
    pub total: u64,
    /// The audience is still being read, and is reckoned by what matched so far.
    pub total_is_estimate: bool,
    pub counts: Counts,
    /// Deliveries that ended in the last seconds, a second.
    pub rate_now: f64,
    /// Until the last delivery ends at this rate; `None` when it does not run or nothing moves.
    pub eta: Option<Duration>,
}

impl CampaignView {
    /// As the store has it, and with what memory knows better while it runs.
    pub(crate) fn of(stored: StoredCampaign, look: Option<Look>) -> Self {
        let rows_are_recipients = stored.record.audience == Audience::Upload;
        let found = look.map_or_else(|| runs::found(&stored), |look| look.found);
        let (total, total_is_estimate, counts) =
            found.books(stored.standing.state, rows_are_recipients);
        let rate_now = look.map_or(0.0, |look| look.rate);
        CampaignView {
            record: stored.record,
            standing: stored.standing,
            upload: stored.upload,
            total,
            total_is_estimate,
            counts,
            rate_now,
            eta: look.and_then(|_| eta(counts.waiting + counts.in_flight, rate_now)),
        }
    }
}

impl Campaigns {
    pub(crate) fn new(parts: Parts) -> Self {
        Campaigns(Arc::new(parts))
    }

    /// Makes a campaign: durable when it answers; the same again for a repeated request.
    pub async fn create(&self, new: NewCampaign) -> Result<CampaignView> {
        let parts = &self.0;
        let now = parts.clock.now();
        let standing = campaign::draft(new.rate, new.start_at, now);
        let idempotency = new.idempotency.map(|idempotency| Idempotency {
            key: idempotency.key,
            body: idempotency.body,
            expires_at: now + parts.limits.idempotency_ttl,
        });
        let record = CampaignRecord {
            id: CampaignId::new(now, parts.random.next()),
            app: new.app,
            name: new.name,
            created_at: now,
            audience: new.audience,
            message: new.message,
            variables: new.variables,
            missing_variable: new.missing_variable,
            priority: new.priority,
            collapse_key: new.collapse_key,
            on_unknown: new.on_unknown,
            ttl: new.ttl,
        };
        let (app, id, is_scheduled) = (record.app.clone(), record.id, new.start_at.is_some());
        // One that is scheduled starts by itself, also when its caller went away.
        let _told = Told {
            parts,
            app: &app,
            id,
        };
        let max = parts.limits.unfinished_max;
        let created = parts.store.create(record, standing, idempotency, max);
        let id = match created.await? {
            Created::New => id,
            Created::Repeated(id) => id,
            Created::Conflict => return Err(Error::IdempotencyConflict),
            Created::TooMany => return Err(Error::Impossible(Impossible::TooMany)),
        };
        if is_scheduled {
            parts.tell(&app, id).await?;
        }
        self.view(&app, id).await?.ok_or(Error::Contended)
    }

    /// Its standing was changed on another node: it is so here, too, when this returns.
    pub(crate) async fn was_changed(&self, app: &AppId, id: CampaignId) -> Result<()> {
        if let Some(stored) = self.0.store.campaign(app, id).await? {
            self.0.carry_out(app, id, &stored.standing);
        }
        Ok(())
    }

    /// Slots were lost: nothing of them is kept beyond what is under way.
    pub(crate) fn forget_lost(&self) {
        self.0.runs.forget_lost();
    }

    /// `None` when there is no such campaign in this app.
    pub async fn view(&self, app: &AppId, id: CampaignId) -> Result<Option<CampaignView>> {
        self.0.view(app, id).await
    }

    /// Newest first, from just before `before`.
    pub async fn list(
        &self,
        app: &AppId,
        before: Option<CampaignId>,
        limit: usize,
    ) -> Result<Vec<CampaignView>> {
        let stored = self.0.store.campaigns(app, before, limit).await?;
        let now = self.0.clock.now();
        let view = |stored| self.0.runs.view(stored, now);
        Ok(stored.into_iter().map(view).collect())
    }

    /// Does what is asked, or finds it done; durable when it answers. After a pause or a cancel has answered, nothing
    /// more is handed over. `None` when there is no such campaign in this app.
    ///
    /// # Errors
    /// [`Error::Impossible`] says why not.
    pub async fn steer(
        &self,
        app: &AppId,
        id: CampaignId,
        command: Command,
    ) -> Result<Option<CampaignView>> {
        steer::steer(&self.0, app, id, command).await
    }

    /// Adds to the upload of a draft or scheduled campaign; durable when it answers with what the upload is then.
    /// `None` when there is no such campaign in this app.
    ///
    /// # Errors
    /// [`Error::Impossible`] when the campaign takes no upload any more. A block that does not fit on what is there
    /// changes nothing, and the answer is what is there.
    pub async fn append(
        &self,
        app: &AppId,
        id: CampaignId,
        block: Block,
    ) -> Result<Option<Appended>> {
        let upload = block.upload.clone();
        Ok(match self.0.store.append(app, id, block).await? {
            Changed::Done => Some(Appended::Taken(upload)),
            Changed::Gone => None,
            Changed::Conflict(stored) => {
                use fanfare_types::CampaignState::{Draft, Scheduled};
                let from = stored.standing.state;
                if !matches!(from, Draft | Scheduled) {
                    return Err(Error::Impossible(Impossible::State { from }));
                }
                Some(Appended::DoesNotFit(stored.upload))
            }
        })
    }

    /// Whether it has a run, or had one of which something may be with somebody.
    #[cfg(test)]
    pub(crate) fn has_run(&self, id: CampaignId) -> bool {
        self.0.runs.get(id).is_some()
    }

    /// What was not simply delivered; see [`fanfare_store::Campaigns::campaign_deliveries`].
    pub async fn deliveries(
        &self,
        app: &AppId,
        id: CampaignId,
        outcome: Option<Outcome>,
        from: DeliveryCursor,
        limit: usize,
    ) -> Result<Option<CampaignDeliveries>> {
        let store = &self.0.store;
        Ok(store
            .campaign_deliveries(app, id, outcome, from, limit)
            .await?)
    }

    /// How many the audience has now, looking at no more than `rows_max` rows.
    pub async fn count(
        &self,
        app: &AppId,
        id: CampaignId,
        audience: Audience,
        rows_max: u64,
    ) -> Result<Audienced> {
        let (store, audience) = (&self.0.store, Arc::new(audience));
        Ok(store
            .count(app, Some(id), audience, rows_max, u64::MAX)
            .await?)
    }

    /// The uploaded row of a user or device, for a preview.
    pub async fn uploaded(
        &self,
        app: &AppId,
        id: CampaignId,
        named: Vec<Named>,
    ) -> Result<Option<UploadRow>> {
        Ok(self.0.store.uploaded(app, id, named).await?)
    }
}

/// Has the supervisor look, on drop.
struct Told<'a> {
    parts: &'a Parts,
    app: &'a AppId,
    id: CampaignId,
}

impl Drop for Told<'_> {
    fn drop(&mut self) {
        self.parts.supervisor.changed(self.app, self.id);
    }
}

/// What became of a block of an upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Appended {
    Taken(Upload),
    /// It begins somewhere else than what is there ends; this is what is there.
    DoesNotFit(Upload),
}

impl fmt::Debug for Campaigns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Campaigns")
    }
}
