//! Devices, page by page; each is registered as one that is new, and read back.

use std::collections::HashMap;

use anyhow::{bail, ensure};
use fanfare_store::{Applied, Change, Claim, Expect, Put, Registry, ScanCursor};
use fanfare_types::{AppId, Device, DeviceId};
use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::Copy;

const PAGE: usize = 1_000;

/// Compare-and-sets under way at a time.
const AT_ONCE: usize = 128;

pub(super) async fn copy(copy: &mut Copy) -> anyhow::Result<u64> {
    copy.bar.set_message("devices");
    let (place, mut copied) = copy.place.devices();
    copy.bar.inc(copied);
    let Some(mut next) = place.map(|cursor| cursor.map(ScanCursor)) else {
        return Ok(copied);
    };
    loop {
        let page = copy.from.scan(next, PAGE).await?;
        let into = &copy.into;
        stream::iter(
            page.devices
                .iter()
                .map(|device| put(&*copy.from, &**into, device)),
        )
        .buffer_unordered(AT_ONCE)
        .try_collect::<Vec<()>>()
        .await?;
        read_back(&**into, &page.devices).await?;
        copied += page.devices.len() as u64;
        copy.bar.inc(page.devices.len() as u64);
        next = page.next;
        let cursor = next.as_ref().map(|cursor| cursor.0.clone());
        copy.place.note_devices(cursor, copied)?;
        if next.is_none() {
            return Ok(copied);
        }
    }
}

/// Once more does no harm: whoever finds it there leaves it.
async fn put(from: &dyn Registry, into: &dyn Registry, device: &Device) -> anyhow::Result<()> {
    // The key says whether the app shared addresses when this was registered.
    let alone = device.address.key(None);
    let holder = from.holder(&device.app, alone).await?;
    let key = match holder.is_some_and(|holder| holder.id == device.id) {
        true => alone,
        false => device.address.key(Some(&device.user)),
    };
    let change = Change {
        app: device.app.clone(),
        claim: Some(Claim { key, holder: None }),
        remove: Vec::new(),
        put: Some(Put {
            device: device.clone(),
            key,
            expect: Expect::Absent,
        }),
    };
    match into.apply(change).await? {
        Applied::Done => Ok(()),
        Applied::Conflict => {
            let there = into.devices_by_id(&device.app, vec![device.id]).await?;
            ensure!(
                !there.is_empty(),
                "device {} has an address that another device has",
                device.id
            );
            Ok(())
        }
    }
}

async fn read_back(into: &dyn Registry, devices: &[Device]) -> anyhow::Result<()> {
    let mut by_app: HashMap<&AppId, Vec<DeviceId>> = HashMap::new();
    for device in devices {
        by_app.entry(&device.app).or_default().push(device.id);
    }
    let mut found = HashMap::new();
    for (app, ids) in by_app {
        let there = into.devices_by_id(app, ids).await?;
        found.extend(there.into_iter().map(|device| (device.id, device)));
    }
    for device in devices {
        match found.get(&device.id) {
            Some(there) if there == device => {}
            Some(_) => bail!(
                "device {} is another in the cluster than in the store",
                device.id
            ),
            None => bail!("device {} is not in the cluster", device.id),
        }
    }
    Ok(())
}
