//! Pages of an upload: its rows, resolved to the devices they reach now.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use fanfare_types::{AppId, Device, DeviceId, Recipient, UserId};

use super::Room;
use super::blocks::Blocks;
use super::cut::Cut;
use crate::campaigns::{AudiencePage, AudienceQuery, AudienceRow, Cursor, Named, Reach, UploadRow};
use crate::packed::{self, Place};
use crate::scylla::fault::damaged;
use crate::{Registry, Result};

/// Rows that are resolved in one go: some of a page's are not needed when their users have many devices.
const ROWS_AT_ONCE: usize = 256;

impl Room {
    /// A page of uploaded rows, from the query's cursor on.
    pub(super) async fn rows_of(
        &self,
        registry: &impl Registry,
        query: &AudienceQuery,
        cut: &Cut,
    ) -> Result<AudiencePage> {
        let damaged = || damaged("a place in a shard");
        let from = Place::unpack(&query.after.0).ok_or_else(damaged)?;
        let blocks = cut.blocks.as_ref().ok_or_else(damaged)?;
        let end = *blocks.ends.get(query.shard as usize).ok_or_else(damaged)?;
        let last = Place { block: end, row: 0 };
        let (rows, behind) = self.uploaded_rows(query, blocks.upload, from, last).await?;
        let mut page = AudiencePage::default();
        let mut next = behind;
        'page: for rows in rows.chunks(ROWS_AT_ONCE) {
            let devices = Devices::find(registry, &query.app, rows).await?;
            for (place, row) in rows {
                if page.rows.len() >= query.limit.max(1) {
                    next = *place;
                    break 'page;
                }
                devices.resolve(row, &mut page.rows);
                page.scanned += 1;
            }
        }
        page.is_last = next >= last;
        page.cursor = Cursor(next.pack());
        Ok(page)
    }

    /// Rows with their places, no more than may be on a page, and the place behind them.
    async fn uploaded_rows(
        &self,
        query: &AudienceQuery,
        upload: [u8; 16],
        from: Place,
        last: Place,
    ) -> Result<(Vec<(Place, UploadRow)>, Place)> {
        let rows_max = query.rows_max.min(query.limit).max(1);
        let mut rows: Vec<(Place, UploadRow)> = Vec::new();
        let mut at = from;
        let mut blocks = Blocks::new(self, upload, from.block, last.block);
        while at < last && rows.len() < rows_max {
            let Some(block) = blocks.next().await? else {
                break;
            };
            let body = blocks.body(&block).await?;
            packed::visit_rows(&body, at.row, |raw| {
                if rows.len() == rows_max {
                    return Some(ControlFlow::Break(()));
                }
                rows.push((at, raw.row()?));
                at.row += 1;
                Some(ControlFlow::Continue(()))
            })
            .ok_or_else(|| damaged("campaign_rows.body"))?;
            if u64::from(at.row) >= block.rows {
                at = Place {
                    block: block.number + 1,
                    row: 0,
                };
            }
        }
        Ok((rows, at))
    }
}

/// The devices that some rows name.
struct Devices {
    by_user: HashMap<UserId, Vec<Device>>,
    by_id: HashMap<DeviceId, Device>,
}

impl Devices {
    async fn find(
        registry: &impl Registry,
        app: &AppId,
        rows: &[(Place, UploadRow)],
    ) -> Result<Self> {
        let (mut users, mut ids) = (Vec::new(), Vec::new());
        for (_, row) in rows {
            match &row.to {
                Named::User(user) => users.push(user.clone()),
                Named::Device(id) => ids.push(*id),
            }
        }
        let of_users = async {
            match users.is_empty() {
                true => Ok(Vec::new()),
                false => registry.devices_of(app, users).await,
            }
        };
        let of_ids = async {
            match ids.is_empty() {
                true => Ok(Vec::new()),
                false => registry.devices_by_id(app, ids).await,
            }
        };
        let (of_users, of_ids) = tokio::try_join!(of_users, of_ids)?;
        let mut by_user: HashMap<UserId, Vec<Device>> = HashMap::new();
        for device in of_users {
            by_user.entry(device.user.clone()).or_default().push(device);
        }
        for devices in by_user.values_mut() {
            // Those that are not delivered to say nothing more than that there are none.
            devices.retain(Device::is_deliverable);
            devices.sort_unstable_by_key(|device| device.id);
        }
        let by_id = of_ids.into_iter().map(|device| (device.id, device));
        Ok(Devices {
            by_user,
            by_id: by_id.collect(),
        })
    }

    /// Adds the recipients of a row: one for each deliverable device it names, or else one without a reach.
    fn resolve(&self, row: &UploadRow, into: &mut Vec<AudienceRow>) {
        let first = into.len();
        match &row.to {
            Named::User(user) => {
                let devices = self.by_user.get(user).map_or(&[][..], Vec::as_slice);
                into.extend(devices.iter().map(recipient));
                if devices.is_empty() {
                    into.push(nobody(Some(user.clone()), None));
                }
            }
            Named::Device(id) => into.push(match self.by_id.get(id) {
                Some(device) => recipient(device),
                None => nobody(None, Some(*id)),
            }),
        }
        for found in &mut into[first..] {
            found.recipient.variables.clone_from(&row.variables);
        }
    }
}

fn recipient(device: &Device) -> AudienceRow {
    let reach = device.is_deliverable().then(|| Reach {
        address: device.address.clone(),
        locale: device.meta.locale.as_deref().map(Arc::from),
        registered_at: device.registered_at,
    });
    AudienceRow {
        recipient: Recipient {
            user: Some(device.user.clone()),
            device: Some(device.id),
            channel: Some(device.address.channel),
            variables: None,
        },
        reach,
    }
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
