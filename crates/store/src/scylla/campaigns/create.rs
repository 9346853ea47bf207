//! A campaign is made: its key is taken, its place among the app's unfinished ones, then its row, which decides.
//!
//! Whoever is stopped in between leaves a key or a place without a campaign. The key's next user makes the campaign
//! under the id that the key has; the place is cleared by [`super::unfinished`].

use fanfare_types::ids::Id96;
use fanfare_types::{AppId, CampaignId, CampaignRecord, Standing};

use super::Room;
use super::list::month;
use super::rows::{self, Look};
use crate::campaigns::Created;
use crate::scylla::fault::damaged;
use crate::scylla::session::Cas;
use crate::{Error, Idempotency, Result};

/// How often somebody who was quicker is taken into account.
pub(super) const TRIES: usize = 32;

/// A key outlives its time by this much, so that a node whose clock goes ahead does not forget it.
const KEY_KEPT_SECS: u64 = 3_600;

pub(super) fn contended() -> Error {
    Error::Unavailable("somebody else was quicker too often".to_owned())
}

/// What was found under a key.
enum Key {
    /// It names this campaign from now on.
    Taken,
    /// It names this campaign: an earlier try's.
    Ours,
    /// The same request, under this id.
    Same(CampaignId),
    Other,
}

impl Room {
    pub(super) async fn create(
        &self,
        record: CampaignRecord,
        standing: &Standing,
        idempotency: Option<Idempotency>,
        unfinished_max: u64,
    ) -> Result<Created> {
        let Some(key) = idempotency else {
            return self.make(&record, standing, unfinished_max).await;
        };
        let id = record.id;
        match self.take_key(&record, &key).await? {
            Key::Other => Ok(Created::Conflict),
            found @ (Key::Taken | Key::Ours) => {
                let made = self.make(&record, standing, unfinished_max).await;
                if let Ok(Created::TooMany | Created::Conflict) = made {
                    self.free_key(&record.app, &key, id).await?;
                }
                match (made, found) {
                    // Another caller with the same request was faster, under our id, and says that it repeats us.
                    (Ok(Created::Repeated(made)), Key::Taken) if made == id => Ok(Created::New),
                    (made, _) => made,
                }
            }
            // The one who took it is not done, or never will be: whoever is first makes it.
            Key::Same(first) => {
                let record = CampaignRecord {
                    id: first,
                    ..record
                };
                Ok(match self.make(&record, standing, unfinished_max).await? {
                    Created::New | Created::Repeated(_) => Created::Repeated(first),
                    refused => refused,
                })
            }
        }
    }

    async fn make(
        &self,
        record: &CampaignRecord,
        standing: &Standing,
        unfinished_max: u64,
    ) -> Result<Created> {
        let (app, id) = (&record.app, record.id);
        if let Some(found) = self.find(id, Look::Plain).await? {
            return Ok(existing(app, id, &found.record));
        }
        if !standing.state.is_final() && !self.enter(app, id, unfinished_max).await? {
            return Ok(Created::TooMany);
        }
        self.enlist(app, id).await?;
        let (body, first) = (rows::json(record)?, rows::json(standing)?);
        let revision = i64::try_from(standing.revision).unwrap_or(i64::MAX);
        let values = (&id.0.0[..], app.as_str(), &body, &first, revision);
        let made = self.db.cas(&self.sql.make, values).await;
        if let Ok(Cas::Applied) = made {
            return Ok(Created::New);
        }
        let look = match made {
            Err(Error::Unknown(_)) => Look::Decided,
            _ => Look::Plain,
        };
        let found = self.find(id, Look::Decided).await;
        match (made, found.map_err(|error| look.failed(error))?) {
            // Nobody else makes the very same.
            (Err(Error::Unknown(_)), Some(found)) if found.record == *record => Ok(Created::New),
            (Err(error), _) => Err(error),
            (Ok(_), Some(found)) => Ok(existing(app, id, &found.record)),
            // Its place was cleared: this took too long.
            (Ok(_), None) => Err(contended()),
        }
    }

    /// What finds it later; before it is there, so that none is lost.
    async fn enlist(&self, app: &AppId, id: CampaignId) -> Result<()> {
        let month = month(id.0.created_at());
        let statements = vec![
            self.sql.list_app.clone(),
            self.sql.list_month.clone(),
            self.sql.list.clone(),
        ];
        let app = app.as_str();
        let values = ((app,), (app, month), (app, month, &id.0.0[..]));
        self.db.write_all(statements, values).await
    }

    async fn take_key(&self, record: &CampaignRecord, key: &Idempotency) -> Result<Key> {
        let (app, id) = (record.app.as_str(), record.id.0.0);
        let expires_at = millis(key.expires_at.0);
        let left = key.expires_at.0.saturating_sub(record.created_at.0) / 1_000;
        let ttl = i32::try_from(left + KEY_KEPT_SECS).unwrap_or(i32::MAX);
        for _ in 0..TRIES {
            let found: Option<(Vec<u8>, Vec<u8>, i64)> =
                self.db.row(&self.sql.key, (app, &key.key[..])).await?;
            let taken = match found {
                None => {
                    let values = (app, &key.key[..], &key.body[..], &id[..], expires_at, ttl);
                    self.db.cas(&self.sql.take_key, values).await
                }
                Some((_, first, _)) if first == id => return Ok(Key::Ours),
                Some((body, first, until)) if until > millis(record.created_at.0) => {
                    let first = first
                        .try_into()
                        .map_err(|_| damaged("campaign_keys.campaign"))?;
                    return Ok(match body == key.body {
                        true => Key::Same(CampaignId(Id96(first))),
                        false => Key::Other,
                    });
                }
                Some((_, first, until)) => {
                    let values = (
                        ttl,
                        &key.body[..],
                        &id[..],
                        expires_at,
                        app,
                        &key.key[..],
                        first,
                        until,
                    );
                    self.db.cas(&self.sql.retake_key, values).await
                }
            };
            match taken {
                Ok(Cas::Applied) => return Ok(Key::Taken),
                // Looked at again.
                Ok(Cas::Refused) | Err(Error::Unknown(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Err(contended())
    }

    async fn free_key(&self, app: &AppId, key: &Idempotency, id: CampaignId) -> Result<()> {
        let values = (app.as_str(), &key.key[..], &id.0.0[..]);
        match self.db.cas(&self.sql.free_key, values).await {
            // Left behind, it makes the next one who uses it try under this id.
            Ok(_) | Err(Error::Unknown(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// A caller that tries again after an unknown outcome; or an id of another app's.
fn existing(app: &AppId, id: CampaignId, found: &CampaignRecord) -> Created {
    match found.app == *app {
        true => Created::Repeated(id),
        false => Created::Conflict,
    }
}

pub(super) fn millis(millis: u64) -> i64 {
    i64::try_from(millis).unwrap_or(i64::MAX)
}
