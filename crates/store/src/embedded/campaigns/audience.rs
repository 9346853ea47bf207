//! Pages of a shard, and the count of an audience: devices in id order, each row looked at once.

use std::ops::ControlFlow;

use fanfare_types::{AppId, Audience, DeviceId};
use rusqlite::{Connection, OptionalExtension};

use super::resolve;
use super::scan::{Locales, Scanned, Wanted, columns};
use crate::Result;
use crate::campaigns::{AudiencePage, AudienceQuery, Audienced, Cursor};
use crate::embedded::values::integer;

pub(in crate::embedded) fn page(db: &Connection, query: &AudienceQuery) -> Result<AudiencePage> {
    let sql = "SELECT seq, last FROM campaigns JOIN campaign_shards ON campaign = seq
        WHERE app = ?1 AND id = ?2 AND number = ?3";
    let key = (query.app.as_str(), &query.campaign.0.0[..], query.shard);
    let shard: Option<(i64, Vec<u8>)> = db
        .prepare_cached(sql)?
        .query_row(key, |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    match shard {
        // Purged meanwhile, or never cut.
        None => Ok(AudiencePage {
            cursor: query.after.clone(),
            is_last: true,
            ..AudiencePage::default()
        }),
        Some((campaign, last)) if *query.audience == Audience::Upload => {
            resolve::page(db, query, campaign, &last)
        }
        Some((_, last)) => devices(db, query, &last),
    }
}

fn devices(db: &Connection, query: &AudienceQuery, last: &[u8]) -> Result<AudiencePage> {
    let wanted = Wanted::new(&query.audience);
    let mut page = AudiencePage {
        rows: Vec::with_capacity(query.limit.min(query.rows_max)),
        ..AudiencePage::default()
    };
    let mut locales = Locales::default();
    let walk = Walk {
        app: &query.app,
        after: &query.after.0,
        last: Some(last),
        rows_max: query.rows_max,
    };
    let walked = walk.over(db, &columns(wanted, true), |row| {
        if row.matches(wanted)? {
            page.rows.push(row.recipient(&mut locales)?);
        }
        Ok(match page.rows.len() >= query.limit.max(1) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        })
    })?;
    page.scanned = walked.rows;
    page.is_last = walked.is_end;
    page.cursor = Cursor(
        walked
            .at
            .map_or_else(|| query.after.0.clone(), |id| id.0.0.to_vec()),
    );
    Ok(page)
}

/// A walk over devices of an app, in id order.
struct Walk<'a> {
    app: &'a AppId,
    /// From just after this id.
    after: &'a [u8],
    /// Up to this id.
    last: Option<&'a [u8]>,
    rows_max: usize,
}

#[derive(Default)]
struct Walked {
    rows: u64,
    /// The last row looked at.
    at: Option<DeviceId>,
    /// There are no more.
    is_end: bool,
}

impl Walk<'_> {
    fn over(
        &self,
        db: &Connection,
        columns: &str,
        mut visit: impl FnMut(&Scanned<'_>) -> Result<ControlFlow<()>>,
    ) -> Result<Walked> {
        let sql = format!(
            "SELECT {columns} FROM devices INDEXED BY devices_id
             WHERE app = ?1 AND id > ?2 AND id <= ?3 ORDER BY id LIMIT ?4"
        );
        let rows_max = self.rows_max.max(1) as u64;
        // No id has more bytes than 12, so this one is behind them all.
        let last = self.last.unwrap_or(&[0xff; 13]);
        let mut select = db.prepare_cached(&sql)?;
        let mut rows = select.query((self.app.as_str(), self.after, last, integer(rows_max)))?;
        let mut walked = Walked::default();
        while let Some(row) = rows.next()? {
            let row = Scanned(row);
            let id = row.id()?;
            walked.rows += 1;
            walked.at = Some(id);
            if visit(&row)?.is_break() {
                walked.is_end = id.0.0 == last;
                return Ok(walked);
            }
        }
        let at_last = walked.at.is_some_and(|id| id.0.0 == last);
        walked.is_end = at_last || walked.rows < rows_max;
        Ok(walked)
    }
}

/// Counts on from where a count stands, some rows of the way. Returns where it stands then, or nothing at the end.
pub(in crate::embedded) fn count_on(
    db: &Connection,
    app: &AppId,
    audience: &Audience,
    after: &Cursor,
    rows_max: usize,
    counted: &mut Audienced,
) -> Result<Option<Cursor>> {
    let wanted = Wanted::new(audience);
    let walk = Walk {
        app,
        after: &after.0,
        last: None,
        rows_max,
    };
    let walked = walk.over(db, &columns(wanted, false), |row| {
        counted.recipients += u64::from(row.matches(wanted)?);
        Ok(ControlFlow::Continue(()))
    })?;
    counted.scanned += walked.rows;
    let at = walked.at.filter(|_| !walked.is_end);
    Ok(at.map(|id| Cursor(id.0.0.to_vec())))
}
