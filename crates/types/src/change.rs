//! A change of the registry: decided in `core`, carried out by a store.

use crate::{AddressKey, AppId, Device, DeviceRef, UserId};

/// One atomic step on the registry: all of it happens, or none.
///
/// The decision was made in `core` from rows read before; `put.expect` and `claim` name what it was made on,
/// and a store where that no longer holds changes nothing and answers [`Applied::Conflict`]. So it does when another
/// row of the user keeps the device key of `put`, or another row of the app its address.
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
