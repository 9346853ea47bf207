use std::sync::Arc;

use fanfare_types::device::Meta;
use fanfare_types::message::Variables;
use fanfare_types::{
    Address, AddressKind, Budget, CampaignId, Channel, Counts, Environment, Hold, Lane, Live,
    Message, MissingVariable, NotificationId, OnUnknown, Options, Pace, Permits, Platform,
    Priority, Progress, Run, Slot, Status, UserId,
};

use super::*;
use crate::revocations;

const NOW: Timestamp = Timestamp(1_700_000_000_000);

fn live(app: &str, lane: Lane) -> Arc<Live> {
    Arc::new(Live {
        id: NotificationId::new(NOW, 1),
        app: AppId::new(app).unwrap(),
        created_at: NOW,
        options: Options {
            priority: Priority::High,
            collapse_key: None,
            lane,
            on_unknown: OnUnknown::Retry,
            expires_at: NOW + Duration::from_secs(3600),
            send_at: None,
        },
        message: Message::default().into(),
        variables: Variables::new().into(),
        progress: Progress::new(100, Counts::default()),
        run: None,
        hold: Hold::new(Slot::of_shard(0)),
    })
}

fn user() -> UserId {
    UserId::new("ada").unwrap()
}

fn address(token: &str) -> Address {
    Address::new(
        Channel::IosPush,
        AddressKind::RegistrationToken,
        Environment::Production,
        token,
    )
}

fn delivery(live: &Arc<Live>, n: u32, routed_at: Timestamp) -> Delivery {
    let budgets: Arc<[Arc<Budget>]> = [Budget::new(1)].into();
    Delivery {
        live: live.clone(),
        ordinal: n,
        device: Some((DeviceId::new(NOW, u64::from(n)), user())),
        address: address("old"),
        locale: None,
        variables: None,
        registered_at: NOW,
        routed_at,
        attempts: 0,
        auth_refreshes: 0,
        permit: Permits::try_take(&budgets, 1).unwrap().split().unwrap(),
    }
}

fn device(n: u32) -> Device {
    Device {
        id: DeviceId::new(NOW, u64::from(n)),
        app: AppId::new("shop").unwrap(),
        user: user(),
        tenant: None,
        device_key: None,
        platform: Platform::Ios,
        address: address("new"),
        meta: Meta {
            locale: Some("de".to_owned()),
            ..Meta::default()
        },
        tags: Vec::new(),
        status: Status::Active,
        invalidated_at: None,
        deleted_at: None,
        created_at: NOW,
        updated_at: NOW,
        last_seen_at: NOW,
        registered_at: Timestamp(NOW.0 + 7),
        token_refreshed_at: None,
        last_used_at: None,
        notification_count: 0,
        consecutive_failures: 0,
        revision: 1,
    }
}

struct Bench {
    dispatch: Dispatch,
    revocations: Revocations,
}

impl Bench {
    fn new(limits: Limits) -> Self {
        Bench {
            dispatch: Dispatch::new(limits),
            revocations: Revocations::new(revocations::Limits::default()),
        }
    }

    fn push(&mut self, batch: Vec<Delivery>) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.dispatch
            .on_deliveries(batch, &self.revocations, NOW, &mut effects);
        effects
    }

    fn answer(&mut self, batch: Vec<Delivery>, devices: Option<Vec<Device>>) -> Vec<Effect> {
        let mut effects = Vec::new();
        let read = Read {
            batch,
            devices,
            routed_at: NOW,
        };
        self.dispatch.on_read(read, NOW, &mut effects);
        effects
    }
}

fn ordinals(batch: &[Delivery]) -> Vec<u32> {
    batch.iter().map(|delivery| delivery.ordinal).collect()
}

#[test]
fn fresh_ones_go_at_once_and_others_are_read() {
    let mut bench = Bench::new(Limits::default());
    let shop = live("shop", Lane::Urgent);
    let revoked = delivery(&shop, 3, NOW);
    bench
        .revocations
        .revoke(revoked.device.as_ref().unwrap().0, NOW);
    let mut bare = delivery(&shop, 4, Timestamp(0));
    bare.device = None;
    let batch = vec![
        delivery(&shop, 1, NOW),
        delivery(&shop, 2, Timestamp(0)),
        revoked,
        bare,
    ];
    let effects = bench.push(batch);
    assert!(matches!(&effects[0], Effect::Deliver(batch) if ordinals(batch) == [1, 4]));
    assert!(matches!(&effects[1], Effect::Read { batch, .. } if ordinals(batch) == [2, 3]));
}

#[test]
fn cancelled_and_expired_ones_end_here() {
    let mut bench = Bench::new(Limits::default());
    let cancelled = live("shop", Lane::Urgent);
    cancelled.progress.cancel();
    let mut expired = live("shop", Lane::Urgent);
    Arc::get_mut(&mut expired).unwrap().options.expires_at = NOW;
    let batch = vec![delivery(&cancelled, 1, NOW), delivery(&expired, 2, NOW)];
    let effects = bench.push(batch);
    let Effect::End(ended) = &effects[0] else {
        panic!("{effects:?}")
    };
    assert_eq!(ended[0].outcome, Outcome::Cancelled);
    assert_eq!(ended[1].outcome, Outcome::Expired);
}

#[test]
fn a_read_refreshes_or_ends() {
    let mut bench = Bench::new(Limits::default());
    let shop = live("shop", Lane::Urgent);
    let batch = (1..=5)
        .map(|n| delivery(&shop, n, Timestamp(0)))
        .collect::<Vec<_>>();
    let mut rows: Vec<_> = (1..=4).rev().map(device).collect();
    rows[1].user = UserId::new("bob").unwrap();
    rows[2].status = Status::Inactive;
    let effects = bench.answer(batch, Some(rows));
    let Effect::Deliver(good) = &effects[0] else {
        panic!("{effects:?}")
    };
    assert_eq!(ordinals(good), [1, 4]);
    assert!(
        good.iter()
            .all(|delivery| delivery.address == address("new")
                && delivery.locale.as_deref() == Some("de")
                && delivery.registered_at == Timestamp(NOW.0 + 7)
                && delivery.routed_at == NOW)
    );
    let Effect::End(ended) = &effects[1] else {
        panic!("{effects:?}")
    };
    assert_eq!(ended.len(), 3);
    assert!(
        ended
            .iter()
            .all(|end| end.outcome == Outcome::Cancelled && end.reason == DEVICE_GONE)
    );
}

#[test]
fn urgent_goes_before_bulk_and_apps_take_turns() {
    let mut bench = Bench::new(Limits {
        batch_max: 2,
        reads_max: 1,
        urgent_weight: 3,
        ..Limits::default()
    });
    let (big, small) = (live("big", Lane::Urgent), live("small", Lane::Urgent));
    let bulk = live("big", Lane::Bulk);
    let unrouted = |live, n| delivery(live, n, Timestamp(0));
    let mut batch: Vec<_> = (0..10).map(|n| unrouted(&bulk, 100 + n)).collect();
    batch.extend((0..10).map(|n| unrouted(&big, n)));
    batch.extend((50..53).map(|n| unrouted(&small, n)));
    let mut effects = bench.push(batch);
    let mut order = Vec::new();
    while let Some(Effect::Read { app, batch }) = effects.pop() {
        order.push((app.as_str().to_owned(), ordinals(&batch)));
        effects = bench.answer(batch, Some(Vec::new()));
    }
    let expected: [(&str, Vec<u32>); 6] = [
        ("big", vec![0, 1]),
        ("small", vec![50, 51]),
        ("big", vec![2, 3]),
        ("big", vec![100, 101]),
        ("small", vec![52]),
        ("big", vec![4, 5]),
    ];
    for (taken, (app, numbers)) in order.iter().zip(expected) {
        assert_eq!((taken.0.as_str(), &taken.1), (app, &numbers));
    }
    assert_eq!(
        order.iter().map(|(_, batch)| batch.len()).sum::<usize>(),
        23
    );
}

#[test]
fn a_store_failure_backs_off_and_keeps_the_order() {
    let mut bench = Bench::new(Limits {
        batch_max: 2,
        reads_max: 1,
        ..Limits::default()
    });
    let shop = live("shop", Lane::Urgent);
    let batch = (1..=3).map(|n| delivery(&shop, n, Timestamp(0))).collect();
    let mut effects = bench.push(batch);
    for delay in [50, 100, 200] {
        let Some(Effect::Read { batch, .. }) = effects.pop() else {
            panic!("{effects:?}")
        };
        assert_eq!(ordinals(&batch), [1, 2]);
        let put_back = bench.answer(batch, None);
        let until = NOW + Duration::from_millis(delay);
        assert!(matches!(put_back[..], [Effect::WakeAt(at)] if at == until));
        // A timer that came too early by this clock is set again.
        bench.dispatch.on_wake(NOW, &mut effects);
        assert!(matches!(effects[..], [Effect::WakeAt(at)] if at == until));
        effects.clear();
        bench.dispatch.on_wake(until, &mut effects);
        bench.dispatch.paused_until = None;
    }
}

#[test]
fn draining_drops_what_waits() {
    let mut bench = Bench::new(Limits {
        reads_max: 0,
        ..Limits::default()
    });
    let shop = live("shop", Lane::Urgent);
    bench.push(vec![delivery(&shop, 1, Timestamp(0))]);
    assert_eq!(bench.dispatch.waiting(), 1);
    bench.dispatch.on_drain();
    assert_eq!(bench.dispatch.waiting(), 0);
    assert!(bench.push(vec![delivery(&shop, 2, NOW)]).is_empty());
    assert_eq!(Arc::strong_count(&shop), 1);
}

#[test]
fn a_cancelled_notification_ends_where_it_waits() {
    let mut bench = Bench::new(Limits {
        reads_max: 0,
        ..Limits::default()
    });
    let (cancelled, other) = (live("shop", Lane::Bulk), live("shop", Lane::Bulk));
    let batch = [&cancelled, &other, &cancelled].into_iter().zip(1..);
    let batch = batch.map(|(live, n)| delivery(live, n, Timestamp::default()));
    bench.push(batch.collect());
    cancelled.progress.cancel();
    let mut effects = Vec::new();
    bench
        .dispatch
        .on_cancelled(&cancelled.app, NOW, &mut effects);
    let [Effect::End(ended)] = effects.as_slice() else {
        panic!("{effects:?}");
    };
    assert!(ended.iter().all(|one| one.outcome == Outcome::Cancelled));
    assert_eq!((ended.len(), bench.dispatch.waiting()), (2, 1));
    other.progress.cancel();
    bench.dispatch.on_cancelled(&other.app, NOW, &mut effects);
    assert_eq!(bench.dispatch.waiting(), 0);
}

#[test]
fn what_is_withdrawn_is_dropped_wherever_it_is() {
    let run = Run::new(
        CampaignId::new(NOW, 1),
        MissingVariable::Fail,
        Pace::new(None),
    );
    let mut withdrawn = live("shop", Lane::Bulk);
    Arc::get_mut(&mut withdrawn).unwrap().run = Some(run.clone());
    let other = live("shop", Lane::Bulk);
    let mut bench = Bench::new(Limits {
        reads_max: 1,
        batch_max: 1,
        ..Limits::default()
    });
    // The first is being read, the others wait.
    let batch = [&withdrawn, &withdrawn, &other].into_iter().zip(1..);
    let batch = batch.map(|(live, n)| delivery(live, n, Timestamp::default()));
    let mut reading = bench.push(batch.collect());
    run.withdraw();
    let mut effects = Vec::new();
    bench
        .dispatch
        .on_cancelled(&withdrawn.app, NOW, &mut effects);
    assert!(effects.is_empty(), "{effects:?}");
    assert_eq!(bench.dispatch.waiting(), 1);
    let Some(Effect::Read { batch, .. }) = reading.pop() else {
        panic!("one is being read");
    };
    let read = Read {
        batch,
        devices: Some(vec![device(1)]),
        routed_at: NOW,
    };
    bench.dispatch.on_read(read, NOW, &mut effects);
    assert!(
        matches!(effects.as_slice(), [Effect::Read { batch, .. }] if batch[0].ordinal == 3),
        "{effects:?}"
    );
    // What comes late.
    let late = bench.push(vec![delivery(&withdrawn, 4, NOW)]);
    assert!(late.is_empty(), "{late:?}");
    assert_eq!(withdrawn.progress.losses().take(), [1, 2, 4]);
}
