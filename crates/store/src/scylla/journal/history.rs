//! What is asked of one notification, on any node: summary, deliveries, cancellation.

use fanfare_types::{AppId, NotificationId, Slot, Timestamp};
use futures_util::future::try_join;

use super::Room;
use super::fence::{minute_value, slot_value};
use super::list::minute_of;
use super::load::{instant, number};
use crate::codec;
use crate::notification::{Asked, page, with_waiting};
use crate::scylla::fault::damaged;
use crate::scylla::session::Cas;
use crate::{DeliveryPage, Ended, Error, Result, Summary};

/// App, `created_at`, `send_at`, `expires_at`, cancelled, recipients, counts.
type Row = (
    Option<String>,
    Option<i64>,
    Option<i64>,
    Option<i64>,
    Option<bool>,
    Option<i64>,
    Option<Vec<u8>>,
);

/// Where a notification's row is.
fn place(id: &NotificationId) -> (i8, i64, &[u8]) {
    let slot = slot_value(Slot::of(*id));
    (slot, minute_value(minute_of(*id)), &id.0.0[..])
}

impl Room {
    pub(super) async fn summary(&self, app: &AppId, id: NotificationId) -> Result<Option<Summary>> {
        let row = self.db.row(&self.statements.summary, place(&id)).await?;
        row.map_or(Ok(None), |row| summary(app, id, row))
    }

    pub(super) async fn cancel(&self, app: &AppId, id: NotificationId) -> Result<Option<Summary>> {
        let s = &self.statements;
        let (slot, minute, name) = place(&id);
        let cancelled = self
            .db
            .cas(&s.cancel, (slot, minute, name, app.as_str()))
            .await;
        match cancelled {
            Ok(Cas::Applied | Cas::Refused) => self.summary(app, id).await,
            Err(Error::Unknown(said)) => {
                let row = self.db.row(&s.summary_serial, place(&id)).await?;
                let found = row.map_or(Ok(None), |row| summary(app, id, row))?;
                match found {
                    Some(found) if !found.cancelled && found.counts.waiting > 0 => {
                        Err(Error::Unknown(said))
                    }
                    found => Ok(found),
                }
            }
            Err(error) => Err(error),
        }
    }

    pub(super) async fn deliveries(
        &self,
        app: &AppId,
        id: NotificationId,
        asked: &Asked,
    ) -> Result<Option<DeliveryPage>> {
        type Row = (Option<String>, Option<Vec<u8>>, Option<Vec<u8>>);
        let s = &self.statements;
        let row = self.db.row::<Row>(&s.targets, place(&id));
        let outcomes = self.db.rows::<(Option<Vec<u8>>,)>(&s.outcomes, place(&id));
        let (row, outcomes) = try_join(row, outcomes).await?;
        let Some((Some(owner), only, Some(targets))) = row else {
            return Ok(None);
        };
        if owner != app.as_str() {
            return Ok(None);
        }
        let mut ended: Vec<Ended> = Vec::new();
        let blobs = outcomes.into_iter().filter_map(|(blob,)| blob);
        for blob in only.into_iter().chain(blobs) {
            codec::unpack_ended(&blob, &mut ended).ok_or_else(|| damaged("journal.ended"))?;
        }
        ended.sort_unstable_by_key(|row| row.ordinal);
        let page = page(&targets, &ended, asked);
        page.map(Some).ok_or_else(|| damaged("journal.targets"))
    }
}

fn summary(app: &AppId, id: NotificationId, row: Row) -> Result<Option<Summary>> {
    let (owner, created_at, send_at, expires_at, cancelled, recipients, counts) = row;
    if owner.as_deref() != Some(app.as_str()) {
        return Ok(None);
    }
    let recipients = number(recipients);
    let counts = codec::unpack_counts(counts.as_deref().unwrap_or_default())
        .ok_or_else(|| damaged("journal.counts"))?;
    let time = |at: Option<i64>| at.map_or(Timestamp(0), instant);
    Ok(Some(Summary {
        id,
        app: app.clone(),
        created_at: time(created_at),
        send_at: send_at.map(instant),
        expires_at: time(expires_at),
        cancelled: cancelled == Some(true),
        recipients,
        counts: with_waiting(counts, recipients),
    }))
}
