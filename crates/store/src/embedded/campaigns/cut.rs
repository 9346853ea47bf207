//! Shards: an audience cut into parts of about the same size, once.
//!
//! Devices are cut by id, in the order of the index that finds them: a device has its id for life, so each is in one
//! shard and is passed once, wherever its row may lie; and ids grow with time, so that one registered after the cut
//! lies behind its end. An upload is cut between blocks.

use fanfare_types::{AppId, CampaignId};
use rusqlite::{Connection, OptionalExtension, Row};

use super::{rows, uploads};
use crate::Result;
use crate::campaigns::{Cursor, Shard};
use crate::embedded::values::{integer, unsigned};
use crate::packed::Place;

/// Marks kept at most; when there are more, every other one goes.
const MARKS_MAX: usize = 1024;

/// Rows between two marks at first.
const STEP_MIN: u64 = 64;

/// Rows that are counted in one read, so that nobody waits long for a reader.
const ROWS_A_READ: u64 = 32_768;

/// The shards of a campaign; none before they are cut.
pub(in crate::embedded) fn shards(
    db: &Connection,
    app: &AppId,
    id: CampaignId,
) -> Result<Vec<Shard>> {
    let sql = "SELECT number, cursor, rows, scanned, done, opened - (ended_delivered + ended_rejected + ended_dead
            + ended_expired + ended_cancelled + ended_failed) FROM campaign_shards
        WHERE campaign = (SELECT seq FROM campaigns WHERE app = ?1 AND id = ?2) ORDER BY number";
    let mut select = db.prepare_cached(sql)?;
    let shards = select.query_map((app.as_str(), &id.0.0[..]), shard)?;
    Ok(shards.collect::<rusqlite::Result<_>>()?)
}

fn shard(row: &Row<'_>) -> rusqlite::Result<Shard> {
    Ok(Shard {
        number: row.get(0)?,
        cursor: Cursor(row.get(1)?),
        rows: unsigned(row.get(2)?),
        scanned: unsigned(row.get(3)?),
        left: unsigned(row.get(5)?),
        is_done: row.get(4)?,
    })
}

/// Keeps a cut, unless there is one, and returns the one that is kept. No campaign has no shards.
pub(in crate::embedded) fn keep(
    db: &Connection,
    app: &AppId,
    id: CampaignId,
    parts: &[Part],
) -> Result<Vec<Shard>> {
    let Some(campaign) = rows::seq(db, app, id)? else {
        return Ok(Vec::new());
    };
    let mut insert = db.prepare_cached(
        "INSERT INTO campaign_shards (campaign, number, cursor, last, rows)
         SELECT ?1, ?2, ?3, ?4, ?5 WHERE ?2 > 0 OR NOT EXISTS
            (SELECT 1 FROM campaign_shards WHERE campaign = ?1)",
    )?;
    for (number, part) in (0u32..).zip(parts) {
        let rows = integer(part.rows);
        if insert.execute((campaign, number, &part.first, &part.last, rows))? == 0 {
            // Somebody else was first.
            break;
        }
    }
    shards(db, app, id)
}

/// A part to become a shard.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::embedded) struct Part {
    /// Where it starts: of devices, just after this id; of an upload, at this place.
    pub(super) first: Vec<u8>,
    /// Where it ends: of devices, with this id; of an upload, just before this place.
    pub(super) last: Vec<u8>,
    rows: u64,
}

/// Where the audience may be cut: places in order, each with how many rows are between it and the one before.
#[derive(Debug)]
pub(in crate::embedded) struct Outline {
    start: Vec<u8>,
    marks: Vec<(Vec<u8>, u64)>,
    step: u64,
}

impl Outline {
    pub(in crate::embedded) fn new(start: Vec<u8>) -> Self {
        Outline {
            start,
            marks: Vec::new(),
            step: STEP_MIN,
        }
    }

    fn last(&self) -> &[u8] {
        self.marks.last().map_or(&self.start, |(place, _)| place)
    }

    fn mark(&mut self, place: Vec<u8>, rows: u64) {
        self.marks.push((place, rows));
        if self.marks.len() > MARKS_MAX {
            self.step *= 2;
            let marks = std::mem::take(&mut self.marks);
            for (place, rows) in marks {
                match self.marks.last_mut() {
                    Some((last, sum)) if *sum + rows <= self.step => {
                        (*last, *sum) = (place, *sum + rows);
                    }
                    _ => self.marks.push((place, rows)),
                }
            }
        }
    }

    /// At most `parts` parts, at least one.
    pub(in crate::embedded) fn parts(self, parts: usize) -> Vec<Part> {
        let rows: u64 = self.marks.iter().map(|(_, rows)| rows).sum();
        let parts = (parts as u64).clamp(1, rows.max(1));
        let mut cut = Vec::new();
        let (mut first, mut passed, mut before) = (self.start.clone(), 0, 0);
        let end = self.last().to_vec();
        for (place, rows_here) in self.marks {
            passed += rows_here;
            let is_enough = passed * parts >= rows * (cut.len() as u64 + 1);
            if is_enough && place != end {
                cut.push(Part {
                    first: std::mem::replace(&mut first, place.clone()),
                    last: place,
                    rows: passed - before,
                });
                before = passed;
            }
        }
        cut.push(Part {
            first,
            last: end,
            rows: passed - before,
        });
        cut
    }
}

/// The id of the app's newest device: where its shards end. Nothing, when it has none.
pub(in crate::embedded) fn newest(db: &Connection, app: &AppId) -> Result<Vec<u8>> {
    let sql = "SELECT max(id) FROM devices INDEXED BY devices_id WHERE app = ?1";
    let mut select = db.prepare_cached(sql)?;
    let newest: Option<Vec<u8>> = select.query_row([app.as_str()], |row| row.get(0))?;
    Ok(newest.unwrap_or_default())
}

/// Goes on with the outline of an app's devices up to `newest`, some rows of the way. Returns whether it is whole.
pub(in crate::embedded) fn outline_devices(
    db: &Connection,
    app: &AppId,
    newest: &[u8],
    outline: &mut Outline,
) -> Result<bool> {
    let range = "FROM devices INDEXED BY devices_id WHERE app = ?1 AND id > ?2 AND id <= ?3";
    let step = format!("SELECT id {range} ORDER BY id LIMIT 1 OFFSET ?4");
    let rest = format!("SELECT count(*) {range}");
    let mut step = db.prepare_cached(&step)?;
    let mut rows = 0;
    while rows < ROWS_A_READ {
        let key = (
            app.as_str(),
            outline.last(),
            newest,
            integer(outline.step - 1),
        );
        let place: Option<Vec<u8>> = step.query_row(key, |row| row.get(0)).optional()?;
        let Some(place) = place else {
            let key = (app.as_str(), outline.last(), newest);
            let left = db.prepare_cached(&rest)?.query_row(key, |row| row.get(0))?;
            if left > 0 {
                outline.mark(newest.to_vec(), unsigned(left));
            }
            return Ok(true);
        };
        rows += outline.step;
        outline.mark(place, outline.step);
    }
    Ok(false)
}

/// The outline of an upload: it may be cut behind each of its blocks.
pub(in crate::embedded) fn outline_upload(
    db: &Connection,
    app: &AppId,
    id: CampaignId,
) -> Result<Outline> {
    let mut outline = Outline::new(Place::default().pack());
    let campaign = rows::seq(db, app, id)?;
    let upload = campaign.map(|seq| uploads::number(db, seq)).transpose()?;
    let sql = "SELECT number, rows FROM campaign_blocks WHERE upload = ?1 ORDER BY number";
    let mut select = db.prepare_cached(sql)?;
    let mut blocks = select.query([upload.flatten()])?;
    while let Some(block) = blocks.next()? {
        let behind = Place {
            block: unsigned(block.get(0)?) + 1,
            row: 0,
        };
        outline.mark(behind.pack(), unsigned(block.get(1)?));
    }
    Ok(outline)
}
