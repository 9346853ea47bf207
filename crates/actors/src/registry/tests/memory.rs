//! A store in memory that can be made slow, contended, unsure or broken. It never leaves the runtime, so that
//! paused time works with it.

use fanfare_store::campaigns::{
    AudiencePage, AudienceQuery, Audienced, Block, CampaignDeliveries, Changed, Chunk,
    ChunkOutcomes, Created, DeliveryCursor, Named, OpenChunk, Opened, Shard, StoredCampaign,
    UploadRow,
};
use fanfare_store::{Campaigns, Idempotency};
use fanfare_types::{Audience, CampaignId, CampaignRecord, Standing};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use fanfare_store::{
    Accept, Accepted, Applied, Change, DeliveryPage, DevicePage, DeviceQuery, Error, Expect,
    Journal, Listing, OutcomeBatch, Recovered, Registry, Result, ScanCursor, Store, Summary,
};
use fanfare_types::{
    AddressKey, AppId, Device, DeviceId, Facts, Failing, NotificationId, Outcome, Timestamp, UserId,
};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::Semaphore;

/// What becomes of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Written,
    Conflict,
    /// Written, but the answer is lost.
    UnknownWritten,
    /// Not written, and the answer is lost.
    UnknownLost,
    Unavailable,
    Panic,
}

type Fates = Box<dyn FnMut(&Change) -> Fate + Send>;

#[derive(Default)]
struct Rows {
    by_id: HashMap<DeviceId, (Device, AddressKey)>,
    by_key: HashMap<AddressKey, DeviceId>,
    by_user: HashMap<UserId, BTreeSet<DeviceId>>,
}

impl Rows {
    fn get(&self, id: DeviceId) -> Option<&Device> {
        self.by_id.get(&id).map(|(row, _)| row)
    }

    fn holder(&self, key: AddressKey) -> Option<&Device> {
        self.by_key.get(&key).and_then(|id| self.get(*id))
    }

    fn remove(&mut self, id: DeviceId) {
        if let Some((row, key)) = self.by_id.remove(&id) {
            self.by_key.remove(&key);
            self.by_user.entry(row.user).or_default().remove(&id);
        }
    }

    fn insert(&mut self, row: Device, key: AddressKey) {
        self.remove(row.id);
        assert_eq!(
            self.by_key.insert(key, row.id),
            None,
            "an address is held twice"
        );
        self.by_user
            .entry(row.user.clone())
            .or_default()
            .insert(row.id);
        self.by_id.insert(row.id, (row, key));
    }
}

pub(super) struct Memory {
    rows: Mutex<Rows>,
    fates: Mutex<Fates>,
    /// Rows as they were written, in order.
    pub(super) log: Mutex<Vec<Device>>,
    /// A write waits for a permit here.
    pub(super) gate: Semaphore,
    /// How long a write takes.
    pub(super) delay: Mutex<Duration>,
}

impl Memory {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Memory {
            rows: Mutex::default(),
            fates: Mutex::new(Box::new(|_| Fate::Written)),
            log: Mutex::default(),
            gate: Semaphore::new(Semaphore::MAX_PERMITS),
            delay: Mutex::new(Duration::ZERO),
        })
    }

    pub(super) fn set_fates(&self, fates: impl FnMut(&Change) -> Fate + Send + 'static) {
        *self.fates.lock() = Box::new(fates);
    }

    /// From now on a write waits until [`Memory::open`].
    pub(super) fn shut(&self) {
        self.gate.forget_permits(Semaphore::MAX_PERMITS);
    }

    pub(super) fn open(&self) {
        self.gate.add_permits(Semaphore::MAX_PERMITS);
    }

    pub(super) fn rows(&self) -> usize {
        self.rows.lock().by_id.len()
    }

    fn write(&self, change: Change) -> Applied {
        let mut rows = self.rows.lock();
        if let Some(claim) = &change.claim
            && rows.holder(claim.key).map(Device::as_ref) != claim.holder
        {
            return Applied::Conflict;
        }
        if let Some(put) = &change.put {
            let there = rows.get(put.device.id);
            let as_expected = match (&put.expect, there) {
                (Expect::Absent, None) => true,
                (Expect::Present { user, revision }, Some(row)) => {
                    row.user == *user && row.revision == *revision
                }
                _ => false,
            };
            if !as_expected {
                return Applied::Conflict;
            }
        }
        for gone in &change.remove {
            if rows.get(gone.id).is_some_and(|row| row.user == gone.user) {
                rows.remove(gone.id);
            }
        }
        if let Some(put) = change.put {
            self.log.lock().push(put.device.clone());
            rows.insert(put.device, put.key);
        }
        Applied::Done
    }
}

async fn answer<T>(found: T) -> Result<T> {
    tokio::task::yield_now().await;
    Ok(found)
}

impl Registry for Memory {
    fn devices_of(&self, app: &AppId, users: Vec<UserId>) -> BoxFuture<'_, Result<Vec<Device>>> {
        let rows = self.rows.lock();
        let ids = users.iter().filter_map(|user| rows.by_user.get(user));
        let found = ids.flatten().filter_map(|id| rows.get(*id));
        let found = found.filter(|row| row.app == *app);
        answer(found.cloned().collect()).boxed()
    }

    fn devices_by_id(&self, app: &AppId, ids: Vec<DeviceId>) -> BoxFuture<'_, Result<Vec<Device>>> {
        let rows = self.rows.lock();
        let found = ids.iter().filter_map(|id| rows.get(*id));
        let found = found.filter(|row| row.app == *app);
        answer(found.cloned().collect()).boxed()
    }

    fn holder(&self, _: &AppId, key: AddressKey) -> BoxFuture<'_, Result<Option<Device>>> {
        answer(self.rows.lock().holder(key).cloned()).boxed()
    }

    fn apply(&self, change: Change) -> BoxFuture<'_, Result<Applied>> {
        async move {
            let delay = *self.delay.lock();
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            drop(self.gate.acquire().await);
            let fate = (self.fates.lock())(&change);
            match fate {
                Fate::Written => Ok(self.write(change)),
                Fate::Conflict => Ok(Applied::Conflict),
                Fate::UnknownWritten => {
                    assert_eq!(self.write(change), Applied::Done);
                    Err(Error::Unknown("lost".to_owned()))
                }
                Fate::UnknownLost => Err(Error::Unknown("lost".to_owned())),
                Fate::Unavailable => Err(Error::Unavailable("down".to_owned())),
                Fate::Panic => panic!("as the test wants it"),
            }
        }
        .boxed()
    }

    fn scan(&self, _: Option<ScanCursor>, _: usize) -> BoxFuture<'_, Result<DevicePage>> {
        unreachable!("the registry does not scan")
    }

    fn listing(&self, _: DeviceQuery) -> BoxFuture<'_, Result<Listing>> {
        unreachable!("plain reads have tests of their own")
    }

    fn record_facts(&self, _: Vec<Facts>) -> BoxFuture<'_, Result<Vec<Failing>>> {
        unreachable!("the registry records none")
    }
}

/// The registry calls nothing of this half.
impl Journal for Memory {
    fn accept(&self, _: Accept) -> BoxFuture<'_, Result<Accepted>> {
        unreachable!()
    }

    fn record(&self, _: Vec<OutcomeBatch>) -> BoxFuture<'_, Result<()>> {
        unreachable!()
    }

    fn cancel(&self, _: &AppId, _: NotificationId) -> BoxFuture<'_, Result<Option<Summary>>> {
        unreachable!()
    }

    fn summary(&self, _: &AppId, _: NotificationId) -> BoxFuture<'_, Result<Option<Summary>>> {
        unreachable!()
    }

    fn deliveries(
        &self,
        _: &AppId,
        _: NotificationId,
        _: Option<Outcome>,
        _: u32,
        _: usize,
    ) -> BoxFuture<'_, Result<Option<DeliveryPage>>> {
        unreachable!()
    }

    fn unfinished(
        &self,
        _: Timestamp,
        _: Option<NotificationId>,
        _: usize,
    ) -> BoxFuture<'_, Result<Vec<Recovered>>> {
        unreachable!()
    }

    fn next_due(&self, _: Timestamp) -> BoxFuture<'_, Result<Option<Timestamp>>> {
        unreachable!()
    }

    fn purge(&self, _: Timestamp, _: Timestamp, _: usize) -> BoxFuture<'_, Result<usize>> {
        unreachable!()
    }
}

impl Campaigns for Memory {
    fn create(
        &self,
        _: CampaignRecord,
        _: Standing,
        _: Option<Idempotency>,
        _: u64,
    ) -> BoxFuture<'_, Result<Created>> {
        Box::pin(async { Err(fanfare_store::Error::Closed) })
    }

    fn campaign(&self, _: &AppId, _: CampaignId) -> BoxFuture<'_, Result<Option<StoredCampaign>>> {
        Box::pin(async { Err(fanfare_store::Error::Closed) })
    }

    fn campaigns(
        &self,
        _: &AppId,
        _: Option<CampaignId>,
        _: usize,
    ) -> BoxFuture<'_, Result<Vec<StoredCampaign>>> {
        Box::pin(async { Err(fanfare_store::Error::Closed) })
    }

    fn unfinished_campaigns(
        &self,
        _: Option<CampaignId>,
        _: usize,
    ) -> BoxFuture<'_, Result<Vec<StoredCampaign>>> {
        Box::pin(async { Err(fanfare_store::Error::Closed) })
    }

    fn change(&self, _: &AppId, _: CampaignId, _: Standing) -> BoxFuture<'_, Result<Changed>> {
        Box::pin(async { Err(fanfare_store::Error::Closed) })
    }

    fn append(&self, _: &AppId, _: CampaignId, _: Block) -> BoxFuture<'_, Result<Changed>> {
        Box::pin(async { Err(fanfare_store::Error::Closed) })
    }

    fn shards(&self, _: &AppId, _: CampaignId, _: usize) -> BoxFuture<'_, Result<Vec<Shard>>> {
        Box::pin(async { Err(fanfare_store::Error::Closed) })
    }

    fn audience(&self, _: AudienceQuery) -> BoxFuture<'_, Result<AudiencePage>> {
        Box::pin(async { Err(fanfare_store::Error::Closed) })
    }

    fn count(
        &self,
        _: &AppId,
        _: Option<CampaignId>,
        _: Arc<Audience>,
        _: u64,
        _: u64,
    ) -> BoxFuture<'_, Result<Audienced>> {
        Box::pin(async { Err(fanfare_store::Error::Closed) })
    }

    fn uploaded(
        &self,
        _: &AppId,
        _: CampaignId,
        _: Vec<Named>,
    ) -> BoxFuture<'_, Result<Option<UploadRow>>> {
        Box::pin(async { Err(fanfare_store::Error::Closed) })
    }

    fn open<'a>(&'a self, _: &'a Chunk) -> BoxFuture<'a, Result<Opened>> {
        Box::pin(async { Err(fanfare_store::Error::Closed) })
    }

    fn open_chunks(
        &self,
        _: &AppId,
        _: CampaignId,
        _: Option<NotificationId>,
        _: usize,
    ) -> BoxFuture<'_, Result<Vec<OpenChunk>>> {
        Box::pin(async { Err(fanfare_store::Error::Closed) })
    }

    fn record_chunks(&self, _: Vec<ChunkOutcomes>) -> BoxFuture<'_, Result<()>> {
        Box::pin(async { Err(fanfare_store::Error::Closed) })
    }

    fn campaign_deliveries(
        &self,
        _: &AppId,
        _: CampaignId,
        _: Option<Outcome>,
        _: DeliveryCursor,
        _: usize,
    ) -> BoxFuture<'_, Result<Option<CampaignDeliveries>>> {
        Box::pin(async { Err(fanfare_store::Error::Closed) })
    }

    fn purge_campaigns(&self, _: Timestamp, _: usize) -> BoxFuture<'_, Result<bool>> {
        Box::pin(async { Err(fanfare_store::Error::Closed) })
    }
}

impl Store for Memory {
    fn ping(&self) -> BoxFuture<'_, Result<()>> {
        async { Ok(()) }.boxed()
    }

    fn close(&self) -> BoxFuture<'_, Result<()>> {
        async { Ok(()) }.boxed()
    }
}
