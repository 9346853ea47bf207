//! Reads: of users, by id, by address.

use std::collections::BTreeSet;

use fanfare_types::{AddressKey, AppId, Device, DeviceId, DeviceRef, UserId};
use futures_util::stream::{StreamExt, TryStreamExt, iter};

use super::address::{Decision, State};
use super::judge::Standing;
use super::row::{Row, counts};
use super::settle::{LOOKS_MAX, contended};
use super::{AT_ONCE, Room};
use crate::Result;

impl Room {
    /// One partition for each user.
    pub(super) async fn devices_of(&self, app: &AppId, users: Vec<UserId>) -> Result<Vec<Device>> {
        let own = |user: UserId| async move { Ok(counting(self.own(app, &user).await?)) };
        let mut users = distinct(users);
        // Nearly always.
        if users.len() == 1
            && let Some(user) = users.pop()
        {
            return own(user).await;
        }
        let found = iter(users).map(own).buffer_unordered(AT_ONCE);
        found.try_concat().await
    }

    pub(super) async fn devices_by_id(
        &self,
        app: &AppId,
        ids: Vec<DeviceId>,
    ) -> Result<Vec<Device>> {
        let found = iter(distinct(ids)).map(|id| self.by_id(app, id));
        let found = found.buffer_unordered(AT_ONCE);
        found
            .try_filter_map(|device| async move { Ok(device) })
            .try_collect()
            .await
    }

    async fn by_id(&self, app: &AppId, id: DeviceId) -> Result<Option<Device>> {
        for _ in 0..LOOKS_MAX {
            let Some(user) = self.owner(app, id).await? else {
                return Ok(None);
            };
            // Not there: it went to another user between the two reads, or is being removed.
            if let Some(row) = self.one(app, &DeviceRef { user, id }).await? {
                return Ok(Some(row.device));
            }
        }
        Ok(None)
    }

    pub(super) async fn holder(&self, app: &AppId, key: AddressKey) -> Result<Option<Device>> {
        for _ in 0..LOOKS_MAX {
            let Some(decision) = self.address(app, &key).await? else {
                return Ok(None);
            };
            let row = self.one_timed(app, &decision.holder).await?;
            match Standing::of(&key, Some(&decision), row.as_ref()) {
                Standing::Held if self.is_settled(app, &decision).await? => {
                    return Ok(row.map(|row| row.device));
                }
                Standing::Free => return Ok(None),
                Standing::Held | Standing::Unsettled => self.settle(app, &key).await?,
            }
        }
        Err(contended())
    }

    /// Whether what a decision removes is gone.
    pub(super) async fn is_settled(&self, app: &AppId, decision: &Decision) -> Result<bool> {
        match &decision.state {
            State::Held(held) => self.is_rid_of(app, &held.gone, held.at).await,
            State::Freed(_) | State::Leaving(..) => Ok(false),
        }
    }
}

/// The rows that count.
fn counting(own: Vec<Row>) -> Vec<Device> {
    let counting: Vec<bool> = own.iter().map(|row| counts(&row.device, &own)).collect();
    let rows = own.into_iter().zip(counting);
    rows.filter_map(|(row, counts)| counts.then_some(row.device))
        .collect()
}

fn distinct<T: Ord>(names: Vec<T>) -> Vec<T> {
    names
        .into_iter()
        .collect::<BTreeSet<T>>()
        .into_iter()
        .collect()
}
