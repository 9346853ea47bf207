//! The registry half of a store: device rows, and who holds an address.

pub use fanfare_types::change::{Applied, Change, Claim, Expect, Put};
use fanfare_types::{AddressKey, AppId, Device, DeviceId, Facts, Failing, UserId};
use futures_util::future::BoxFuture;

use crate::Result;
use crate::listing::{DeviceQuery, Listing};

/// A page of rows, in the order of the store. It may be empty and not the last.
#[derive(Debug, Default)]
pub struct DevicePage {
    pub devices: Vec<Device>,
    /// Where the next page starts; `None` at the end.
    pub next: Option<ScanCursor>,
}

/// A place in a scan. Only the store knows what it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanCursor(pub Vec<u8>);

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

    /// Rows of all apps, each once, from just after `after`, at most `limit`; in a store that is shared, this node's part
    /// of them. For the sweeper; a row written during the scan may or may not be in it.
    fn scan(&self, after: Option<ScanCursor>, limit: usize) -> BoxFuture<'_, Result<DevicePage>>;

    /// A page of a tenant's rows, for an administrator; see [`crate::listing`] for what it may cost.
    fn listing(&self, query: DeviceQuery) -> BoxFuture<'_, Result<Listing>>;

    /// Adds delivery facts to their rows, in one durable step, each row to the state it has by then: a change that
    /// was decided on the row before is a [`Applied::Conflict`] afterwards, or keeps the facts. Rows that are gone
    /// or belong to another user by now are passed over. Failures of before the row's newest registration are not
    /// counted. Returns the rows that failed, as they are now. Told twice, facts count twice: after
    /// [`crate::Error::Unknown`] they are not told again.
    fn record_facts(&self, facts: Vec<Facts>) -> BoxFuture<'_, Result<Vec<Failing>>>;
}
