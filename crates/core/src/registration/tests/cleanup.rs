//! Burying, marking stale, purging and removing.

use fanfare_types::Status;

use super::super::{bury, mark_stale, purge, remove};
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
