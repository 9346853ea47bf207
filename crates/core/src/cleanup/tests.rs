use fanfare_types::device::Meta;
use fanfare_types::{
    Address, AddressKind, AppId, Channel, DeviceId, Environment, Platform, UserId,
};

use super::*;

const NOW: Timestamp = Timestamp(1_700_000_000_000);

fn at(seconds: u64) -> Timestamp {
    NOW + Duration::from_secs(seconds)
}

fn guard() -> Guard<u32> {
    Guard::new(Limits::default())
}

fn answers(sound: u64, suspects: impl IntoIterator<Item = u32>) -> Answers<u32> {
    Answers {
        sound,
        suspects: suspects.into_iter().collect(),
    }
}

#[test]
fn a_lone_suspect_is_held_and_then_marked() {
    let mut guard = guard();
    let ruling = guard.on_answers(answers(0, [1]), at(0));
    assert_eq!((ruling.mark, ruling.wake_at), (vec![], Some(at(2))));
    assert!(guard.on_time(at(1)).mark.is_empty());
    let ruling = guard.on_time(at(2));
    assert_eq!((ruling.mark, ruling.wake_at), (vec![1], None));
}

#[test]
fn a_wrong_key_marks_nothing_when_the_crowd_comes_at_once() {
    let mut guard = guard();
    let ruling = guard.on_answers(answers(0, 0..500), at(0));
    assert_eq!(ruling.turn, Some(Turn::Misconfigured { held: 500 }));
    assert_eq!((ruling.mark, ruling.wake_at), (vec![], None));
    for second in 1..3600 {
        let ruling = guard.on_answers(answers(0, [1, 2]), at(second));
        assert_eq!((ruling.mark, ruling.turn), (vec![], None));
    }
}

#[test]
fn a_wrong_key_on_a_quiet_app_costs_at_most_the_minimum() {
    let mut guard = guard();
    let mut marked = 0;
    for hour in 0..1000 {
        let now = at(hour * 3600);
        marked += guard.on_answers(answers(0, [1]), now).mark.len();
        marked += guard.on_time(now + Duration::from_secs(2)).mark.len();
    }
    assert_eq!(marked, 3);
    assert!(guard.is_tripped());
}

#[test]
fn suspects_among_many_sound_answers_are_marked() {
    let mut guard = guard();
    let mut marked = 0;
    for second in 0..100 {
        let ruling = guard.on_answers(answers(100, [1, 2]), at(second));
        assert_eq!(ruling.turn, None);
        marked += ruling.mark.len();
    }
    assert_eq!(marked, 196);
}

#[test]
fn a_key_that_turns_wrong_loses_only_what_its_past_allows() {
    let mut guard = guard();
    let before = guard.on_answers(answers(10_000, []), at(0));
    assert_eq!(before.turn, None);
    let ruling = guard.on_answers(answers(0, 0..100), at(60));
    assert!(matches!(
        ruling.turn,
        Some(Turn::Misconfigured { held: 100 })
    ));
    assert!(guard.on_time(at(120)).mark.is_empty());
}

#[test]
fn it_recovers_when_sound_answers_bring_the_share_down() {
    let mut guard = guard();
    assert!(guard.on_answers(answers(0, 0..10), at(0)).turn.is_some());
    assert_eq!(guard.on_answers(answers(100, []), at(1)).turn, None);
    let ruling = guard.on_answers(answers(100, []), at(2));
    assert_eq!(ruling.turn, Some(Turn::Sound));
    let ruling = guard.on_answers(answers(50, [7]), at(3));
    assert_eq!(ruling.wake_at, Some(at(5)));
    assert_eq!(guard.on_time(at(5)).mark, vec![7]);
}

#[test]
fn the_held_list_is_bounded() {
    let mut guard = Guard::new(Limits {
        held_max: 5,
        ..Limits::default()
    });
    guard.on_answers(answers(100_000, 0..9), at(0));
    assert_eq!(guard.on_time(at(2)).mark, vec![0, 1, 2, 3, 4]);
}

fn device(status: Status) -> Device {
    Device {
        id: DeviceId::new(NOW, 1),
        app: AppId::new("shop").unwrap(),
        user: UserId::new("ada").unwrap(),
        tenant: None,
        device_key: None,
        platform: Platform::Ios,
        address: Address::new(
            Channel::IosPush,
            AddressKind::RegistrationToken,
            Environment::Production,
            "t",
        ),
        meta: Meta::default(),
        tags: Vec::new(),
        status,
        invalidated_at: None,
        deleted_at: None,
        created_at: NOW,
        updated_at: NOW,
        last_seen_at: NOW,
        registered_at: NOW,
        token_refreshed_at: None,
        last_used_at: None,
        notification_count: 0,
        consecutive_failures: 0,
        revision: 1,
    }
}

#[test]
fn the_sweep_table() {
    let day = Duration::from_secs(86_400);
    let late = NOW + 61 * day;
    let soon = NOW + 59 * day;
    let swept = |status, now, retention| sweep(&device(status), now, 60 * day, retention);
    assert_eq!(swept(Status::Active, soon, None), Sweep::Keep);
    assert_eq!(swept(Status::Active, late, None), Sweep::MarkStale);
    assert_eq!(swept(Status::Inactive, late, Some(day)), Sweep::Keep);
    assert_eq!(swept(Status::Stale, late, None), Sweep::Keep);
    assert_eq!(swept(Status::Stale, late, Some(day)), Sweep::Remove);
    assert_eq!(swept(Status::Invalid, NOW + day, Some(day)), Sweep::Keep);
    assert_eq!(swept(Status::Invalid, late, Some(day)), Sweep::Remove);
    let deleted = Device {
        deleted_at: Some(NOW),
        ..device(Status::Active)
    };
    assert_eq!(sweep(&deleted, late, 60 * day, Some(day)), Sweep::Keep);
}

#[test]
fn no_registration_is_meant_that_is_newer_than_the_one_the_push_was_for() {
    assert_eq!(dead_since(None, NOW), NOW);
    assert_eq!(dead_since(Some(at(60)), NOW), NOW);
    assert_eq!(dead_since(Some(Timestamp(u64::MAX)), NOW), NOW);
    let earlier = NOW - Duration::from_secs(60);
    assert_eq!(dead_since(Some(earlier), NOW), earlier);
}

#[test]
fn a_later_registration_is_not_the_one_that_died() {
    let device = device(Status::Active);
    assert!(is_same_registration(&device, NOW));
    let before = NOW - Duration::from_millis(1);
    assert!(!is_same_registration(&device, before));
    // Registered again while the answer was out, and were it in the millisecond the push left.
    assert!(!is_same_registration(&device, dead_since(None, before)));
    assert!(!is_same_registration(
        &device,
        dead_since(Some(NOW), before)
    ));
}
