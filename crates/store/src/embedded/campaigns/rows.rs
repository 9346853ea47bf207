//! The campaign's own row: made, looked up, changed.

use fanfare_types::ids::Id96;
use fanfare_types::{AppId, CampaignId, CampaignRecord, CampaignState, Counts, Standing};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;

use crate::campaigns::{Changed, Created, Scan, StoredCampaign, Upload};
use crate::embedded::fault::corrupt;
use crate::embedded::values::{integer, unsigned};
use crate::embedded::{history, idempotency};
use crate::{Error, Idempotency, Result};

/// A campaign packed for its rows.
pub(in crate::embedded) struct Packed {
    record: CampaignRecord,
    body: String,
    standing: PackedStanding,
    idempotency: Option<Idempotency>,
}

impl Packed {
    pub(in crate::embedded) fn new(
        record: CampaignRecord,
        standing: &Standing,
        idempotency: Option<Idempotency>,
    ) -> Result<Self> {
        Ok(Packed {
            body: json(&record)?,
            standing: PackedStanding::new(standing)?,
            record,
            idempotency,
        })
    }
}

pub(in crate::embedded) struct PackedStanding {
    state: CampaignState,
    revision: u64,
    body: String,
}

impl PackedStanding {
    pub(in crate::embedded) fn new(standing: &Standing) -> Result<Self> {
        Ok(PackedStanding {
            state: standing.state,
            revision: standing.revision,
            body: json(standing)?,
        })
    }
}

pub(super) fn json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value)
        .map_err(|error| Error::Unavailable(format!("campaign not written: {error}")))
}

pub(in crate::embedded) fn create(
    db: &Connection,
    packed: &Packed,
    unfinished_max: u64,
) -> Result<Created> {
    let CampaignRecord {
        id,
        app,
        created_at,
        ..
    } = &packed.record;
    if let Some(key) = &packed.idempotency
        && let Some(used) = idempotency::used(db, app, key, *created_at)?
    {
        let earlier = CampaignId(used.id);
        let is_repeated = used.is_same_body && seq(db, app, earlier)?.is_some();
        return Ok(match is_repeated {
            true => Created::Repeated(earlier),
            false => Created::Conflict,
        });
    }
    if let Some(found) = holder(db, *id)? {
        // A caller that tries again after an unknown outcome.
        return Ok(match found == app.as_str() {
            true => Created::Repeated(*id),
            false => Created::Conflict,
        });
    }
    if count_unfinished(db, app)? >= unfinished_max {
        return Ok(Created::TooMany);
    }
    let PackedStanding {
        state,
        revision,
        body,
    } = &packed.standing;
    db.prepare_cached(
        "INSERT INTO campaigns (id, app, state, finished, revision, standing) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![
        &id.0.0[..],
        app.as_str(),
        state.as_str(),
        state.is_final(),
        integer(*revision),
        body,
    ])?;
    db.prepare_cached("INSERT INTO campaign_records (seq, body) VALUES (?1, ?2)")?
        .execute((db.last_insert_rowid(), &packed.body))?;
    if let Some(key) = &packed.idempotency {
        idempotency::keep(db, app, key, id.0, 0)?;
    }
    Ok(Created::New)
}

/// The app whose campaign has this id.
fn holder(db: &Connection, id: CampaignId) -> Result<Option<String>> {
    let app = db
        .prepare_cached("SELECT app FROM campaigns WHERE id = ?1")?
        .query_row([&id.0.0[..]], |row| row.get(0));
    Ok(app.optional()?)
}

/// The number by which its other rows know a campaign.
pub(super) fn seq(db: &Connection, app: &AppId, id: CampaignId) -> Result<Option<i64>> {
    let seq = db
        .prepare_cached("SELECT seq FROM campaigns WHERE app = ?1 AND id = ?2")?
        .query_row((app.as_str(), &id.0.0[..]), |row| row.get(0));
    Ok(seq.optional()?)
}

const SELECT: &str = "SELECT seq, standing, body FROM campaigns JOIN campaign_records USING (seq)";

pub(in crate::embedded) fn campaign(
    db: &Connection,
    app: &AppId,
    id: CampaignId,
) -> Result<Option<StoredCampaign>> {
    let sql = format!("{SELECT} WHERE app = ?1 AND id = ?2");
    let mut select = db.prepare_cached(&sql)?;
    let mut rows = select.query((app.as_str(), &id.0.0[..]))?;
    rows.next()?.map(|row| stored(db, row)).transpose()
}

pub(in crate::embedded) fn list(
    db: &Connection,
    app: &AppId,
    before: Option<CampaignId>,
    limit: usize,
) -> Result<Vec<StoredCampaign>> {
    let sql = format!("{SELECT} WHERE app = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3");
    let mut select = db.prepare_cached(&sql)?;
    // No id has more bytes than 12, so this one is behind them all.
    let before = before.map_or_else(|| [0xff; 13].to_vec(), |id| id.0.0.to_vec());
    let mut rows = select.query((app.as_str(), before, integer(limit as u64)))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(stored(db, row)?);
    }
    Ok(found)
}

pub(in crate::embedded) fn unfinished(
    db: &Connection,
    after: Option<CampaignId>,
    limit: usize,
) -> Result<Vec<StoredCampaign>> {
    let sql = format!(
        "{SELECT} WHERE seq IN (
            SELECT seq FROM campaigns WHERE finished = 0
            UNION SELECT DISTINCT campaign FROM campaign_chunks
        ) AND id > ?1 ORDER BY id LIMIT ?2"
    );
    let mut select = db.prepare_cached(&sql)?;
    let after = after.map_or(Vec::new(), |id| id.0.0.to_vec());
    let mut rows = select.query((after, integer(limit as u64)))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(stored(db, row)?);
    }
    Ok(found)
}

fn count_unfinished(db: &Connection, app: &AppId) -> Result<u64> {
    let sql = "SELECT count(*) FROM campaigns WHERE app = ?1 AND finished = 0";
    let mut select = db.prepare_cached(sql)?;
    Ok(select.query_row([app.as_str()], |row| row.get(0).map(unsigned))?)
}

/// A row of [`SELECT`], with what its other tables say.
fn stored(db: &Connection, row: &Row<'_>) -> Result<StoredCampaign> {
    let seq: i64 = row.get(0)?;
    let text = |at: usize| Ok::<_, rusqlite::Error>(row.get_ref(at)?.as_str()?);
    let (scan, counts) = shards(db, seq)?;
    Ok(StoredCampaign {
        standing: serde_json::from_str(text(1)?).map_err(|_| corrupt("campaigns.standing"))?,
        record: serde_json::from_str(text(2)?).map_err(|_| corrupt("campaign_records.body"))?,
        upload: upload(db, seq)?,
        scan,
        counts,
    })
}

fn shards(db: &Connection, seq: i64) -> Result<(Scan, Counts)> {
    let mut select = db.prepare_cached(
        "SELECT sum(ended_delivered), sum(ended_rejected), sum(ended_dead), sum(ended_expired),
            sum(ended_cancelled), sum(ended_failed), sum(rows), sum(scanned), sum(opened), min(done)
         FROM campaign_shards WHERE campaign = ?1 GROUP BY campaign",
    )?;
    let sums = select.query_row([seq], |row| {
        let scan = Scan {
            rows: unsigned(row.get(6)?),
            scanned: unsigned(row.get(7)?),
            opened: unsigned(row.get(8)?),
            is_done: row.get(9)?,
        };
        Ok((scan, history::counts(row)?))
    });
    Ok(sums.optional()?.unwrap_or_default())
}

fn upload(db: &Connection, seq: i64) -> Result<Upload> {
    let sql = "SELECT state FROM campaign_uploads WHERE campaign = ?1";
    let mut select = db.prepare_cached(sql)?;
    let mut rows = select.query([seq])?;
    match rows.next()? {
        None => Ok(Upload::default()),
        Some(row) => {
            let state = row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?;
            serde_json::from_str(state).map_err(|_| corrupt("campaign_uploads.state"))
        }
    }
}

/// Writes the standing if it is the next one, and the campaign does not begin to run over half an upload: one may
/// have begun anew since the caller looked.
pub(in crate::embedded) fn change(
    db: &Connection,
    app: &AppId,
    id: CampaignId,
    standing: &PackedStanding,
) -> Result<Changed> {
    let changed = db
        .prepare_cached(
            "UPDATE campaigns SET state = ?4, finished = ?5, revision = ?3, standing = ?6
             WHERE app = ?1 AND id = ?2 AND revision = ?3 - 1 AND (?4 <> 'running' OR NOT EXISTS
                (SELECT 1 FROM campaign_uploads WHERE campaign = seq AND complete = 0))",
        )?
        .execute(params![
            app.as_str(),
            &id.0.0[..],
            integer(standing.revision),
            standing.state.as_str(),
            standing.state.is_final(),
            standing.body,
        ])?;
    match changed {
        0 => conflict(db, app, id),
        _ => Ok(Changed::Done),
    }
}

/// What is there, for whoever expected something else.
pub(super) fn conflict(db: &Connection, app: &AppId, id: CampaignId) -> Result<Changed> {
    let found = campaign(db, app, id)?;
    Ok(found.map_or(Changed::Gone, |found| Changed::Conflict(Box::new(found))))
}

/// Campaigns that cannot be read.
pub(in crate::embedded) fn unreadable(db: &Connection) -> Result<u64> {
    let mut select = db.prepare(SELECT)?;
    let mut rows = select.query([])?;
    let mut unreadable = 0;
    while let Some(row) = rows.next()? {
        unreadable += u64::from(stored(db, row).is_err());
    }
    Ok(unreadable)
}

/// The id that comes before all that are made from `at` on.
pub(super) fn bound(at: fanfare_types::Timestamp) -> [u8; 12] {
    Id96::new(at, 0).0
}
