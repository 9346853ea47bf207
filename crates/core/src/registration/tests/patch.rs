//! Patching.

use std::slice;

use fanfare_types::{Claim, Status};

use super::super::{Patch, patch};
use super::*;

fn patched(change: Patch, before: &Device, holder: Option<&Device>) -> Decision {
    let decision = patch(change, before, holder, None, NOW, &policy());
    assert_eq!(decision.device.revision, before.revision + 1);
    assert_eq!(decision.device.updated_at, NOW);
    assert!(!decision.is_new && !decision.is_move());
    decision
}

#[test]
fn outer_none_leaves_and_inner_none_clears() {
    let mut before = row("ada", plain("a"), 1);
    before.meta.locale = Some("de".to_owned());
    before.meta.device_name = Some("old".to_owned());
    let change = Patch {
        device_name: Some(None),
        os_version: Some(Some("18".to_owned())),
        tags: Some(vec!["news".to_owned()]),
        ..Patch::default()
    };
    let decision = patched(change, &before, None);
    let meta = &decision.device.meta;
    assert_eq!(meta.locale.as_deref(), Some("de"));
    assert_eq!(meta.device_name, None);
    assert_eq!(meta.os_version.as_deref(), Some("18"));
    assert_eq!(decision.device.tags, ["news"]);
    assert_eq!(decision.device.last_seen_at, before.last_seen_at);
    assert!(decision.revoked.is_empty() && decision.change.claim.is_none());
}

#[test]
fn a_new_address_is_a_registration_of_it_and_the_other_row_loses_it() {
    let mut before = row("ada", plain("a"), 1);
    before.status = Status::Invalid;
    before.invalidated_at = Some(Timestamp(2));
    before.consecutive_failures = 5;
    for holder in [
        None,
        Some(row("ada", plain("b"), 3)),
        Some(row("bob", plain("b"), 3)),
    ] {
        let change = Patch {
            address: Some(address("b")),
            ..Patch::default()
        };
        let decision = patched(change, &before, holder.as_ref());
        let device = &decision.device;
        assert_eq!(
            (device.status, device.invalidated_at),
            (Status::Active, None)
        );
        assert_eq!(device.consecutive_failures, 0);
        assert_eq!(
            (device.registered_at, device.token_refreshed_at),
            (NOW, Some(NOW))
        );
        let refs: Vec<_> = holder.iter().map(Device::as_ref).collect();
        assert_eq!(decision.change.remove, refs);
        let wanted = Claim {
            key: policy().key(&address("b"), &user("ada")),
            holder: refs.first().cloned(),
        };
        let claim = decision.change.claim.clone().unwrap();
        assert_eq!((claim.key, claim.holder), (wanted.key, wanted.holder));
        assert!(decision.revoked.contains(&before.id));
        assert_eq!(decision.revoked.len(), 1 + refs.len());
    }
}

#[test]
fn a_new_address_does_not_switch_on_what_the_owner_switched_off() {
    let mut before = row("ada", plain("a"), 1);
    before.status = Status::Inactive;
    let readdress = |status| Patch {
        address: Some(address("b")),
        status,
        ..Patch::default()
    };
    let decision = patched(readdress(None), &before, None);
    assert_eq!(decision.device.status, Status::Inactive);
    let decision = patched(readdress(Some(Status::Active)), &before, None);
    assert_eq!(decision.device.status, Status::Active);
}

#[test]
fn the_address_it_has_is_no_new_one() {
    let before = row("ada", plain("a"), 1);
    let change = Patch {
        address: Some(address("a")),
        ..Patch::default()
    };
    let decision = patched(change, &before, Some(&before));
    assert_eq!(decision.device.token_refreshed_at, None);
    assert!(decision.change.claim.is_none() && decision.revoked.is_empty());
}

#[test]
fn statuses() {
    let change = |status| Patch {
        status: Some(status),
        ..Patch::default()
    };
    let active = row("ada", plain("a"), 1);
    for (status, invalidated_at) in [
        (Status::Inactive, None),
        (Status::Stale, None),
        (Status::Invalid, Some(NOW)),
    ] {
        let off = patched(change(status), &active, None);
        assert_eq!(
            (off.device.status, off.device.invalidated_at),
            (status, invalidated_at)
        );
        assert_eq!(off.revoked, [active.id], "what was routed to it stops");
        let mut failing = off.device.clone();
        failing.consecutive_failures = 9;
        let on = patched(change(Status::Active), &failing, None);
        assert_eq!(
            (on.device.status, on.device.invalidated_at),
            (Status::Active, None)
        );
        assert_eq!(
            (on.device.consecutive_failures, on.device.last_seen_at),
            (0, NOW)
        );
        assert_eq!(
            on.device.registered_at, active.registered_at,
            "no registration"
        );
        assert!(on.revoked.is_empty());
    }
}

#[test]
fn a_soft_delete_stops_pushes_and_restoring_lets_them_go_again() {
    let before = row("ada", plain("a"), 1);
    let deleted = |deleted| Patch {
        deleted: Some(deleted),
        ..Patch::default()
    };
    let decision = patched(deleted(true), &before, None);
    assert_eq!(decision.device.deleted_at, Some(NOW));
    assert_eq!(
        decision.device.status,
        Status::Active,
        "it comes back as it was"
    );
    assert_eq!(decision.revoked, [before.id]);
    let gone = decision.device;
    let later = patch(
        deleted(true),
        &gone,
        None,
        None,
        Timestamp(NOW.0 + 9),
        &policy(),
    );
    assert_eq!(later.device.deleted_at, Some(NOW), "the first time counts");
    assert!(later.revoked.is_empty());
    let restored = patched(deleted(false), &gone, None).device;
    assert_eq!(
        (restored.deleted_at, restored.is_deliverable()),
        (None, true)
    );
    // The row keeps its address meanwhile; whoever registers it revives the row.
    let own = slice::from_ref(&gone);
    let revived = decide(plain("a"), "ada", own, Some(&gone), 9).device;
    assert_eq!((revived.id, revived.deleted_at), (before.id, None));
}

#[test]
fn a_device_key_belongs_to_one_row_of_its_user() {
    let before = row("ada", keyed("a", "one"), 1);
    let twin = row("ada", keyed("b", "two"), 2);
    let change = |address: Option<Address>| Patch {
        device_key: Some("two".to_owned()),
        address,
        ..Patch::default()
    };
    for (taken, others) in [
        (None, Some(&twin)),
        (Some(address("b")), Some(&twin)),
        (None, None),
    ] {
        let holder = taken.is_some().then_some(&twin);
        let decision = patch(change(taken), &before, holder, others, NOW, &policy());
        assert_eq!(decision.device.device_key.as_deref(), Some("two"));
        let gone: Vec<_> = others.into_iter().map(Device::as_ref).collect();
        assert_eq!(
            decision.change.remove, gone,
            "once, also when it held the address"
        );
        let revoked = decision.revoked.contains(&twin.id);
        assert_eq!(revoked, others.is_some());
    }
    let same = patch(change(None), &twin, None, Some(&twin), NOW, &policy());
    assert!(same.change.remove.is_empty() && same.revoked.is_empty());
}
