//! `Debug` of whatever holds a secret.

use std::sync::Arc;

use fanfare_gateway::config;
use fanfare_types::message::Variables;
use fanfare_types::{
    Address, AddressKind, AppId, Budget, Channel, Clock, Counts, Delivery, DeviceId, Environment,
    Hold, Lane, Live, Message, NotificationId, NotificationRecord, OnUnknown, Options, Permits,
    Priority, Progress, Slot, Target, UserId,
};

use super::{Secrets, VARIABLE, apns_address, requests};
use crate::harness::World;

#[tokio::test(flavor = "multi_thread")]
async fn debug_shows_none_either() {
    let world = World::new().await;
    let secrets = Secrets::of(&world);
    let config = config::load(&world.sandbox.config).expect("a configuration");
    secrets.absent_from("the configuration", &format!("{config:?} {config:#?}"));
    secrets.absent_from("the sandbox", &format!("{:?}", world.sandbox));

    let now = Clock::system().now();
    let message: Message = serde_json::from_value(requests::message()).expect("a message");
    let variables: Variables = [("code".to_owned(), VARIABLE.to_owned())].into();
    let options = Options {
        priority: Priority::High,
        collapse_key: None,
        lane: Lane::Urgent,
        on_unknown: OnUnknown::Retry,
        expires_at: now,
        send_at: None,
    };
    let kind = AddressKind::RegistrationToken;
    let text = apns_address(1);
    let address = Address::new(Channel::IosPush, kind, Environment::Production, &text);
    let (id, app) = (
        NotificationId::new(now, 1),
        AppId::new("demo").expect("an id"),
    );
    let device = Some((DeviceId::new(now, 1), UserId::new("ada").expect("an id")));
    let target = Target {
        channel: Channel::IosPush,
        device: device.clone(),
        address: Some(address.clone()),
    };
    let record = NotificationRecord {
        id,
        app: app.clone(),
        created_at: now,
        options: options.clone(),
        message: message.clone(),
        variables: variables.clone(),
        targets: vec![target],
    };
    secrets.absent_from("a notification", &format!("{record:?}"));
    let live = Arc::new(Live {
        id,
        app,
        created_at: now,
        options,
        message: message.into(),
        variables: variables.into(),
        progress: Progress::new(1, Counts::default()),
        run: None,
        hold: Hold::new(Slot::of_shard(0)),
    });
    secrets.absent_from("a live notification", &format!("{live:?}"));
    let budgets: Arc<[Arc<Budget>]> = [Budget::new(1)].into();
    let mut permits = Permits::try_take(&budgets, 1).expect("a permit");
    let delivery = Delivery {
        live,
        ordinal: 0,
        device,
        address,
        locale: None,
        variables: None,
        registered_at: now,
        routed_at: now,
        attempts: 0,
        auth_refreshes: 0,
        permit: permits.split().expect("one"),
    };
    secrets.absent_from("a delivery", &format!("{delivery:?}"));
}
