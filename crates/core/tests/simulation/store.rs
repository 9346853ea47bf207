//! The model of the store: what is durable. It carries out what was decided and guards nothing that `core` must
//! guard itself: two rows of one address would be written here, and found by the books.

use std::collections::{BTreeMap, BTreeSet};

use fanfare_types::{
    Address, AddressKey, AppId, Applied, Change, Counts, Device, DeviceId, Expect, NotificationId,
    NotificationRecord, Outcome, Timestamp, UserId,
};

/// A write, as it waits for its commit.
#[derive(Debug)]
pub(crate) enum Write {
    Apply(Box<Change>),
    Accept(Box<NotificationRecord>),
    Record(Vec<(NotificationId, u32, Outcome)>),
    Cancel(NotificationId),
}

/// What a committed write says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wrote {
    Done,
    Conflict,
}

/// Why a call failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Nothing was written.
    Unavailable,
    /// It may have been written.
    Unknown,
}

pub(crate) struct Row {
    pub(crate) device: Device,
    key: AddressKey,
}

pub(crate) struct Entry {
    pub(crate) record: NotificationRecord,
    pub(crate) cancelled: bool,
    pub(crate) ended: BTreeMap<u32, Outcome>,
}

#[derive(Default)]
pub(crate) struct Store {
    rows: BTreeMap<(AppId, DeviceId), Row>,
    pub(crate) journal: BTreeMap<NotificationId, Entry>,
    /// What has an ordinal without outcome.
    unfinished: BTreeSet<NotificationId>,
    /// The writer's time: commits are in order, and so are its answers.
    pub(crate) commits_at: u64,
    pub(crate) answers_at: u64,
}

impl Store {
    pub(crate) fn commit(&mut self, write: &Write) -> Wrote {
        match write {
            Write::Apply(change) => match self.apply(change) {
                Applied::Done => Wrote::Done,
                Applied::Conflict => Wrote::Conflict,
            },
            Write::Accept(record) => {
                let entry = Entry {
                    record: (**record).clone(),
                    cancelled: false,
                    ended: BTreeMap::new(),
                };
                if !entry.record.targets.is_empty() {
                    self.unfinished.insert(record.id);
                }
                assert!(self.journal.insert(record.id, entry).is_none());
                Wrote::Done
            }
            Write::Record(ended) => {
                for (id, ordinal, outcome) in ended {
                    self.end(*id, *ordinal, *outcome);
                }
                Wrote::Done
            }
            Write::Cancel(id) => {
                if self.unfinished.contains(id)
                    && let Some(entry) = self.journal.get_mut(id)
                {
                    entry.cancelled = true;
                }
                Wrote::Done
            }
        }
    }

    /// The first outcome stays.
    fn end(&mut self, id: NotificationId, ordinal: u32, outcome: Outcome) {
        let Some(entry) = self.journal.get_mut(&id) else {
            return;
        };
        entry.ended.entry(ordinal).or_insert(outcome);
        if entry.ended.len() == entry.record.targets.len() {
            self.unfinished.remove(&id);
        }
    }

    fn apply(&mut self, change: &Change) -> Applied {
        if let Some(claim) = &change.claim {
            let holder = self.holder(&change.app, claim.key).map(Device::as_ref);
            if holder != claim.holder {
                return Applied::Conflict;
            }
        }
        if let Some(put) = &change.put {
            let row = self.rows.get(&(change.app.clone(), put.device.id));
            let holds = match (&put.expect, row) {
                (Expect::Absent, None) => true,
                (Expect::Present { user, revision }, Some(row)) => {
                    row.device.user == *user && row.device.revision == *revision
                }
                _ => false,
            };
            if !holds {
                return Applied::Conflict;
            }
        }
        for gone in &change.remove {
            let name = (change.app.clone(), gone.id);
            if self
                .rows
                .get(&name)
                .is_some_and(|row| row.device.user == gone.user)
            {
                self.rows.remove(&name);
            }
        }
        if let Some(put) = &change.put {
            let row = Row {
                device: put.device.clone(),
                key: put.key,
            };
            self.rows.insert((change.app.clone(), put.device.id), row);
        }
        Applied::Done
    }

    pub(crate) fn row(&self, app: &AppId, id: DeviceId) -> Option<&Device> {
        self.rows.get(&(app.clone(), id)).map(|row| &row.device)
    }

    pub(crate) fn holder(&self, app: &AppId, key: AddressKey) -> Option<&Device> {
        let held = |row: &&Row| row.device.app == *app && row.key == key;
        self.rows.values().find(held).map(|row| &row.device)
    }

    pub(crate) fn devices_of(&self, app: &AppId, user: &UserId) -> Vec<Device> {
        let held = |device: &&Device| device.app == *app && device.user == *user;
        self.devices().filter(held).cloned().collect()
    }

    pub(crate) fn devices(&self) -> impl Iterator<Item = &Device> {
        self.rows.values().map(|row| &row.device)
    }

    /// An address that more than one row holds.
    pub(crate) fn doubly_held(&self) -> Option<Address> {
        let mut seen = BTreeSet::new();
        let mut rows = self.rows.values();
        rows.find(|row| !seen.insert((row.device.app.clone(), row.key)))
            .map(|row| row.device.address.clone())
    }

    /// Unfinished and due, after `after`, at most `limit`.
    pub(crate) fn page(
        &self,
        due: Timestamp,
        after: Option<NotificationId>,
        limit: usize,
    ) -> Vec<NotificationId> {
        let ids = self.unfinished.iter().copied();
        ids.filter(|id| after.is_none_or(|after| *id > after))
            .filter(|id| self.due_at(*id) <= due)
            .take(limit)
            .collect()
    }

    pub(crate) fn next_due(&self, due: Timestamp) -> Option<Timestamp> {
        let ids = self.unfinished.iter();
        let times = ids.filter_map(|id| self.journal[id].record.options.send_at);
        times.filter(|at| *at > due).min()
    }

    /// What is not scheduled is due at once, whatever time it was by the clock when it was accepted.
    fn due_at(&self, id: NotificationId) -> Timestamp {
        let send_at = self.journal[&id].record.options.send_at;
        send_at.unwrap_or_default()
    }

    pub(crate) fn all_ended(&self) -> bool {
        self.unfinished.is_empty()
    }
}

impl Entry {
    pub(crate) fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for outcome in self.ended.values() {
            *counts.of(*outcome) += 1;
        }
        counts
    }

    pub(crate) fn done(&self) -> Vec<u32> {
        self.ended.keys().copied().collect()
    }
}
