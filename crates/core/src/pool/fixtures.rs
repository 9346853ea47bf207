//! Deliveries for tests.

use std::sync::Arc;
use std::time::Duration;

use fanfare_types::message::Variables;
use fanfare_types::{
    Address, AddressKind, AppId, Budget, Channel, Counts, Delivery, DeviceId, Environment, Lane,
    Live, Message, NotificationId, OnUnknown, Options, Permits, Priority, Progress, Timestamp,
    UserId,
};

pub(crate) const START: Timestamp = Timestamp(1_700_000_000_000);
pub(crate) const TTL: Duration = Duration::from_secs(3_600);

pub(crate) fn live(lane: Lane, created_at: Timestamp, ttl: Duration) -> Arc<Live> {
    Arc::new(Live {
        id: NotificationId::new(created_at, 1),
        app: AppId::new("shop").unwrap(),
        created_at,
        options: Options {
            priority: Priority::High,
            collapse_key: None,
            lane,
            on_unknown: OnUnknown::Retry,
            expires_at: created_at + ttl,
            send_at: None,
        },
        message: Message::default(),
        variables: Variables::new(),
        progress: Progress::new(1, Counts::default()),
    })
}

/// A device of its own for each ordinal, routed when the notification was accepted.
pub(crate) fn delivery_of(live: Arc<Live>, ordinal: u32, budget: &Arc<Budget>) -> Delivery {
    let budgets: Arc<[Arc<Budget>]> = [budget.clone()].into();
    let created_at = live.created_at;
    Delivery {
        live,
        ordinal,
        device: Some((device(ordinal), UserId::new("ada").unwrap())),
        address: Address::new(
            Channel::IosPush,
            AddressKind::RegistrationToken,
            Environment::Production,
            "0a",
        ),
        locale: None,
        registered_at: created_at,
        routed_at: created_at,
        started_at: created_at,
        attempts: 0,
        auth_refreshes: 0,
        permit: Permits::try_take(&budgets, 1).unwrap().split().unwrap(),
    }
}

pub(crate) fn device(ordinal: u32) -> DeviceId {
    DeviceId::new(START, u64::from(ordinal))
}

pub(crate) fn delivery(ordinal: u32, lane: Lane) -> Delivery {
    delivery_of(live(lane, START, TTL), ordinal, &Budget::new(1))
}
