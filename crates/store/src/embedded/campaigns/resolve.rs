//! Pages of an upload: its rows, resolved to the devices they reach now.

use std::ops::ControlFlow;

use fanfare_types::{AppId, DeviceId, Recipient, UserId};
use rusqlite::{Connection, Statement};

use super::scan::{Locales, Scanned, Wanted, columns};
use super::uploads;
use crate::Result;
use crate::campaigns::{AudiencePage, AudienceQuery, AudienceRow, Cursor, Named, UploadRow};
use crate::embedded::fault::corrupt;
use crate::packed::{self, Place};

/// A page from the query's cursor on, at most up to the place `last`.
pub(super) fn page(
    db: &Connection,
    query: &AudienceQuery,
    campaign: i64,
    last: &[u8],
) -> Result<AudiencePage> {
    let from = Place::unpack(&query.after.0).ok_or_else(|| corrupt("campaign_shards.cursor"))?;
    let last = Place::unpack(last).ok_or_else(|| corrupt("campaign_shards.last"))?;
    let (rows, at) = uploaded(db, query, campaign, from, last)?;
    let mut devices = Devices::new(db, &query.app)?;
    let mut page = AudiencePage::default();
    let (mut next, mut places) = (at, rows.into_iter().peekable());
    while let Some((place, row)) = places.peek() {
        if page.rows.len() >= query.limit.max(1) {
            next = *place;
            break;
        }
        devices.resolve(row, &mut page.rows)?;
        page.scanned += 1;
        places.next();
    }
    page.is_last = next >= last;
    page.cursor = Cursor(next.pack());
    Ok(page)
}

/// Rows with their places, no more than may be on a page, and the place behind them.
fn uploaded(
    db: &Connection,
    query: &AudienceQuery,
    campaign: i64,
    from: Place,
    last: Place,
) -> Result<(Vec<(Place, UploadRow)>, Place)> {
    let rows_max = query.rows_max.min(query.limit).max(1);
    let mut rows: Vec<(Place, UploadRow)> = Vec::with_capacity(rows_max.min(1024));
    let mut at = last;
    let Some(upload) = uploads::number(db, campaign)? else {
        return Ok((rows, at));
    };
    uploads::visit_blocks(db, upload, from.block, |block, body| {
        let row = if block == from.block { from.row } else { 0 };
        let mut place = Place { block, row };
        if place >= last {
            return Some(ControlFlow::Break(()));
        }
        packed::visit_rows(body, row, |raw| {
            if rows.len() == rows_max {
                at = place;
                return Some(ControlFlow::Break(()));
            }
            rows.push((place, raw.row()?));
            place.row += 1;
            Some(ControlFlow::Continue(()))
        })?;
        if at != last {
            return Some(ControlFlow::Break(()));
        }
        if rows.len() == rows_max {
            // The page ends with this block.
            at = Place {
                block: block + 1,
                row: 0,
            }
            .min(last);
            return Some(ControlFlow::Break(()));
        }
        Some(ControlFlow::Continue(()))
    })?;
    Ok((rows, at))
}

/// Finds the devices of uploaded rows.
struct Devices<'a> {
    app: &'a AppId,
    by_user: rusqlite::CachedStatement<'a>,
    by_id: rusqlite::CachedStatement<'a>,
    locales: Locales,
}

impl<'a> Devices<'a> {
    fn new(db: &'a Connection, app: &'a AppId) -> Result<Self> {
        let select = format!("SELECT {} FROM devices", columns(Wanted::All, true));
        Ok(Devices {
            app,
            by_user: db.prepare_cached(&format!("{select} WHERE app = ?1 AND user = ?2"))?,
            by_id: db.prepare_cached(&format!("{select} WHERE app = ?1 AND id = ?2"))?,
            locales: Locales::default(),
        })
    }

    /// Adds the recipients of a row: one for each deliverable device it names, or else one without a reach.
    fn resolve(&mut self, row: &UploadRow, into: &mut Vec<AudienceRow>) -> Result<()> {
        let first = into.len();
        let locales = &mut self.locales;
        match &row.to {
            Named::User(user) => {
                let key = (self.app.as_str(), user.as_str());
                collect(&mut self.by_user, key, locales, into)?;
                into[first..].sort_unstable_by_key(|found| found.recipient.device);
                // Rows that are not delivered to say nothing more than that there are none.
                if into[first..].iter().any(|found| found.reach.is_some()) {
                    let found = into.split_off(first);
                    into.extend(found.into_iter().filter(|found| found.reach.is_some()));
                } else {
                    into.truncate(first);
                    into.push(nobody(Some(user.clone()), None));
                }
            }
            Named::Device(device) => {
                let key = (self.app.as_str(), &device.0.0[..]);
                collect(&mut self.by_id, key, locales, into)?;
                if into.len() == first {
                    into.push(nobody(None, Some(*device)));
                }
            }
        }
        for found in &mut into[first..] {
            found.recipient.variables.clone_from(&row.variables);
        }
        Ok(())
    }
}

fn collect(
    select: &mut Statement<'_>,
    key: impl rusqlite::Params,
    locales: &mut Locales,
    into: &mut Vec<AudienceRow>,
) -> Result<()> {
    let mut rows = select.query(key)?;
    while let Some(row) = rows.next()? {
        let row = Scanned(row);
        let mut found = row.recipient(locales)?;
        if !row.is_deliverable()? {
            found.reach = None;
        }
        into.push(found);
    }
    Ok(())
}

fn nobody(user: Option<UserId>, device: Option<DeviceId>) -> AudienceRow {
    AudienceRow {
        recipient: Recipient {
            user,
            device,
            channel: None,
            variables: None,
        },
        reach: None,
    }
}
