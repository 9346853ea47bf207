//! Pages of a shard, the look at a registry before it is cut, and the count of an audience.

use std::ops::ControlFlow;
use std::sync::Arc;

use fanfare_types::{AppId, Audience, CampaignId};
use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::Room;
use super::cut::{Cut, Range, Seen, part};
use super::rows::{CampaignRow, Look};
use super::sight::{Locales, Sight, Wanted};
use super::walk::{Walk, Walked};
use crate::campaigns::{AudiencePage, AudienceQuery, Audienced, Cursor, Shard};
use crate::scylla::fault::damaged;
use crate::scylla::session::Cas;
use crate::{Error, Result};

use super::create::{TRIES, contended};

/// Rows looked at in one read of a count.
const COUNTED_A_READ: u64 = 4_096;

/// A count looks at so many times more rows of other apps that share the tables, before it gives up.
const OTHERS_MAX: u64 = 16;

/// A registry is looked at in so many places before it is cut, at so many rows each.
const SAMPLES: u32 = 16;
const SAMPLE_ROWS: usize = 256;

/// Cuts in memory; of more, all are forgotten.
const CUTS_MAX: usize = 1_024;

impl Room {
    /// The cut of a campaign, which never changes: read once.
    pub(super) async fn cut_of(&self, app: &AppId, id: CampaignId) -> Result<Option<Arc<Cut>>> {
        let known = self.cuts.lock().get(&id).cloned();
        if let Some(known) = known {
            return Ok(Some(known).filter(|cut| cut.app == *app));
        }
        let row = self.find_of(app, id, Look::Plain).await?;
        let cut = row.and_then(|row| row.cut).map(Arc::new);
        if let Some(cut) = &cut {
            let mut cuts = self.cuts.lock();
            if cuts.len() >= CUTS_MAX {
                cuts.clear();
            }
            cuts.insert(id, cut.clone());
        }
        Ok(cut)
    }

    /// See [`crate::Campaigns::shards`].
    pub(super) async fn shards(
        &self,
        app: &AppId,
        id: CampaignId,
        parts: usize,
    ) -> Result<Vec<Shard>> {
        let mut look = Look::Plain;
        for _ in 0..TRIES {
            let Some(row) = self.find_of(app, id, look).await? else {
                return Ok(Vec::new());
            };
            if let Some(cut) = &row.cut {
                return self.take_over(id, cut).await;
            }
            if parts == 0 || row.standing.state.is_final() {
                return Ok(Vec::new());
            }
            let cut = self.draw(&row, parts).await?;
            let cut = super::rows::json(&cut)?;
            let values = (cut, &id.0.0[..], row.revision, row.step);
            match self.db.cas(&self.sql.cut, values).await {
                Ok(Cas::Applied | Cas::Refused) => {}
                Err(Error::Unknown(_)) => look = Look::Decided,
                Err(error) => return Err(error),
            }
        }
        Err(contended())
    }

    async fn draw(&self, row: &CampaignRow, parts: usize) -> Result<Cut> {
        let (app, now) = (row.record.app.clone(), super::now());
        if row.record.audience != Audience::Upload {
            let seen = self.look_around(&app).await?;
            return Ok(Cut::of_devices(app, now, parts, &seen));
        }
        self.index(row).await?;
        let upload = row.upload_id.unwrap_or_default();
        let blocks = self.outline(upload, row.blocks).await?;
        Ok(Cut::of_upload(app, now, parts, upload, &blocks))
    }

    /// All of a small registry, samples of a large one.
    async fn look_around(&self, app: &AppId) -> Result<Seen> {
        let samples = (0..SAMPLES).map(|number| async move {
            let range = part(number, SAMPLES);
            let walk = Walk {
                room: self,
                app: app.as_str(),
                range,
                rows: SAMPLE_ROWS,
            };
            let mut tokens = Vec::new();
            let walked = walk.step(|token, sights| {
                tokens.extend(std::iter::repeat_n(token, sights.len()));
                Ok(ControlFlow::Continue(()))
            });
            let last = walked.await?.at;
            let seen = Range { last, ..range };
            Ok::<_, Error>((tokens, seen.width()))
        });
        let samples = stream::iter(samples).buffered(4);
        let samples: Vec<_> = samples.try_collect().await?;
        let mut seen = Seen {
            tokens: Vec::new(),
            width: 0,
        };
        for (tokens, width) in samples {
            seen.tokens.extend(tokens);
            seen.width += width;
        }
        Ok(seen)
    }

    /// A page of devices.
    pub(super) async fn devices(&self, query: &AudienceQuery, cut: &Cut) -> Result<AudiencePage> {
        let wanted = Wanted::new(&query.audience);
        let limit = query.limit.max(1);
        let mut range = cut.range(query.shard);
        range.after = token(&query.after)?;
        let mut page = AudiencePage {
            rows: Vec::with_capacity(limit.min(query.rows_max)),
            ..AudiencePage::default()
        };
        let mut locales = Locales::default();
        let mut left = query.rows_max.max(1);
        // So many are as good as a full page: for the rest another read would not pay.
        let enough = limit - limit / 4;
        let mut rows = limit;
        while range.after < range.last && left > 0 && page.rows.len() < enough {
            let walk = Walk {
                room: self,
                app: query.app.as_str(),
                range,
                rows: rows.min(left),
            };
            let visit = |_, sights: &[Sight<'_>]| {
                for sight in sights
                    .iter()
                    .filter(|sight| cut.has(sight.id.0.created_at(), sight.since))
                {
                    page.scanned += 1;
                    if sight.matches(wanted)? {
                        page.rows.push(sight.recipient(&mut locales)?);
                    }
                }
                Ok(match page.rows.len() >= limit {
                    true => ControlFlow::Break(()),
                    false => ControlFlow::Continue(()),
                })
            };
            let Walked { rows: seen, at, .. } = walk.step(visit).await?;
            range.after = at;
            left = left.saturating_sub(usize::try_from(seen).unwrap_or(usize::MAX).max(1));
            // As many as it takes, as far as one can tell from those that were seen.
            let looked = query.rows_max - left;
            let want = limit.saturating_sub(page.rows.len());
            rows = want.saturating_mul(looked) / page.rows.len().max(1);
        }
        page.is_last = range.after >= range.last;
        page.cursor = Cursor(range.after.to_be_bytes().to_vec());
        Ok(page)
    }

    /// See [`crate::Campaigns::count`].
    pub(super) async fn count_devices(
        &self,
        app: &AppId,
        audience: &Audience,
        rows_max: u64,
        recipients_max: u64,
    ) -> Result<Audienced> {
        let wanted = Wanted::new(audience);
        let mut counted = Audienced::default();
        let (mut range, mut others) = (Range::RING, rows_max.saturating_mul(OTHERS_MAX));
        while range.after < range.last {
            let left = rows_max.saturating_sub(counted.scanned);
            if left == 0 || others == 0 || counted.recipients >= recipients_max {
                return Ok(counted);
            }
            let rows = left.clamp(64, COUNTED_A_READ);
            let walk = Walk {
                room: self,
                app: app.as_str(),
                range,
                rows: rows as usize,
            };
            let visit = |_, sights: &[Sight<'_>]| {
                for sight in sights {
                    if counted.scanned >= rows_max {
                        return Ok(ControlFlow::Break(()));
                    }
                    counted.scanned += 1;
                    counted.recipients += u64::from(sight.matches(wanted)?);
                }
                Ok(ControlFlow::Continue(()))
            };
            let walked = walk.step(visit).await?;
            others = others.saturating_sub(walked.rows);
            range.after = walked.at;
        }
        counted.is_whole = true;
        Ok(counted)
    }
}

fn token(cursor: &Cursor) -> Result<i64> {
    let bytes = cursor.0.as_slice().try_into();
    let bytes = bytes.map_err(|_| damaged("a place in a shard"))?;
    Ok(i64::from_be_bytes(bytes))
}
