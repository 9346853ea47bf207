//! Filters: which devices are an audience. Reading one from JSON, with the path of every fault, is the API's.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use crate::address::words;
use crate::{Channel, Platform, Timestamp};

words!(
    /// What a leaf may look at.
    Field {
        Platform = "platform",
        Channel = "channel",
        Locale = "locale",
        AppVersion = "app_version",
        Tags = "tags",
        LastSeenAt = "last_seen_at",
        CreatedAt = "created_at",
        TimeZone = "time_zone",
    }
);

/// A checked filter. Its depth and size are bounded at the door.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Filter {
    /// Every one of these; holds when there are none.
    All(Vec<Filter>),
    /// One of these; does not hold when there are none.
    Any(Vec<Filter>),
    Not(Box<Filter>),
    Leaf(Leaf),
}

/// One field and what must hold for it. A device without the field passes no test but `Exists(false)`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Leaf {
    pub field: Field,
    pub test: Test,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Test {
    Eq(Value),
    In(Vec<Value>),
    /// Of `tags`: this is one of them.
    Contains(String),
    Gt(Value),
    Gte(Value),
    Lt(Value),
    Lte(Value),
    Exists(bool),
}

/// What a field is compared with, by what the field is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    /// Platform, channel, locale, time zone: byte by byte.
    Text(String),
    /// `app_version`: see [`compare_versions`].
    Version(String),
    At(Timestamp),
}

/// A row as a filter sees it.
#[derive(Clone, Copy, Debug)]
pub struct DeviceView<'a> {
    pub platform: Platform,
    pub channel: Channel,
    pub locale: Option<&'a str>,
    pub app_version: Option<&'a str>,
    pub tags: &'a [&'a str],
    pub last_seen_at: Timestamp,
    pub created_at: Timestamp,
    pub time_zone: Option<&'a str>,
}

impl Filter {
    pub fn matches(&self, device: &DeviceView<'_>) -> bool {
        match self {
            Filter::All(all) => all.iter().all(|filter| filter.matches(device)),
            Filter::Any(any) => any.iter().any(|filter| filter.matches(device)),
            Filter::Not(filter) => !filter.matches(device),
            Filter::Leaf(leaf) => leaf.matches(device),
        }
    }
}

impl Leaf {
    fn matches(&self, device: &DeviceView<'_>) -> bool {
        match self.field {
            Field::Platform => self.test.text(Some(device.platform.as_str())),
            Field::Channel => self.test.text(Some(device.channel.as_str())),
            Field::Locale => self.test.text(device.locale),
            Field::TimeZone => self.test.text(device.time_zone),
            Field::AppVersion => self.test.text(device.app_version),
            Field::LastSeenAt => self.test.at(device.last_seen_at),
            Field::CreatedAt => self.test.at(device.created_at),
            Field::Tags => self.test.tags(device.tags),
        }
    }
}

impl Test {
    fn text(&self, found: Option<&str>) -> bool {
        self.holds(found.is_some(), |value| match (found, value) {
            (Some(found), Value::Text(text)) => Some(found.cmp(text)),
            (Some(found), Value::Version(version)) => Some(compare_versions(found, version)),
            _ => None,
        })
    }

    fn at(&self, found: Timestamp) -> bool {
        self.holds(true, |value| match value {
            Value::At(at) => Some(found.cmp(at)),
            Value::Text(_) | Value::Version(_) => None,
        })
    }

    fn tags(&self, found: &[&str]) -> bool {
        match self {
            Test::Contains(tag) => found.contains(&tag.as_str()),
            Test::In(any) => any.iter().any(|value| match value {
                Value::Text(tag) => found.contains(&tag.as_str()),
                Value::Version(_) | Value::At(_) => false,
            }),
            Test::Exists(wanted) => *wanted != found.is_empty(),
            Test::Eq(_) | Test::Gt(_) | Test::Gte(_) | Test::Lt(_) | Test::Lte(_) => false,
        }
    }

    fn holds(&self, exists: bool, compare: impl Fn(&Value) -> Option<Ordering>) -> bool {
        match self {
            Test::Eq(value) => compare(value) == Some(Ordering::Equal),
            Test::In(values) => values.iter().any(|v| compare(v) == Some(Ordering::Equal)),
            Test::Gt(value) => compare(value) == Some(Ordering::Greater),
            Test::Gte(value) => compare(value).is_some_and(Ordering::is_ge),
            Test::Lt(value) => compare(value) == Some(Ordering::Less),
            Test::Lte(value) => compare(value).is_some_and(Ordering::is_le),
            Test::Exists(wanted) => *wanted == exists,
            Test::Contains(_) => false,
        }
    }
}

/// Versions compare part by part: parts are separated by `.`, `-`, `+` or `_`; two numbers compare as numbers, a
/// missing part counts as 0, a number is newer than a text (`2.0` than `2.0-beta`), texts compare byte by byte.
pub fn compare_versions(a: &str, b: &str) -> Ordering {
    let parts = |text| str::split(text, ['.', '-', '+', '_']);
    let (mut a, mut b) = (parts(a), parts(b));
    loop {
        let order = match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (left, right) => compare_parts(left.unwrap_or("0"), right.unwrap_or("0")),
        };
        if order.is_ne() {
            return order;
        }
    }
}

fn compare_parts(a: &str, b: &str) -> Ordering {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match (number(a), number(b)) {
        (true, true) => {
            // As long as they please: the longer one is larger once leading zeros are gone.
            let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
            a.len().cmp(&b.len()).then_with(|| a.cmp(b))
        }
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) => a.cmp(b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device() -> DeviceView<'static> {
        DeviceView {
            platform: Platform::Ios,
            channel: Channel::IosPush,
            locale: Some("de-AT"),
            app_version: Some("2.10.0"),
            tags: &["news", "beta"],
            last_seen_at: Timestamp(2_000),
            created_at: Timestamp(1_000),
            time_zone: None,
        }
    }

    fn holds(field: Field, test: Test) -> bool {
        Filter::Leaf(Leaf { field, test }).matches(&device())
    }

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    #[test]
    fn leaves() {
        assert!(holds(
            Field::Platform,
            Test::In(vec![text("android"), text("ios")])
        ));
        assert!(!holds(Field::Channel, Test::Eq(text("fcm"))));
        assert!(holds(Field::Tags, Test::Contains("news".into())));
        assert!(!holds(Field::Tags, Test::Contains("new".into())));
        assert!(holds(
            Field::AppVersion,
            Test::Gte(Value::Version("2.9".into()))
        ));
        assert!(holds(
            Field::LastSeenAt,
            Test::Lt(Value::At(Timestamp(2_001)))
        ));
        assert!(!holds(
            Field::CreatedAt,
            Test::Gt(Value::At(Timestamp(1_000)))
        ));
    }

    #[test]
    fn what_is_not_there_passes_no_test_but_that() {
        assert!(!holds(Field::TimeZone, Test::Eq(text("Europe/Vienna"))));
        assert!(!holds(Field::TimeZone, Test::Lt(text("zzz"))));
        assert!(holds(Field::TimeZone, Test::Exists(false)));
        assert!(holds(Field::Locale, Test::Exists(true)));
        assert!(holds(Field::Tags, Test::Exists(true)));
    }

    #[test]
    fn all_any_not() {
        let yes = || Filter::All(Vec::new());
        let no = || Filter::Any(Vec::new());
        assert!(yes().matches(&device()) && !no().matches(&device()));
        assert!(Filter::Any(vec![no(), yes()]).matches(&device()));
        assert!(!Filter::All(vec![yes(), no()]).matches(&device()));
        assert!(Filter::Not(Box::new(no())).matches(&device()));
    }

    #[test]
    fn versions_compare_as_versions() {
        for (older, newer) in [
            ("2.9.9", "2.10.0"),
            ("2.0-beta", "2.0"),
            ("2.0-alpha", "2.0-beta"),
            ("1", "1.0.1"),
            ("9", "10"),
            ("1.99999999999999999999", "1.100000000000000000000"),
        ] {
            assert_eq!(
                compare_versions(older, newer),
                Ordering::Less,
                "{older} {newer}"
            );
            assert_eq!(compare_versions(newer, older), Ordering::Greater);
        }
        assert_eq!(compare_versions("2.1", "2.1.0"), Ordering::Equal);
        assert_eq!(compare_versions("02.1", "2.01"), Ordering::Equal);
    }
}
