//! The app's campaigns that are not over: one small partition an app, changed by compare-and-set, so that their number
//! keeps to its limit exactly. One that is final stays in it until nothing of it is open.

use std::collections::BTreeMap;

use fanfare_types::ids::Id96;
use fanfare_types::{AppId, CampaignId};
use futures_util::future::try_join_all;
use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::Room;
use super::create::{TRIES, contended};
use super::heads::AT_ONCE;
use super::rows::{CampaignRow, Look};
use crate::campaigns::StoredCampaign;
use crate::scylla::fault::damaged;
use crate::scylla::session::Cas;
use crate::{Error, Result};

/// What an entry becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Becomes {
    Open,
    Final,
    Gone,
}

/// An app's, as they were seen, and the revision to compare with.
#[derive(Default)]
struct List {
    revision: Option<i64>,
    /// Whether each is final.
    entries: BTreeMap<CampaignId, bool>,
}

impl Room {
    /// Gives a campaign that is about to be made its place, unless the app has too many. `true`, too, when it has one.
    pub(super) async fn enter(&self, app: &AppId, id: CampaignId, max: u64) -> Result<bool> {
        let mut is_tidy = false;
        for _ in 0..TRIES {
            let list = self.open_list(app).await?;
            if list.entries.contains_key(&id) {
                return Ok(true);
            }
            let unfinished = list.entries.values().filter(|is_final| !**is_final).count();
            if unfinished as u64 >= max {
                if is_tidy {
                    return Ok(false);
                }
                self.tidy(app, list.entries.into_keys()).await?;
                is_tidy = true;
            } else if self.set_entry(app, &list, id, Becomes::Open).await? {
                return Ok(true);
            }
        }
        Err(contended())
    }

    async fn open_list(&self, app: &AppId) -> Result<List> {
        type Row = (Option<i64>, Option<Vec<u8>>, Option<bool>);
        let rows: Vec<Row> = self.db.rows(&self.sql.open_list, (app.as_str(),)).await?;
        let mut list = List::default();
        for (revision, id, is_final) in rows {
            list.revision = revision;
            if let Some(id) = id {
                list.entries
                    .insert(campaign_id(id)?, is_final == Some(true));
            }
        }
        Ok(list)
    }

    /// One try; `false`: the list has changed since, or may have.
    async fn set_entry(
        &self,
        app: &AppId,
        list: &List,
        id: CampaignId,
        becomes: Becomes,
    ) -> Result<bool> {
        let (app, id) = (app.as_str(), &id.0.0[..]);
        let step = (list.revision.unwrap_or(0) + 1, app, list.revision);
        let first = self.sql.open_step.clone();
        let set = match becomes {
            Becomes::Gone => {
                let statements = vec![first, self.sql.open_remove.clone()];
                self.db.cas_all(statements, (step, (app, id))).await
            }
            Becomes::Open | Becomes::Final => {
                let statements = vec![first, self.sql.open_put.clone()];
                let entry = (app, id, becomes == Becomes::Final);
                self.db.cas_all(statements, (step, entry)).await
            }
        };
        match set {
            Ok(Cas::Applied) => Ok(true),
            Ok(Cas::Refused) | Err(Error::Unknown(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Brings entries up to what their campaigns say.
    async fn tidy(&self, app: &AppId, ids: impl Iterator<Item = CampaignId>) -> Result<()> {
        let found =
            ids.map(|id| async move { Ok::<_, Error>((id, self.find(id, Look::Plain).await?)) });
        let found = stream::iter(found).buffer_unordered(AT_ONCE);
        let found: Vec<_> = found.try_collect().await?;
        for (id, row) in found {
            match row {
                None => self.clear(app, id).await?,
                Some(row) if row.standing.state.is_final() => {
                    self.settle(row).await?;
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    /// An entry without a campaign: whoever was about to make it is kept from it, unless that is done by now.
    async fn clear(&self, app: &AppId, id: CampaignId) -> Result<()> {
        let values = (&id.0.0[..], app.as_str());
        match self.db.cas(&self.sql.void, values).await {
            Ok(_) | Err(Error::Unknown(_)) => {}
            Err(error) => return Err(error),
        }
        if self.find(id, Look::Decided).await?.is_none() {
            self.set_to(app, id, Becomes::Gone).await?;
        }
        Ok(())
    }

    async fn set_to(&self, app: &AppId, id: CampaignId, becomes: Becomes) -> Result<()> {
        for _ in 0..TRIES {
            let list = self.open_list(app).await?;
            let is_so = match list.entries.get(&id) {
                None => true,
                Some(is_final) => becomes == Becomes::Final && *is_final,
            };
            if is_so || self.set_entry(app, &list, id, becomes).await? {
                return Ok(());
            }
        }
        Err(contended())
    }

    /// A final campaign: nothing more is opened of it, and once nothing is open its numbers are kept with it and it
    /// leaves the list. Returns it as it is then.
    pub(super) async fn settle(&self, row: CampaignRow) -> Result<StoredCampaign> {
        let (app, id) = (row.record.app.clone(), row.record.id);
        let has_totals = row.totals.is_some();
        if let (Some(cut), false) = (&row.cut, has_totals) {
            self.close_shards(id, cut).await?;
        }
        let stored = self.stored(row).await?;
        let has_open = stored.scan.opened > stored.counts.terminal();
        if !has_open && !has_totals {
            self.sum_up(id, stored.scan, stored.counts).await?;
        }
        let becomes = match has_open {
            true => Becomes::Final,
            false => Becomes::Gone,
        };
        self.set_to(&app, id, becomes).await?;
        Ok(stored)
    }

    /// See [`crate::Campaigns::unfinished_campaigns`].
    pub(super) async fn unfinished(
        &self,
        after: Option<CampaignId>,
        limit: usize,
    ) -> Result<Vec<StoredCampaign>> {
        let apps = self.apps().await?;
        let lists = try_join_all(apps.iter().map(|app| self.open_list(app))).await?;
        let mut entries = BTreeMap::new();
        for (app, list) in apps.iter().zip(lists) {
            entries.extend(list.entries.into_keys().map(|id| (id, app)));
        }
        let mut found = Vec::new();
        for (id, app) in entries {
            if after.is_some_and(|after| id <= after) {
                continue;
            }
            if found.len() >= limit {
                break;
            }
            match self.find(id, Look::Plain).await? {
                None => self.clear_old(app, id).await?,
                Some(row) if row.standing.state.is_final() => {
                    let stored = self.settle(row).await?;
                    let has_open = stored.scan.opened > stored.counts.terminal();
                    found.extend(has_open.then_some(stored));
                }
                Some(row) => found.push(self.stored(row).await?),
            }
        }
        Ok(found)
    }

    /// A campaign is made within seconds of getting its place. A clock that goes wrong costs whoever makes it another
    /// try.
    async fn clear_old(&self, app: &AppId, id: CampaignId) -> Result<()> {
        const MAKING_SECS_MAX: u64 = 600;
        let age = super::now().0.saturating_sub(id.0.created_at().0) / 1_000;
        match age > MAKING_SECS_MAX {
            true => self.clear(app, id).await,
            false => Ok(()),
        }
    }
}

pub(super) fn campaign_id(bytes: Vec<u8>) -> Result<CampaignId> {
    let bytes = bytes.try_into().map_err(|_| damaged("a campaign's id"))?;
    Ok(CampaignId(Id96(bytes)))
}
