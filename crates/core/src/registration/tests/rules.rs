//! Registering: rules 1 to 3, and the limit.

use std::slice::from_ref;

use fanfare_types::{Claim, Environment, Expect, Platform, Status};

use super::*;

fn claim(decision: &Decision) -> Option<Option<fanfare_types::DeviceRef>> {
    decision.change.claim.as_ref().map(|Claim { key, holder }| {
        let put = decision.change.put.as_ref().unwrap();
        assert_eq!(*key, put.key, "what is claimed is what is written");
        holder.clone()
    })
}

fn expect(decision: &Decision) -> Expect {
    decision.change.put.as_ref().unwrap().expect.clone()
}

fn present(row: &Device) -> Expect {
    super::super::present(row)
}

#[test]
fn nothing_found_makes_a_row() {
    for command in [plain("a"), keyed("a", "k")] {
        let decision = decide(command.clone(), "ada", &[], None, 9);
        let device = &decision.device;
        assert!(decision.is_new && !decision.is_move());
        assert_eq!((device.id, device.revision), (id(9), 1));
        assert_eq!(device.device_key, command.device_key);
        assert_eq!(device.status, Status::Active);
        for at in [
            device.created_at,
            device.updated_at,
            device.last_seen_at,
            device.registered_at,
        ] {
            assert_eq!(at, NOW);
        }
        assert_eq!(device.token_refreshed_at, None);
        assert_eq!(expect(&decision), Expect::Absent);
        assert_eq!(claim(&decision), Some(None));
        assert!(decision.revoked.is_empty() && decision.change.remove.is_empty());
    }
}

#[test]
fn a_channel_tells_the_platform_when_the_caller_does_not() {
    let with = |channel, platform| {
        let kind = fanfare_types::AddressKind::RegistrationToken;
        let address = Address::new(channel, kind, Environment::Production, "a");
        let command = Register {
            address,
            platform,
            ..plain("")
        };
        decide(command, "ada", &[], None, 1).device.platform
    };
    assert_eq!(with(Channel::IosPush, None), Platform::Ios);
    assert_eq!(with(Channel::WebPush, None), Platform::Web);
    assert_eq!(with(Channel::Fcm, None), Platform::Unknown);
    assert_eq!(
        with(Channel::Fcm, Some(Platform::Android)),
        Platform::Android
    );
}

#[test]
fn rule_1_the_same_key_refreshes_and_takes_the_new_address() {
    let before = row("ada", keyed("old", "k"), 1);
    let decision = decide(keyed("new", "k"), "ada", from_ref(&before), None, 9);
    let device = &decision.device;
    assert!(!decision.is_new);
    assert_eq!((device.id, device.revision), (before.id, 2));
    assert_eq!(device.address.expose(), "new");
    assert_eq!(device.token_refreshed_at, Some(NOW));
    assert_eq!((device.registered_at, device.last_seen_at), (NOW, NOW));
    assert_eq!(device.created_at, before.created_at);
    assert_eq!(expect(&decision), present(&before));
    assert_eq!(claim(&decision), Some(None), "the new address is free");
    assert_eq!(decision.revoked, [before.id], "routed to the old address");
}

#[test]
fn registering_sets_the_display_order_of_a_new_row_only() {
    let with = |order| {
        let mut command = keyed("a", "k");
        command.meta.display_order = order;
        command
    };
    let before = row("ada", with(Some(3)), 1);
    assert_eq!(before.meta.display_order, Some(3));
    let decision = decide(with(Some(0)), "ada", from_ref(&before), Some(&before), 9);
    assert_eq!(decision.device.meta.display_order, Some(3));
    let without = row("ada", with(None), 1);
    let decision = decide(with(Some(7)), "ada", from_ref(&without), Some(&without), 9);
    assert_eq!(decision.device.meta.display_order, Some(7));
}

#[test]
fn rule_1_revives_a_row_that_was_deleted_stale_invalid_or_switched_off() {
    for status in [
        Status::Inactive,
        Status::Stale,
        Status::Invalid,
        Status::Active,
    ] {
        let mut before = row("ada", keyed("a", "k"), 1);
        before.status = status;
        before.deleted_at = Some(Timestamp(2));
        before.invalidated_at = Some(Timestamp(2));
        before.consecutive_failures = 4;
        let decision = decide(keyed("a", "k"), "ada", from_ref(&before), Some(&before), 9);
        let device = &decision.device;
        assert_eq!(device.status, Status::Active);
        assert_eq!((device.deleted_at, device.invalidated_at), (None, None));
        assert_eq!(device.consecutive_failures, 0);
        assert_eq!(device.registered_at, NOW);
        assert_eq!(device.token_refreshed_at, None, "the address is the same");
        assert_eq!(claim(&decision), None, "the row holds its address already");
        assert!(decision.revoked.is_empty());
    }
}

#[test]
fn rule_1_another_key_is_another_row_and_takes_the_address() {
    let before = row("ada", keyed("a", "k1"), 1);
    let decision = decide(keyed("a", "k2"), "ada", from_ref(&before), Some(&before), 9);
    assert!(decision.is_new);
    assert_eq!(decision.device.id, id(9));
    assert_eq!(decision.change.remove, [before.as_ref()]);
    assert_eq!(claim(&decision), Some(Some(before.as_ref())));
    assert_eq!(decision.revoked, [before.id]);
}

#[test]
fn rule_2_the_same_address_refreshes_what_is_given_and_keeps_the_rest() {
    let mut before = row("ada", keyed("a", "k"), 1);
    before.meta.app_version = Some("1.0".to_owned());
    before.meta.locale = Some("de".to_owned());
    before.tags = vec!["news".to_owned()];
    before.tenant = Some("t".to_owned());
    before.notification_count = 7;
    let mut command = plain("a");
    command.meta.app_version = Some("2.0".to_owned());
    let decision = decide(command, "ada", from_ref(&before), Some(&before), 9);
    let mut wanted = before;
    wanted.meta.app_version = Some("2.0".to_owned());
    (wanted.updated_at, wanted.last_seen_at, wanted.registered_at) = (NOW, NOW, NOW);
    wanted.revision = 2;
    assert_eq!(decision.device, wanted);
    assert!(decision.revoked.is_empty() && decision.change.remove.is_empty());
}

#[test]
fn rule_2_the_environment_is_part_of_the_address() {
    let before = row("ada", plain("a"), 1);
    let mut command = plain("a");
    command.address.environment = Environment::Sandbox;
    let decision = decide(command, "ada", from_ref(&before), Some(&before), 9);
    assert_eq!(decision.device.id, before.id);
    assert_eq!(decision.device.address.environment, Environment::Sandbox);
    assert_eq!(decision.device.token_refreshed_at, Some(NOW));
    assert_eq!(
        decision.revoked,
        [before.id],
        "routed to the other environment"
    );
}

#[test]
fn rule_2_an_address_of_another_user_moves_with_its_id_and_nothing_personal() {
    let mut before = row("ada", keyed("a", "k"), 1);
    before.platform = Platform::Android;
    before.tags = vec!["vip".to_owned()];
    before.tenant = Some("t".to_owned());
    before.meta.device_name = Some("Ada's phone".to_owned());
    before.notification_count = 7;
    let decision = decide(plain("a"), "bob", &[], Some(&before), 9);
    let device = &decision.device;
    assert!(decision.is_move() && !decision.is_new);
    assert_eq!((device.id, &device.user), (before.id, &user("bob")));
    assert_eq!((device.created_at, device.revision), (before.created_at, 2));
    assert_eq!(device.platform, Platform::Android);
    assert_eq!((&device.tenant, &device.device_key), (&None, &None));
    assert_eq!((&device.meta, device.tags.len()), (&Meta::default(), 0));
    assert_eq!(device.notification_count, 0);
    assert_eq!(expect(&decision), present(&before));
    assert_eq!(claim(&decision), Some(Some(before.as_ref())));
    assert!(
        decision.change.remove.is_empty(),
        "it moves, nothing goes away"
    );
    assert_eq!(decision.revoked, [before.id]);
}

#[test]
fn rule_3_with_a_key_the_former_owners_row_goes_away() {
    let theirs = row("ada", plain("a"), 1);
    let mine = row("bob", keyed("b", "k"), 2);
    for own in [vec![], vec![mine.clone()]] {
        let decision = decide(keyed("a", "k"), "bob", &own, Some(&theirs), 9);
        assert_eq!(decision.is_new, own.is_empty());
        assert_eq!(decision.change.remove, [theirs.as_ref()]);
        assert_eq!(claim(&decision), Some(Some(theirs.as_ref())));
        assert!(decision.revoked.contains(&theirs.id));
        assert_eq!(decision.revoked.contains(&mine.id), !own.is_empty());
    }
}

#[test]
fn rule_3_with_sharing_each_user_has_a_key_of_its_own() {
    let sharing = Policy {
        address_sharing: true,
        ..policy()
    };
    let (ada, bob) = (user("ada"), user("bob"));
    assert_ne!(
        sharing.key(&address("a"), &ada),
        sharing.key(&address("a"), &bob)
    );
    assert_eq!(
        policy().key(&address("a"), &ada),
        policy().key(&address("a"), &bob)
    );
    let (app, own) = (app(), [row("bob", plain("a"), 1)]);
    let known = Known {
        app: &app,
        user: &bob,
        own: &own,
        holder: Some(&own[0]),
        now: NOW,
    };
    let decision = register(keyed("a", "k"), known, id(9), &sharing);
    assert_eq!(
        decision.change.remove,
        [own[0].as_ref()],
        "within one user it still holds"
    );
    assert_eq!(
        decision.change.put.unwrap().key,
        sharing.key(&address("a"), &bob)
    );
}

#[test]
fn the_limit_evicts_the_row_seen_longest_ago_and_never_the_one_written() {
    let mut own: Vec<_> = ["a", "b", "c"]
        .into_iter()
        .zip(2..)
        .map(|(a, n)| row("ada", plain(a), n))
        .collect();
    own[2].last_seen_at = Timestamp(1);
    let decision = decide(plain("d"), "ada", &own, None, 9);
    assert_eq!(decision.change.remove, [own[2].as_ref()]);
    assert_eq!(decision.revoked, [own[2].id]);
    let refreshed = decide(plain("c"), "ada", &own, Some(&own[2]), 9);
    assert!(refreshed.change.remove.is_empty(), "a refresh adds no row");
    let theirs = row("bob", plain("z"), 7);
    let moved = decide(plain("z"), "ada", &own, Some(&theirs), 9);
    assert_eq!(moved.change.remove, [own[2].as_ref()], "a move adds one");
    let replacing = decide(keyed("a", "k"), "ada", &own, Some(&own[0]), 9);
    assert_eq!(
        replacing.change.remove,
        [own[0].as_ref()],
        "what rule 3 removed makes room"
    );
}

#[test]
fn the_limit_goes_down_to_one_and_no_further() {
    let (app, ada) = (app(), user("ada"));
    let own: Vec<_> = (1..4)
        .map(|n| row("ada", plain(&n.to_string()), n))
        .collect();
    let known = Known {
        app: &app,
        user: &ada,
        own: &own,
        holder: None,
        now: NOW,
    };
    for devices_per_user_max in [0, 1] {
        let policy = Policy {
            devices_per_user_max,
            ..policy()
        };
        let decision = register(plain("new"), known, id(9), &policy);
        assert_eq!(decision.change.remove.len(), 3);
        assert!(decision.change.put.is_some());
    }
}

#[test]
fn a_write_of_unknown_outcome_is_recognised() {
    let before = row("ada", plain("a"), 1);
    let decision = decide(plain("a"), "bob", &[], Some(&before), 9);
    assert!(decision.stands_in(from_ref(&decision.device)));
    assert!(!decision.stands_in(&[before]));
    assert!(!decision.stands_in(&[]));
}
