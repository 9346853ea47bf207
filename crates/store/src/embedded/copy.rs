//! Reads a whole store, so that another one gets all of it: every notification with its outcomes, campaigns, uploads.

use std::ops::ControlFlow;
use std::path::Path;

use fanfare_types::ids::Id96;
use fanfare_types::{AppId, CampaignId, NotificationId, NotificationRecord, Timestamp};
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row};

use super::backup::{BUSY_TIMEOUT, log_is_whole};
use super::campaigns::upload_rows;
use super::fault::corrupt;
use super::values::unsigned;
use super::{file, history, schema};
use crate::campaigns::UploadRow;
use crate::{Ended, Error, Idempotency, Result};

/// A store's file, to be read while nobody changes it.
pub struct Reader(Connection);

/// A notification, and everything that is known of it.
#[derive(Debug)]
pub struct Kept {
    pub record: NotificationRecord,
    pub cancelled: bool,
    /// Ascending by ordinal.
    pub ended: Vec<Ended>,
    pub idempotency: Option<Idempotency>,
}

/// How much there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amount {
    pub devices: u64,
    pub notifications: u64,
    pub campaigns: u64,
}

impl Reader {
    /// # Errors
    /// A file that is no store, of another schema, or separated from its log.
    pub fn open(path: &Path) -> Result<Self> {
        log_is_whole(path)?;
        let open = || {
            let mode = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let db = Connection::open_with_flags(path, mode).map_err(Error::from)?;
            db.busy_timeout(BUSY_TIMEOUT)?;
            schema::verify(&db)?;
            Ok(Reader(db))
        };
        open().map_err(|error| file::in_file(path, error))
    }

    pub fn amount(&self) -> Result<Amount> {
        let count = |table: &str| {
            let sql = format!("SELECT count(*) FROM {table}");
            let count: i64 = self.0.query_row(&sql, [], |row| row.get(0))?;
            Ok::<_, Error>(unsigned(count))
        };
        Ok(Amount {
            devices: count("devices")?,
            notifications: count("notifications")?,
            campaigns: count("campaigns")?,
        })
    }

    /// Hands over every notification behind `after`, in id order, until `each` breaks off.
    pub fn notifications(
        &self,
        after: Option<NotificationId>,
        each: &mut dyn FnMut(Kept) -> ControlFlow<()>,
    ) -> Result<()> {
        // No index has a key's notification: SQLite makes one for the length of this.
        let sql = "SELECT ended_delivered, ended_rejected, ended_dead, ended_expired, ended_cancelled,
            ended_failed, notifications.recipients, cancelled, done, id, notifications.app, created_at,
            records.body, targets, seq, ended, key, idempotency.body, idempotency.expires_at
         FROM notifications JOIN records USING (seq)
         LEFT JOIN idempotency ON notification = id AND +idempotency.app = notifications.app
         WHERE id > ?1 ORDER BY id";
        let mut select = self.0.prepare(sql)?;
        let after = after.map_or(Vec::new(), |id| id.0.0.to_vec());
        let mut rows = select.query([after])?;
        while let Some(row) = rows.next()? {
            let recovered = history::recovered(row)?;
            let kept = Kept {
                ended: history::ended(&self.0, row.get(14)?, row.get(15)?)?,
                idempotency: key(row, 16)?,
                record: recovered.record,
                cancelled: recovered.cancelled,
            };
            if each(kept).is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Every campaign, oldest first.
    pub fn campaigns(&self) -> Result<Vec<(AppId, CampaignId)>> {
        let mut select = self
            .0
            .prepare("SELECT app, id FROM campaigns ORDER BY id")?;
        let mut rows = select.query([])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let app: String = row.get(0)?;
            let app = AppId::new(&app).map_err(|_| corrupt("campaigns.app"))?;
            found.push((app, CampaignId(Id96(row.get(1)?))));
        }
        Ok(found)
    }

    /// The key that a campaign was made with, while it is remembered.
    pub fn campaign_key(&self, app: &AppId, id: CampaignId) -> Result<Option<Idempotency>> {
        let sql =
            "SELECT key, body, expires_at FROM idempotency WHERE notification = ?1 AND app = ?2";
        let mut select = self.0.prepare_cached(sql)?;
        let found = select.query_row((&id.0.0[..], app.as_str()), |row| Ok(key(row, 0)));
        found.optional()?.transpose().map(Option::flatten)
    }

    /// Hands over the rows that were uploaded for a campaign, in their order, a block at a time.
    pub fn upload(
        &self,
        app: &AppId,
        id: CampaignId,
        each: &mut dyn FnMut(Vec<UploadRow>) -> ControlFlow<()>,
    ) -> Result<()> {
        upload_rows(&self.0, app, id, each)
    }
}

fn key(row: &Row<'_>, at: usize) -> Result<Option<Idempotency>> {
    let Some(key) = row.get::<_, Option<[u8; 32]>>(at)? else {
        return Ok(None);
    };
    Ok(Some(Idempotency {
        key,
        body: row.get(at + 1)?,
        expires_at: Timestamp(unsigned(row.get(at + 2)?)),
    }))
}
