//! The registry half of a store: device rows, and who holds an address.

use fanfare_types::{AddressKey, AppId, Device, DeviceId, DeviceRef, UserId};
use futures_util::future::BoxFuture;

use crate::Result;

/// One atomic step on the registry: all of it happens, or none.
///
/// The decision was made in `core` from rows read before; `put.expect` and `claim` name what it was made on,
/// and a store where that no longer holds changes nothing and answers [`Applied::Conflict`].
#[derive(Clone, Debug)]
pub struct Change {
    pub app: AppId,
    /// The row to write whole. `None` for a plain removal.
    pub put: Option<Put>,
    /// Rows that go away in the same step, of this user or another: rows that lost their address, rows
    /// evicted by a limit, a deleted device. A row that is already gone is no conflict.
    pub remove: Vec<DeviceRef>,
    /// Who must hold the address of `put` for the step to happen.
    pub claim: Option<Claim>,
}

/// A row to write, and what must be there now.
#[derive(Clone, Debug)]
pub struct Put {
    pub device: Device,
    /// The key its address is found by; kept beside the row.
    pub key: AddressKey,
    pub expect: Expect,
}

/// What must be true of the row (by app and id) before the write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expect {
    /// No row with this id.
    Absent,
    /// The row is there, under this user, at this revision. When the user differs from the one being
    /// written, the row moves.
    Present { user: UserId, revision: u64 },
}

/// Ownership of an address: `key` is held by `holder` now (`None`: by nobody), and by the written row afterwards.
#[derive(Clone, Debug)]
pub struct Claim {
    pub key: AddressKey,
    pub holder: Option<DeviceRef>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Applied {
    /// Durable, and seen by every later read.
    Done,
    /// What the change was decided on no longer holds; nothing was written. Read again and decide again.
    Conflict,
}

/// A page of rows in id order.
#[derive(Debug, Default)]
pub struct DevicePage {
    pub devices: Vec<Device>,
    /// Where the next page starts; `None` at the end.
    pub next: Option<(AppId, DeviceId)>,
}

/// Device rows and address ownership. Reads see every write that was acknowledged before they began.
pub trait Registry: Send + Sync + 'static {
    /// All rows of these users, whatever their status, in no order. Unknown users are simply absent.
    fn devices_of(&self, app: &AppId, users: Vec<UserId>) -> BoxFuture<'_, Result<Vec<Device>>>;

    /// The rows with these ids, in no order. Unknown ids are simply absent.
    fn devices_by_id(&self, app: &AppId, ids: Vec<DeviceId>) -> BoxFuture<'_, Result<Vec<Device>>>;

    /// The row that holds an address.
    fn holder(&self, app: &AppId, key: AddressKey) -> BoxFuture<'_, Result<Option<Device>>>;

    /// One atomic, durable step. On [`crate::Error::Unknown`] the caller reads back.
    fn apply(&self, change: Change) -> BoxFuture<'_, Result<Applied>>;

    /// Rows of all apps in (app, id) order, from just after `after`, at most `limit`. For the sweeper; a row
    /// written during the scan may or may not be in it.
    fn scan(
        &self,
        after: Option<(AppId, DeviceId)>,
        limit: usize,
    ) -> BoxFuture<'_, Result<DevicePage>>;
}
