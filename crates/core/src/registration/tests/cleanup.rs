//! Burying, marking stale, purging and removing.

use std::slice;

use fanfare_types::Status;

use super::super::{Patch, bury, deactivate, mark_stale, patch, purge, remove, unregister};
use super::*;
use crate::cleanup::OnDeadToken;

#[test]
fn the_dead_are_buried_unless_registered_later() {
    let before = row("ada", plain("a"), 100);
    for (dead_since, buried) in [(99, false), (100, true), (101, true)] {
        for on_dead in [OnDeadToken::Invalidate, OnDeadToken::Delete] {
            let decision = bury(&before, Timestamp(dead_since), on_dead, NOW, &policy());
            assert_eq!(decision.is_some(), buried, "{dead_since} {on_dead:?}");
        }
    }
}

#[test]
fn a_buried_row_is_invalid_or_gone() {
    let before = row("ada", plain("a"), 100);
    let bury = |row: &Device, on_dead| bury(row, NOW, on_dead, NOW, &policy());
    let decision = bury(&before, OnDeadToken::Invalidate).unwrap();
    let device = &decision.device;
    assert_eq!(
        (device.status, device.invalidated_at),
        (Status::Invalid, Some(NOW))
    );
    assert_eq!(device.registered_at, before.registered_at);
    assert_eq!(device.revision, 2);
    assert_eq!(decision.revoked, [before.id]);
    assert!(
        bury(device, OnDeadToken::Invalidate).is_none(),
        "once is enough"
    );
    let decision = bury(device, OnDeadToken::Delete).unwrap();
    assert_eq!(decision.change.remove, [before.as_ref()]);
    assert!(decision.change.put.is_none());
}

#[test]
fn only_active_rows_unseen_for_long_become_stale() {
    let mut before = row("ada", plain("a"), 100);
    let stale = |row: &Device, since| mark_stale(row, Timestamp(since), NOW, &policy());
    assert!(stale(&before, 100).is_none());
    let decision = stale(&before, 101).unwrap();
    assert_eq!(decision.device.status, Status::Stale);
    assert_eq!(decision.device.last_seen_at, Timestamp(100));
    assert!(stale(&decision.device, 101).is_none());
    before.status = Status::Inactive;
    assert!(stale(&before, 101).is_none());
    before.status = Status::Active;
    before.deleted_at = Some(NOW);
    assert!(stale(&before, 101).is_none());
}

#[test]
fn only_rows_stale_or_invalid_for_long_are_purged() {
    let active = row("ada", plain("a"), 100);
    assert!(purge(&active, Timestamp(u64::MAX)).is_none());
    let stale = mark_stale(&active, Timestamp(101), NOW, &policy())
        .unwrap()
        .device;
    let invalid = bury(&active, NOW, OnDeadToken::Invalidate, NOW, &policy())
        .unwrap()
        .device;
    for row in [stale, invalid] {
        assert!(purge(&row, NOW).is_none());
        let decision = purge(&row, Timestamp(NOW.0 + 1)).unwrap();
        assert_eq!(decision.change.remove, [row.as_ref()]);
    }
}

#[test]
fn a_removal_stands_when_the_row_is_gone_or_another_users() {
    let before = row("ada", plain("a"), 1);
    let decision = remove(&before);
    assert_eq!(decision.revoked, [before.id]);
    assert!(decision.stands_in(&[]));
    assert!(!decision.stands_in(std::slice::from_ref(&before)));
    let moved = decide(plain("a"), "bob", &[], Some(&before), 9).device;
    assert!(decision.stands_in(&[moved]));
}

#[test]
fn unregistering_makes_the_row_of_the_key_invalid_once() {
    let own = [
        row("ada", plain("a"), 1),
        row("ada", keyed("b", "install"), 2),
    ];
    let decision = unregister(&own, "install", NOW, &policy()).unwrap();
    let device = &decision.device;
    assert_eq!((device.id, device.status), (own[1].id, Status::Invalid));
    assert_eq!(device.invalidated_at, Some(NOW));
    assert_eq!(
        decision.revoked,
        [device.id],
        "what was routed goes nowhere"
    );
    let later = Timestamp(NOW.0 + 1);
    assert!(unregister(slice::from_ref(device), "install", later, &policy()).is_none());
    assert!(unregister(&own, "Install", NOW, &policy()).is_none());
    assert!(unregister(&[], "install", NOW, &policy()).is_none());
    for status in [Status::Inactive, Status::Stale] {
        let row = Device {
            status,
            ..own[1].clone()
        };
        assert!(
            unregister(&[row], "install", NOW, &policy()).is_some(),
            "{status}"
        );
    }
}

#[test]
fn a_row_that_fails_too_often_in_a_row_is_switched_off() {
    let failed = |consecutive_failures, status| Device {
        consecutive_failures,
        status,
        ..row("ada", plain("a"), 1)
    };
    let deactivate = |row: &Device| deactivate(row, NOW, &policy());
    assert!(deactivate(&failed(4, Status::Active)).is_none());
    for failures in [5, 6, u32::MAX] {
        let decision = deactivate(&failed(failures, Status::Active)).unwrap();
        let device = decision.device;
        assert_eq!(
            (device.status, device.consecutive_failures),
            (Status::Inactive, failures)
        );
        assert_eq!(decision.revoked, [device.id]);
    }
    for status in [Status::Inactive, Status::Stale, Status::Invalid] {
        assert!(deactivate(&failed(9, status)).is_none(), "{status}");
    }
    let hasty = Policy {
        deactivate_after: 0,
        ..policy()
    };
    assert!(
        !hasty.is_failing(0) && hasty.is_failing(1),
        "0 would switch everybody off"
    );
}

#[test]
fn registering_a_new_address_or_switching_on_begins_the_failures_anew() {
    let failed = Device {
        consecutive_failures: 5,
        status: Status::Inactive,
        ..row("ada", plain("a"), 1)
    };
    let own = slice::from_ref(&failed);
    let again = decide(plain("a"), "ada", own, Some(&failed), 9).device;
    let change = |change: Patch| patch(change, &failed, None, None, NOW, &policy()).device;
    let readdressed = change(Patch {
        address: Some(address("b")),
        ..Patch::default()
    });
    let switched_on = change(Patch {
        status: Some(Status::Active),
        ..Patch::default()
    });
    for device in [again, readdressed, switched_on] {
        assert_eq!(
            (device.consecutive_failures, device.status),
            (0, Status::Active)
        );
    }
    let renamed = change(Patch {
        device_name: Some(None),
        ..Patch::default()
    });
    assert_eq!(
        (renamed.consecutive_failures, renamed.status),
        (5, Status::Inactive)
    );
}
