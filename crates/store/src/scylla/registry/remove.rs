//! Removing rows that no new owner of their address removes.

use fanfare_types::{AppId, DeviceRef};

use super::Room;
use super::address::{Decision, Gone, State};
use super::judge::{Standing, later_than, name, unknown};
use super::row::Row;
use super::settle::{LOOKS_MAX, contended};
use crate::Result;

impl Room {
    /// Frees a row's address, and removes the row. One that is gone already is fine.
    ///
    /// `until`: one that was registered after this timestamp stays.
    pub(super) async fn remove(
        &self,
        app: &AppId,
        device: &DeviceRef,
        until: Option<i64>,
    ) -> Result<()> {
        let is_later = |at: i64| until.is_some_and(|until| at > until);
        for _ in 0..LOOKS_MAX {
            let Some(row) = self.one_timed(app, device).await? else {
                return Ok(());
            };
            if is_later(row.at) {
                return Ok(());
            }
            match self.address(app, &row.key).await? {
                Some(decision) if decision.holder == *device => {
                    if is_later(decision.ts) {
                        return Ok(());
                    }
                    if Standing::of(&row.key, Some(&decision), Some(&row)) != Standing::Held {
                        self.settle(app, &row.key).await?;
                    } else if self.free(app, &row, &decision).await? {
                        return Ok(());
                    }
                }
                _ => self.clear(app, &row).await?,
            }
        }
        Err(contended())
    }

    /// `false`: others decided on the address meanwhile.
    async fn free(&self, app: &AppId, row: &Row, decision: &Decision) -> Result<bool> {
        let gone = gone(row);
        let freed = Decision {
            change: name(),
            previous: Some(decision.change),
            ts: later_than([decision.ts, row.facts_at]),
            holder: gone.name.clone(),
            state: State::Freed(gone.clone()),
        };
        let seen = Some(decision.change);
        if !self.decide(app, &row.key, seen, &freed).await? {
            return Ok(false);
        }
        let buried = self.bury(app, &row.key, &freed, &gone).await;
        buried.map_err(unknown)?;
        Ok(true)
    }

    /// Removes this version of a row whose address was seen, after the row, to be somebody else's or nobody's: it lost
    /// it, and whoever took it came no further. Any later version stays.
    async fn clear(&self, app: &AppId, row: &Row) -> Result<()> {
        self.settle(app, &row.key).await?;
        let mut writes = self.writes(app, row.facts_at);
        writes.remove(&gone(row), true);
        writes.write().await.map_err(unknown)
    }

    /// Looks again, in order, at a row whose address seems to be another's, and [clears](Room::clear) it if so.
    pub(super) async fn look_again(&self, app: &AppId, device: &DeviceRef) -> Result<()> {
        let Some(row) = self.one_timed(app, device).await? else {
            return Ok(());
        };
        let decision = self.address(app, &row.key).await?;
        match decision.is_some_and(|decision| decision.holder == *device) {
            true => Ok(()),
            false => self.clear(app, &row).await,
        }
    }
}

pub(super) fn gone(row: &Row) -> Gone {
    Gone {
        name: row.device.as_ref(),
        key: None,
        tenant: row.device.tenant.clone(),
    }
}
