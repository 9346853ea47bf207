//! Random sequences of commands against a model store keep the registry's invariants.

use std::collections::{BTreeMap, HashSet};

use fanfare_types::{AddressKey, Applied, Change, Expect, Status};
use proptest::prelude::*;

use super::super::{Patch, bury, deactivate, patch, remove, unregister};
use super::*;
use crate::cleanup::OnDeadToken;

/// Applies changes as any store must: all or nothing, on what they expect only.
#[derive(Default)]
struct Model {
    rows: BTreeMap<DeviceId, (Device, AddressKey)>,
}

impl Model {
    fn holder(&self, key: AddressKey) -> Option<Device> {
        let mut held = self.rows.values().filter(|(_, held)| *held == key);
        held.next().map(|(row, _)| row.clone())
    }

    fn of(&self, user: &UserId) -> Vec<Device> {
        let rows = self.rows.values().map(|(row, _)| row);
        rows.filter(|row| row.user == *user).cloned().collect()
    }

    fn apply(&mut self, change: Change) -> Applied {
        if let Some(claim) = &change.claim
            && self.holder(claim.key).map(|row| row.as_ref()) != claim.holder
        {
            return Applied::Conflict;
        }
        if let Some(put) = &change.put {
            let there = self.rows.get(&put.device.id).map(|(row, _)| row);
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
            if self
                .rows
                .get(&gone.id)
                .is_some_and(|(row, _)| row.user == gone.user)
            {
                self.rows.remove(&gone.id);
            }
        }
        if let Some(put) = change.put {
            self.rows.insert(put.device.id, (put.device, put.key));
        }
        Applied::Done
    }

    fn check(&self, policy: &Policy) -> Result<(), TestCaseError> {
        let (mut keys, mut installs) = (HashSet::new(), HashSet::new());
        let mut per_user: BTreeMap<&UserId, usize> = BTreeMap::new();
        for (row, key) in self.rows.values() {
            prop_assert_eq!(*key, policy.key(&row.address, &row.user));
            prop_assert!(keys.insert(*key), "an address is held twice");
            if let Some(install) = &row.device_key {
                prop_assert!(
                    installs.insert((&row.user, install)),
                    "a device key is there twice"
                );
            }
            *per_user.entry(&row.user).or_default() += 1;
        }
        let limit = policy.devices_per_user_max;
        prop_assert!(
            per_user.values().all(|rows| *rows <= limit),
            "too many rows"
        );
        Ok(())
    }
}

#[derive(Clone, Debug)]
enum Step {
    Register {
        user: u8,
        address: u8,
        key: Option<u8>,
    },
    Patch {
        row: usize,
        address: Option<u8>,
        key: Option<u8>,
    },
    Bury {
        row: usize,
        delete: bool,
    },
    Remove {
        row: usize,
    },
    Delete {
        row: usize,
        deleted: bool,
    },
    Unregister {
        user: u8,
        key: u8,
    },
    Fail {
        row: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let register = (0..4u8, 0..6u8, proptest::option::of(0..3u8));
    let patch = (
        any::<usize>(),
        proptest::option::of(0..6u8),
        proptest::option::of(0..3u8),
    );
    prop_oneof![
        6 => register.prop_map(|(user, address, key)| Step::Register { user, address, key }),
        2 => patch.prop_map(|(row, address, key)| Step::Patch { row, address, key }),
        1 => (any::<usize>(), any::<bool>()).prop_map(|(row, delete)| Step::Bury { row, delete }),
        1 => any::<usize>().prop_map(|row| Step::Remove { row }),
        1 => (any::<usize>(), any::<bool>()).prop_map(|(row, deleted)| Step::Delete { row, deleted }),
        1 => (0..4u8, 0..3u8).prop_map(|(user, key)| Step::Unregister { user, key }),
        1 => any::<usize>().prop_map(|row| Step::Fail { row }),
    ]
}

fn decision(model: &Model, step: &Step, at: u64, policy: &Policy) -> Option<Decision> {
    let now = Timestamp(at);
    let nth = |n: usize| {
        let rows = model.rows.values().map(|(row, _)| row);
        rows.clone().nth(n % model.rows.len().max(1)).cloned()
    };
    match step {
        Step::Register {
            user: name,
            address: to,
            key,
        } => {
            let (app, user) = (app(), user(&name.to_string()));
            let mut command = plain(&to.to_string());
            command.device_key = key.map(|key| key.to_string());
            let holder = model.holder(policy.key(&command.address, &user));
            let known = Known {
                app: &app,
                user: &user,
                own: &model.of(&user),
                holder: holder.as_ref(),
                now,
            };
            Some(register(command, known, id(at), policy))
        }
        Step::Patch {
            row,
            address: to,
            key,
        } => nth(*row).map(|row| {
            let change = Patch {
                address: to.map(|to| address(&to.to_string())),
                device_key: key.map(|key| key.to_string()),
                ..Patch::default()
            };
            let held = change.address.as_ref();
            let holder = held.and_then(|address| model.holder(policy.key(address, &row.user)));
            let mut own = model.of(&row.user).into_iter();
            let twin = own.find(|other| key.is_some() && other.device_key == change.device_key);
            patch(change, &row, holder.as_ref(), twin.as_ref(), now, policy)
        }),
        Step::Bury { row, delete } => nth(*row).and_then(|row| {
            let on_dead = [OnDeadToken::Invalidate, OnDeadToken::Delete][usize::from(*delete)];
            bury(&row, now, on_dead, now, policy)
        }),
        Step::Remove { row } => nth(*row).as_ref().map(remove),
        Step::Delete { row, deleted } => nth(*row).map(|row| {
            let change = Patch {
                deleted: Some(*deleted),
                ..Patch::default()
            };
            patch(change, &row, None, None, now, policy)
        }),
        Step::Unregister { user: name, key } => {
            let own = model.of(&user(&name.to_string()));
            unregister(&own, &key.to_string(), now, policy)
        }
        Step::Fail { row } => nth(*row).and_then(|row| {
            let row = Device {
                consecutive_failures: policy.deactivate_after,
                ..row
            };
            deactivate(&row, now, policy)
        }),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn invariants_hold(
        steps in proptest::collection::vec(step(), 1..60),
        address_sharing in any::<bool>(),
        devices_per_user_max in 1..4usize,
    ) {
        let policy = Policy { address_sharing, devices_per_user_max, deactivate_after: 5 };
        let mut model = Model::default();
        for (at, step) in (1..).zip(&steps) {
            let Some(decision) = decision(&model, step, at, &policy) else { continue };
            let before = model.rows.clone();
            prop_assert_eq!(model.apply(decision.change.clone()), Applied::Done);
            model.check(&policy)?;
            let at_hand = model.rows.get(&decision.device.id).map(|(row, _)| row.clone());
            prop_assert!(decision.stands_in(at_hand.as_slice()));
            if let Step::Register { .. } = step {
                prop_assert_eq!(at_hand.map(|row| row.status), Some(Status::Active));
            }
            // Whatever was routed by the rows of before, and no longer goes where it went, is revoked.
            for (id, (old, _)) in before {
                let same = model.rows.get(&id).is_some_and(|(new, _)| {
                    (&new.user, &new.address) == (&old.user, &old.address) && new.is_deliverable()
                });
                prop_assert!(same || !old.is_deliverable() || decision.revoked.contains(&id));
            }
        }
    }
}
