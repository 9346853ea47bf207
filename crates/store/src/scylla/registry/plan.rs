//! What a change comes to, decided on what was read: pure.

use std::collections::{BTreeMap, BTreeSet};

use fanfare_types::{AddressKey, Device, DeviceId, DeviceRef};

use super::address::{Decision, Gone, Held, Next, State};
use super::judge::{Standing, later_than, name};
use super::row::{self, Row, counts};
use crate::{Change, Expect, Put};

/// What was read for a change: rows, and what was decided on addresses.
#[derive(Default)]
pub(super) struct Seen {
    /// All rows of the user that the change writes.
    pub(super) own: Vec<Row>,
    /// Other rows that it names, or that hold addresses.
    pub(super) others: Vec<Row>,
    pub(super) addresses: BTreeMap<AddressKey, Option<Decision>>,
    /// Of these, those whose former owners' rows are there still.
    pub(super) lingering: BTreeSet<AddressKey>,
    /// Whether some user has a device of this id.
    pub(super) is_known: bool,
}

/// What to do.
pub(super) enum Plan {
    Conflict,
    /// Something else has to be finished first.
    Settle(AddressKey),
    /// A row says that it holds an address, and the address says otherwise.
    LookAgain(DeviceRef),
    Decide(Box<Step>),
}

/// A decision on the address of the row, and what must be decided before.
pub(super) struct Step {
    pub(super) seen: Option<i64>,
    pub(super) decision: Decision,
    pub(super) held: Held,
    /// The device goes on from another address, where this must be decided first.
    pub(super) from: Option<From>,
}

pub(super) struct From {
    pub(super) key: AddressKey,
    pub(super) seen: i64,
    pub(super) leaving: Decision,
    pub(super) held: Held,
}

impl Seen {
    pub(super) fn row(&self, name: &DeviceRef) -> Option<&Row> {
        let mut rows = self.own.iter().chain(&self.others);
        rows.find(|row| row.is(name))
    }

    fn decision(&self, key: &AddressKey) -> Option<&Decision> {
        self.addresses.get(key)?.as_ref()
    }

    pub(super) fn plan(&self, change: &Change, put: &Put) -> Plan {
        for (key, decision) in &self.addresses {
            let holder = decision.as_ref().and_then(|found| self.row(&found.holder));
            let standing = Standing::of(key, decision.as_ref(), holder);
            if standing == Standing::Unsettled || self.lingering.contains(key) {
                return Plan::Settle(*key);
            }
        }
        if !self.claim_holds(change) || !self.is_free_for(change, put) {
            return Plan::Conflict;
        }
        let former = match self.former(put) {
            Ok(former) => former,
            Err(plan) => return plan,
        };
        match self.gone(change, put, former) {
            Some(gone) => Plan::Decide(Box::new(self.step(put, former, gone))),
            None => Plan::Conflict,
        }
    }

    /// Whether the claimed address is held by whom the caller saw.
    pub(super) fn claim_holds(&self, change: &Change) -> bool {
        change.claim.as_ref().is_none_or(|claim| {
            self.decision(&claim.key).map(|found| &found.holder) == claim.holder.as_ref()
        })
    }

    /// Whether nobody else keeps the address.
    fn is_free_for(&self, change: &Change, put: &Put) -> bool {
        self.decision(&put.key).is_none_or(|found| {
            found.holder.id == put.device.id || change.remove.contains(&found.holder)
        })
    }

    /// The row as it is now, if what the put expects is so.
    fn former(&self, put: &Put) -> Result<Option<&Row>, Plan> {
        let id = put.device.id;
        let (user, revision) = match &put.expect {
            Expect::Absent => {
                let is_there = self.is_known
                    || self.own.iter().any(|row| row.device.id == id)
                    || self
                        .decision(&put.key)
                        .is_some_and(|found| found.holder.id == id);
                return if is_there {
                    Err(Plan::Conflict)
                } else {
                    Ok(None)
                };
            }
            Expect::Present { user, revision } => (user.clone(), *revision),
        };
        let name = DeviceRef { user, id };
        let row = self.row(&name);
        let Some(row) = row.filter(|row| row.device.revision == revision) else {
            return Err(Plan::Conflict);
        };
        match self.decision(&row.key) {
            Some(found) if found.holder == name => Ok(Some(row)),
            _ => Err(Plan::LookAgain(name)),
        }
    }

    /// The rows that go; `None` when another row of the user keeps the device key.
    fn gone(&self, change: &Change, put: &Put, former: Option<&Row>) -> Option<Vec<Gone>> {
        let id = put.device.id;
        let named = change.remove.iter().filter(|name| name.id != id);
        let mut rows: Vec<&Row> = named.filter_map(|name| self.row(name)).collect();
        for twin in self.own.iter().filter(|row| row.device.id != id) {
            let key = &twin.device.device_key;
            if key.is_none()
                || *key != put.device.device_key
                || change.remove.contains(&twin.device.as_ref())
            {
                continue;
            }
            // Two nodes wrote at the very same time, and one of the two does not count: this write settles it.
            let is_double = former.is_some_and(|row| {
                row.device.user == put.device.user && row.device.device_key == *key
            });
            if !is_double && counts(&twin.device, &self.own) {
                return None;
            }
            rows.push(twin);
        }
        rows.sort_unstable_by_key(|row| row.device.id);
        rows.dedup_by_key(|row| row.device.as_ref());
        let gone = rows.into_iter().map(|row| Gone {
            name: row.device.as_ref(),
            key: (row.key != put.key).then_some(row.key),
            tenant: row.device.tenant.clone(),
        });
        let moved = former.filter(|row| row.device.user != put.device.user);
        let moved = moved.map(|row| Gone {
            name: row.device.as_ref(),
            key: None,
            tenant: None,
        });
        Some(gone.chain(moved).collect())
    }

    fn step(&self, put: &Put, former: Option<&Row>, gone: Vec<Gone>) -> Step {
        let seen = self.decision(&put.key);
        let leaves = former.filter(|row| row.key != put.key);
        let leaves = leaves.and_then(|row| Some((row.key, self.decision(&row.key)?)));
        let rows = gone.iter().filter_map(|gone| self.row(&gone.name));
        let before = rows.chain(former).map(|row| row.facts_at);
        let decided = seen.into_iter().chain(leaves.map(|(_, leaves)| leaves));
        let at = later_than(before.chain(decided.map(|found| found.ts)));
        let held = held(put, former, gone, at);
        let decision = Decision {
            change: name(),
            previous: seen.map(|seen| seen.change),
            ts: at,
            holder: put.device.as_ref(),
            state: State::Held(held.clone()),
        };
        let seen = seen.map(|seen| seen.change);
        let from = leaves.and_then(|(key, leaves)| {
            let State::Held(held) = &leaves.state else {
                return None;
            };
            let next = Next {
                key: put.key,
                seen,
                decision: Box::new(decision.clone()),
            };
            Some(From {
                key,
                seen: leaves.change,
                leaving: Decision {
                    change: name(),
                    previous: Some(leaves.change),
                    ts: at,
                    holder: leaves.holder.clone(),
                    state: State::Leaving(held.clone(), next),
                },
                held: held.clone(),
            })
        });
        Step {
            seen,
            decision,
            held,
            from,
        }
    }
}

fn held(put: &Put, former: Option<&Row>, gone: Vec<Gone>, at: i64) -> Held {
    let device = &put.device;
    let is_new = former.is_none_or(|row| row.device.user != device.user);
    let before = former.and_then(|row| listed(&row.device));
    let listed = listed(device);
    let unlisted = before.clone().filter(|_| before != listed);
    Held {
        at,
        body: row::pack(device, &put.key),
        is_new,
        listed: listed.filter(|_| is_new || unlisted.is_some() || before.is_none()),
        unlisted,
        gone,
    }
}

/// The tenant that has a device in its listing.
fn listed(device: &Device) -> Option<String> {
    let is_there = device.deleted_at.is_none();
    device.tenant.clone().filter(|_| is_there)
}

/// Every row that a change names outside of the user it writes.
pub(super) fn named(change: &Change, put: &Put) -> Vec<DeviceRef> {
    let id: DeviceId = put.device.id;
    let former = match &put.expect {
        Expect::Present { user, .. } => Some(DeviceRef {
            user: user.clone(),
            id,
        }),
        Expect::Absent => None,
    };
    let named = change.remove.iter().cloned().chain(former);
    let mut named: Vec<DeviceRef> = named.filter(|name| name.user != put.device.user).collect();
    named.dedup();
    named
}
