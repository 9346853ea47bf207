//! Accepting: one plain insert; with an idempotency key one read and one compare-and-set more.

use fanfare_types::{NotificationId, Slot, Timestamp};
use scylla::value::MaybeUnset;

use super::bucket::Entered;
use super::fence::{epoch_value, minute_value, slot_value};
use super::keys::{Claimed, Key};
use super::list::minute_of;
use super::shelf::Shelf;
use super::{Room, not_held};
use crate::notification::Packed;
use crate::{Accept, Accepted, Error, Idempotency, Result};

pub(super) fn millis(at: Timestamp) -> i64 {
    i64::try_from(at.as_millis()).unwrap_or(i64::MAX)
}

pub(super) fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Of an insert, in microseconds: the time of its id, so that whoever inserts the same again changes nothing.
pub(super) fn inserted_at(id: NotificationId) -> i64 {
    millis(id.0.created_at()).saturating_mul(1_000)
}

impl Room {
    pub(super) async fn accept(&self, accept: Accept) -> Result<Accepted> {
        let packed = Packed::new(accept)?;
        let slot = Slot::of(packed.id);
        let shelf = self.shelf(slot).ok_or_else(|| not_held(slot))?;
        let entered = self.enter(&shelf, &packed).await?;
        self.insert(&shelf, &packed).await?;
        let accepted = match &packed.idempotency {
            None => {
                leave(entered, &packed);
                Accepted::New
            }
            Some(key) => {
                let claimed = self.claim_for(&shelf, &packed, key, entered).await;
                // It is there: whoever meets it settles whether it holds its key.
                claimed.map_err(|error| match error {
                    Error::Unknown(said) => Error::Unknown(said),
                    error => Error::Unknown(error.to_string()),
                })?
            }
        };
        let is_held = self.shelf(slot).is_some_and(|now| now.epoch == shelf.epoch);
        if accepted == Accepted::New && !is_held {
            return Err(Error::Unknown(format!("slot {slot} was lost meanwhile")));
        }
        Ok(accepted)
    }

    /// Into its bucket, which is opened by the first of a minute.
    async fn enter(&self, shelf: &Shelf, packed: &Packed) -> Result<Entered> {
        let minute = minute_of(packed.id);
        let enter = || {
            let bucket = shelf.awake(minute)?;
            bucket.enter(packed.id, packed.due(), packed.idempotency.is_some())
        };
        if let Some(entered) = enter() {
            return Ok(entered);
        }
        let _listing = shelf.listing.lock().await;
        if let Some(entered) = enter() {
            return Ok(entered);
        }
        self.open_bucket(shelf, minute).await?;
        // It is listed, and nobody else changes that meanwhile.
        enter().ok_or_else(|| not_held(shelf.slot))
    }

    async fn insert(&self, shelf: &Shelf, packed: &Packed) -> Result<()> {
        let key = packed.idempotency.as_ref();
        let values = (
            slot_value(shelf.slot),
            minute_value(minute_of(packed.id)),
            &packed.id.0.0[..],
            packed.app.as_str(),
            millis(packed.created_at),
            MaybeUnset::from_option(packed.send_at.map(millis)),
            millis(packed.expires_at),
            integer(packed.recipients),
            &packed.body,
            &packed.targets,
            epoch_value(shelf.epoch),
            MaybeUnset::from_option(key.map(|key| &key.key[..])),
            MaybeUnset::from_option(key.map(|key| &key.body[..])),
            MaybeUnset::from_option(key.map(|key| millis(key.expires_at))),
            inserted_at(packed.id),
        );
        self.db.write(&self.statements.insert, values).await
    }

    /// Takes the key for a notification that was just inserted, or removes the notification again.
    async fn claim_for(
        &self,
        shelf: &Shelf,
        packed: &Packed,
        idempotency: &Idempotency,
        entered: Entered,
    ) -> Result<Accepted> {
        let minute = minute_of(packed.id);
        // Inserted too late, it may never be found: then it must not have the key.
        if !self.is_still_ours(shelf, minute).await? {
            return Err(Error::Unknown(format!("slot {} was lost", shelf.slot)));
        }
        let key = Key {
            app: &packed.app,
            key: &idempotency.key,
            body: &idempotency.body,
            expires_at: idempotency.expires_at,
            id: packed.id,
            created_at: packed.created_at,
            recipients: packed.recipients,
        };
        let used = match self.claim(&key).await? {
            Claimed::Mine { before } => {
                leave(entered, packed);
                return Ok(if before {
                    Accepted::Repeated {
                        id: packed.id,
                        recipients: packed.recipients,
                    }
                } else {
                    Accepted::New
                });
            }
            Claimed::Another(used) => used,
        };
        // The same id again is the same notification.
        if self.annul(shelf.slot, packed.id).await.is_ok() {
            entered.annulled();
        }
        Ok(if used.body == idempotency.body {
            Accepted::Repeated {
                id: used.id,
                recipients: used.recipients,
            }
        } else {
            Accepted::Conflict
        })
    }

    /// Removes a notification whose key is another's; it was never acknowledged.
    pub(super) async fn annul(&self, slot: Slot, id: NotificationId) -> Result<()> {
        let values = (
            inserted_at(id).saturating_add(1),
            slot_value(slot),
            minute_value(minute_of(id)),
            &id.0.0[..],
        );
        self.db.write(&self.statements.annul, values).await
    }
}

fn leave(entered: Entered, packed: &Packed) {
    if packed.recipients == 0 {
        entered.finished();
    } else {
        entered.kept();
    }
}
