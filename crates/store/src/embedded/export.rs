//! Reads the devices of an app out of a store, serving or not.

use std::ops::ControlFlow;
use std::path::Path;

use fanfare_types::ids::Id96;
use fanfare_types::{AppId, Device, DeviceId};
use rusqlite::{Connection, OpenFlags};

use super::backup::{BUSY_TIMEOUT, log_is_whole};
use super::{devices, file, schema};
use crate::{DevicePage, Error, Result};

/// Rows of one page.
const PAGE: usize = 1_000;

/// Hands over every row of an app, whatever its status, in id order, until `each` breaks off. It is one state of the
/// store, with every write that was acknowledged before the call. The store may serve meanwhile; its log grows until
/// this is done.
pub fn devices_of_app(
    path: &Path,
    app: &AppId,
    each: &mut dyn FnMut(Device) -> ControlFlow<()>,
) -> Result<()> {
    log_is_whole(path)?;
    read(path, app, each).map_err(|error| file::in_file(path, error))
}

fn read(path: &Path, app: &AppId, each: &mut dyn FnMut(Device) -> ControlFlow<()>) -> Result<()> {
    let mode = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, mode).map_err(Error::from)?;
    db.busy_timeout(BUSY_TIMEOUT)?;
    schema::verify(&db)?;
    db.execute_batch("BEGIN")?;
    // No id comes before this one.
    let mut after = Some(devices::cursor(app, DeviceId(Id96([0; 12]))));
    while let Some(from) = after {
        let DevicePage { devices, next } = devices::scan(&db, Some(&from), PAGE)?;
        for device in devices {
            if device.app != *app || each(device).is_break() {
                return Ok(());
            }
        }
        after = next;
    }
    Ok(())
}
