//! Deliveries to encode, and answers to read.

use std::sync::Arc;

use fanfare_types::message::Variables;
use fanfare_types::{
    Address, AddressKind, AppId, Budget, Channel, Counts, Delivery, Environment, Hold, Lane, Live,
    Message, NotificationId, OnUnknown, Options, Permits, Priority, Progress, Secret, Slot,
    Timestamp,
};
use http::{HeaderMap, HeaderValue};
use serde_json::Value;

/// 2024-01-15T10:00:00Z.
pub(crate) const NOW: Timestamp = Timestamp(1_705_312_800_000);
pub(crate) const APNS_TOKEN: &str =
    "00fc13adff785122b4ad28809a3420982341241421348097878e577c991de8f0";

pub(crate) fn message(json: Value) -> Message {
    serde_json::from_value(json).unwrap()
}

pub(crate) fn variables(pairs: &[(&str, &str)]) -> Variables {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

/// High priority, an hour to live.
pub(crate) fn options() -> Options {
    Options {
        priority: Priority::High,
        collapse_key: None,
        lane: Lane::Urgent,
        on_unknown: OnUnknown::Retry,
        expires_at: Timestamp(NOW.0 + 3_600_000),
        send_at: None,
    }
}

pub(crate) fn live(message: Message, options: Options, variables: Variables) -> Arc<Live> {
    Arc::new(Live {
        id: NotificationId::new(NOW, 0x0123_4567_89ab),
        app: AppId::new("shop").unwrap(),
        created_at: NOW,
        options,
        message: message.into(),
        variables: variables.into(),
        progress: Progress::new(1, Counts::default()),
        run: None,
        hold: Hold::new(Slot::of_shard(0)),
    })
}

pub(crate) fn address(channel: Channel, kind: AddressKind, value: &str) -> Address {
    Address::new(channel, kind, Environment::Production, value)
}

pub(crate) fn ios() -> Address {
    address(Channel::IosPush, AddressKind::RegistrationToken, APNS_TOKEN)
}

pub(crate) fn fcm() -> Address {
    address(Channel::Fcm, AddressKind::RegistrationToken, "a:b_c-d")
}

pub(crate) fn delivery(live: &Arc<Live>, address: Address, locale: Option<&str>) -> Delivery {
    let budgets = vec![Budget::new(1)].into();
    Delivery {
        live: live.clone(),
        ordinal: 7,
        device: None,
        address,
        locale: locale.map(Into::into),
        variables: None,
        registered_at: NOW,
        routed_at: NOW,
        attempts: 0,
        auth_refreshes: 0,
        permit: Permits::try_take(&budgets, 1).unwrap().split().unwrap(),
    }
}

pub(crate) fn token(text: &'static str) -> Secret<HeaderValue> {
    let mut value = HeaderValue::from_static(text);
    value.set_sensitive(true);
    Secret::new(value)
}

/// A request as a golden has it: request line, headers by name (`!` after the name of a sensitive one), body.
pub(crate) fn written(request: fanfare_types::Request) -> String {
    let request = request.into_http().unwrap();
    let mut lines = vec![format!("{} {}", request.method(), request.uri())];
    let mut headers: Vec<_> = request
        .headers()
        .iter()
        .map(|(name, value)| {
            let mark = if value.is_sensitive() { "!" } else { "" };
            format!("{name}{mark}: {}", value.to_str().unwrap())
        })
        .collect();
    headers.sort();
    lines.append(&mut headers);
    let mut body: Value = serde_json::from_slice(request.body()).unwrap();
    body.sort_all_objects();
    lines.push(format!("{body:#}"));
    lines.join("\n") + "\n"
}

/// Compares with `tests/golden/{name}`. With `UPDATE_GOLDENS` in the environment it is written instead.
pub(crate) fn golden(name: &str, actual: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name);
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, actual).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        actual, expected,
        "{name} differs; UPDATE_GOLDENS=1 rewrites it"
    );
}

pub(crate) fn headers(retry_after: Option<&'static str>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Some(value) = retry_after {
        headers.insert("retry-after", HeaderValue::from_static(value));
    }
    headers
}
