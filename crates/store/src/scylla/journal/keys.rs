//! Idempotency keys: one row each, and one compare-and-set decides whose it is.
//!
//! A notification is inserted first and takes its key then, so that a key never names what is not there. One that was
//! inserted and whose caller was not answered may hold its key or not: whoever meets it later takes the key for it, or
//! removes it when another has the key.

use fanfare_types::{AppId, NotificationId, Timestamp};

use super::accept::{integer, millis};
use super::fence::contended;
use super::load::{id_read, instant, number};
use super::{Room, TRIES};
use crate::scylla::fault::damaged;
use crate::scylla::session::Cas;
use crate::{Error, Result};

/// Rows outlive their keys by this much, since whether a key has expired goes by the times of the notifications.
const LONGER: u64 = 60;

pub(super) struct Key<'a> {
    pub(super) app: &'a AppId,
    pub(super) key: &'a [u8],
    pub(super) body: &'a [u8],
    pub(super) expires_at: Timestamp,
    pub(super) id: NotificationId,
    pub(super) created_at: Timestamp,
    pub(super) recipients: u64,
}

/// What a key was used for.
pub(super) struct Used {
    pub(super) body: Vec<u8>,
    pub(super) id: NotificationId,
    pub(super) recipients: u64,
    expires_at: Timestamp,
}

pub(super) enum Claimed {
    /// The key is this notification's, or was; `before`: it was when it was asked for.
    Mine {
        before: bool,
    },
    Another(Used),
}

/// What is to be said of a key that was used.
enum Standing {
    Mine,
    Expired,
    Another,
}

impl Key<'_> {
    fn against(&self, used: &Used) -> Standing {
        if used.id == self.id {
            Standing::Mine
        } else if used.expires_at <= self.created_at {
            Standing::Expired
        } else if used.id.0.created_at() >= self.expires_at {
            // It expired, and was used anew.
            Standing::Mine
        } else {
            Standing::Another
        }
    }

    /// In seconds.
    fn ttl(&self) -> i32 {
        let lives = self.expires_at.as_millis();
        let lives = lives.saturating_sub(self.created_at.as_millis()) / 1_000 + LONGER;
        // The longest that CQL takes: 20 years.
        i32::try_from(lives).unwrap_or(i32::MAX).min(630_720_000)
    }
}

impl Room {
    /// Takes a key, if it is free or expired.
    pub(super) async fn claim(&self, key: &Key<'_>) -> Result<Claimed> {
        let (app, name) = (key.app.as_str(), key.key);
        let s = &self.statements;
        let id = &key.id.0.0[..];
        let (recipients, expires_at) = (integer(key.recipients), millis(key.expires_at));
        let mut before = true;
        for _ in 0..TRIES {
            let insert = (app, name, key.body, id, recipients, expires_at, key.ttl());
            match self.db.cas(&s.key_insert, insert).await {
                Ok(Cas::Applied) => return Ok(Claimed::Mine { before: false }),
                Ok(Cas::Refused) => {}
                Err(Error::Unknown(_)) => before = false,
                Err(error) => return Err(error),
            }
            let Some(used) = self.used(key, true).await? else {
                continue;
            };
            match key.against(&used) {
                Standing::Mine => return Ok(Claimed::Mine { before }),
                Standing::Another => return Ok(Claimed::Another(used)),
                Standing::Expired => {}
            }
            let (ttl, earlier) = (key.ttl(), &used.id.0.0[..]);
            let replace = (
                ttl, key.body, id, recipients, expires_at, app, name, earlier,
            );
            match self.db.cas(&s.key_replace, replace).await {
                Ok(Cas::Applied) => return Ok(Claimed::Mine { before: false }),
                Ok(Cas::Refused) => {}
                Err(Error::Unknown(_)) => before = false,
                Err(error) => return Err(error),
            }
        }
        Err(contended())
    }

    /// Whether a notification that was inserted before holds its key, taking it when nobody does. `false`: another does.
    pub(super) async fn holds_key(&self, key: &Key<'_>) -> Result<bool> {
        if let Some(used) = self.used(key, false).await?
            && matches!(key.against(&used), Standing::Mine)
        {
            return Ok(true);
        }
        Ok(matches!(self.claim(key).await?, Claimed::Mine { .. }))
    }

    async fn used(&self, key: &Key<'_>, serial: bool) -> Result<Option<Used>> {
        type Row = (Option<Vec<u8>>, Option<Vec<u8>>, Option<i64>, Option<i64>);
        let s = &self.statements;
        let select = if serial { &s.key_serial } else { &s.key };
        let row: Option<Row> = self.db.row(select, (key.app.as_str(), key.key)).await?;
        let Some((body, id, recipients, expires_at)) = row else {
            return Ok(None);
        };
        Ok(Some(Used {
            body: body.unwrap_or_default(),
            id: id_read(&id.ok_or_else(|| damaged("a key"))?)?,
            recipients: number(recipients),
            expires_at: expires_at.map_or(Timestamp(0), instant),
        }))
    }
}
