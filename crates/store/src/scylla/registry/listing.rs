//! Listings for administrators: a tenant's ids from their own table, the rest in memory.

mod choose;

use std::time::Duration;

use fanfare_types::{AppId, Device, DeviceId, DeviceRef, Slot, UserId};
use futures_util::stream::{StreamExt, TryStreamExt, iter};
use scylla::response::PagingState;

use super::row::device_id;
use super::scan::range;
use super::{AT_ONCE, Room};
use crate::listing::Column;
use crate::scylla::fault::damaged;
use crate::{DeviceQuery, Error, Listing, Result};

/// Longest time one listing takes. Afterwards it is given up.
const TIME_MAX: Duration = Duration::from_secs(2);

/// Most rows of a tenant that one listing looks at; it is given up beyond.
const ROWS_MAX: usize = 100_000;

/// Rows of a page when the ring is read.
const PAGE: usize = 1_000;

/// A tenant's ids lie in as many partitions.
const BUCKETS: i16 = 256;

/// Which of them an id lies in: a byte of it that is random.
pub(super) fn bucket(id: DeviceId) -> i16 {
    i16::from(id.0.0[10])
}

impl Room {
    pub(super) async fn listing(&self, query: DeviceQuery) -> Result<Listing> {
        let listed = tokio::time::timeout(TIME_MAX, self.listed(&query)).await;
        listed.unwrap_or(Err(Error::Overloaded))
    }

    async fn listed(&self, query: &DeviceQuery) -> Result<Listing> {
        let Some(tenant) = &query.tenant else {
            let rows = self.without_tenant(&query.app).await?;
            return Ok(choose::page(rows, query));
        };
        let mut names = self.of_tenant(&query.app, tenant).await?;
        // Nothing of the rows decides which of them are in the page, so no others are read.
        let is_by_id = query.order.iter().all(|order| order.column == Column::Id);
        if query.filters.is_empty() && is_by_id {
            let total = names.len() as u64;
            names.sort_unstable_by_key(|name| name.id);
            if query.order.first().is_some_and(|order| order.descending) {
                names.reverse();
            }
            let names = choose::slice(names, query);
            return Ok(Listing {
                rows: self.each(query, tenant, names).await?,
                total,
                filtered: total,
            });
        }
        let rows = self.each(query, tenant, names).await?;
        Ok(choose::page(rows, query))
    }

    async fn of_tenant(&self, app: &AppId, tenant: &str) -> Result<Vec<DeviceRef>> {
        let bucket = |bucket: i16| async move {
            let key = (app.as_str(), tenant, bucket);
            let statement = &self.statements.of_tenant;
            self.db.rows::<(Vec<u8>, String)>(statement, key).await
        };
        let mut buckets = iter(0..BUCKETS).map(bucket).buffer_unordered(AT_ONCE);
        let mut names = Vec::new();
        while let Some(rows) = buckets.try_next().await? {
            for (id, user) in rows {
                let user = UserId::new(&user).map_err(|_| damaged("tenants.user"))?;
                let id = device_id(&id)?;
                names.push(DeviceRef { user, id });
            }
            if names.len() > ROWS_MAX {
                return Err(Error::Overloaded);
            }
        }
        Ok(names)
    }

    /// The rows of these names, in their order; one that is not the tenant's any more is left out.
    async fn each(
        &self,
        query: &DeviceQuery,
        tenant: &str,
        names: Vec<DeviceRef>,
    ) -> Result<Vec<Device>> {
        let rows = iter(names).map(|name| async move { self.one(&query.app, &name).await });
        let mut rows = rows.buffered(AT_ONCE);
        let mut devices = Vec::new();
        while let Some(row) = rows.try_next().await? {
            let device = row.map(|row| row.device);
            let is_of_tenant = |device: &Device| {
                device.tenant.as_deref() == Some(tenant) && device.deleted_at.is_none()
            };
            devices.extend(device.filter(is_of_tenant));
        }
        Ok(devices)
    }

    /// Rows that have no tenant are found by reading all there are.
    async fn without_tenant(&self, app: &AppId) -> Result<Vec<Device>> {
        let slots = iter(Slot::all()).map(|slot| self.without_tenant_of(app, slot));
        let mut slots = slots.buffer_unordered(AT_ONCE);
        let mut devices = Vec::new();
        while let Some(found) = slots.try_next().await? {
            devices.extend(found);
            if devices.len() > ROWS_MAX {
                return Err(Error::Overloaded);
            }
        }
        Ok(devices)
    }

    async fn without_tenant_of(&self, app: &AppId, slot: Slot) -> Result<Vec<Device>> {
        let mut devices = Vec::new();
        let mut from = Some(PagingState::start());
        while let Some(state) = from {
            let (rows, next) = self.of_range(range(slot), state, PAGE).await?;
            let rows = rows.into_iter().map(|row| row.device);
            devices.extend(rows.filter(|device| {
                device.app == *app && device.tenant.is_none() && device.deleted_at.is_none()
            }));
            from = next;
        }
        Ok(devices)
    }
}
