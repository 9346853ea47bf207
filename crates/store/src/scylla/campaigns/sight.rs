//! A device's row as an audience sees it: read in place, and nothing is made of one that does not match.

use std::sync::Arc;

use fanfare_types::filter::Field;
use fanfare_types::ids::Id96;
use fanfare_types::{
    Address, AddressKind, Audience, Channel, DeviceId, DeviceView, Environment, Filter, Platform,
    Recipient, Status, Timestamp, UserId,
};

use crate::Result;
use crate::campaigns::{AudienceRow, Reach};
use crate::codec::{Input, VERSION};
use crate::scylla::fault::damaged;

/// Which devices, with what is asked of the audience.
#[derive(Clone, Copy)]
pub(super) enum Wanted<'a> {
    All,
    Tag(&'a str),
    Filter(&'a Filter, bool),
}

impl<'a> Wanted<'a> {
    pub(super) fn new(audience: &'a Audience) -> Self {
        match audience {
            Audience::All | Audience::Upload => Wanted::All,
            Audience::Tag(tag) => Wanted::Tag(tag),
            Audience::Filter(filter) => Wanted::Filter(filter, looks_at_tags(filter)),
        }
    }
}

fn looks_at_tags(filter: &Filter) -> bool {
    match filter {
        Filter::All(filters) | Filter::Any(filters) => filters.iter().any(looks_at_tags),
        Filter::Not(filter) => looks_at_tags(filter),
        Filter::Leaf(leaf) => leaf.field == Field::Tags,
    }
}

/// A row of `devices`, borrowed from the answer it came in.
#[derive(Clone, Copy)]
pub(super) struct Sight<'a> {
    pub(super) user: &'a str,
    pub(super) id: DeviceId,
    /// When its user got it.
    pub(super) since: Option<Timestamp>,
    platform: Platform,
    status: Status,
    channel: Channel,
    kind: AddressKind,
    environment: Environment,
    address: &'a str,
    device_key: Option<&'a str>,
    app_version: Option<&'a str>,
    locale: Option<&'a str>,
    time_zone: Option<&'a str>,
    /// So many, packed.
    tags: (u64, &'a [u8]),
    created_at: Timestamp,
    last_seen_at: Timestamp,
    registered_at: Timestamp,
    is_deleted: bool,
}

impl<'a> Sight<'a> {
    /// Reads a body as [`crate::scylla::registry`] packs it.
    pub(super) fn read(
        user: &'a str,
        id: &[u8],
        body: &'a [u8],
        since_micros: Option<i64>,
    ) -> Result<Self> {
        let id = id.try_into().map_err(|_| damaged("devices.id"))?;
        let mut sight =
            unpack(user, DeviceId(Id96(id)), body).ok_or_else(|| damaged("devices.body"))?;
        sight.since = since_micros.map(|at| Timestamp(at.unsigned_abs() / 1_000));
        Ok(sight)
    }

    pub(super) fn is_deliverable(&self) -> bool {
        self.status == Status::Active && !self.is_deleted
    }

    /// Whether it is delivered to and matches.
    pub(super) fn matches(&self, wanted: Wanted<'_>) -> Result<bool> {
        if !self.is_deliverable() {
            return Ok(false);
        }
        Ok(match wanted {
            Wanted::All => true,
            Wanted::Tag(tag) => self.tags()?.contains(&tag),
            Wanted::Filter(filter, true) => filter.matches(&self.view(&self.tags()?)),
            Wanted::Filter(filter, false) => filter.matches(&self.view(&[])),
        })
    }

    /// Of two rows of one user with one device key, the one registered later counts.
    pub(super) fn is_older_twin_of(&self, other: &Sight<'_>) -> bool {
        self.device_key.is_some()
            && self.device_key == other.device_key
            && self.user == other.user
            && (self.registered_at, self.id) < (other.registered_at, other.id)
    }

    fn tags(&self) -> Result<Vec<&'a str>> {
        let (count, packed) = self.tags;
        let mut input = Input(packed);
        let tags = (0..count).map(|_| input.text());
        tags.collect::<Option<_>>()
            .ok_or_else(|| damaged("devices.body"))
    }

    fn view<'v>(&'v self, tags: &'v [&'v str]) -> DeviceView<'v> {
        DeviceView {
            platform: self.platform,
            channel: self.channel,
            locale: self.locale,
            app_version: self.app_version,
            tags,
            last_seen_at: self.last_seen_at,
            created_at: self.created_at,
            time_zone: self.time_zone,
        }
    }

    /// As a recipient that is reached now.
    pub(super) fn recipient(&self, locales: &mut Locales) -> Result<AudienceRow> {
        let user = UserId::new(self.user).map_err(|_| damaged("devices.user"))?;
        Ok(AudienceRow {
            recipient: Recipient {
                user: Some(user),
                device: Some(self.id),
                channel: Some(self.channel),
                variables: None,
            },
            reach: Some(Reach {
                address: Address::new(self.channel, self.kind, self.environment, self.address),
                locale: self.locale.map(|locale| locales.shared(locale)),
                registered_at: self.registered_at,
            }),
        })
    }
}

fn unpack<'a>(user: &'a str, id: DeviceId, body: &'a [u8]) -> Option<Sight<'a>> {
    let mut input = Input(body);
    if input.byte()? != VERSION {
        return None;
    }
    // The address's key, and the revision.
    input.take(16)?;
    input.number()?;
    let platform = input.word(Platform::ALL)?;
    let status = input.word(Status::ALL)?;
    let channel = input.word(Channel::ALL)?;
    let kind = input.word(AddressKind::ALL)?;
    let environment = input.word(Environment::ALL)?;
    let address = input.text()?;
    let _tenant = text(&mut input)?;
    let device_key = text(&mut input)?;
    let app_version = text(&mut input)?;
    // Name, model and system of the device.
    for _ in 0..3 {
        text(&mut input)?;
    }
    let (locale, time_zone) = (text(&mut input)?, text(&mut input)?);
    let _info = text(&mut input)?;
    let _order = number(&mut input)?;
    let count = input.number()?;
    let tags = input.rest();
    for _ in 0..count {
        input.text()?;
    }
    let created_at = Timestamp(input.number()?);
    input.number()?;
    let last_seen_at = Timestamp(input.number()?);
    let registered_at = Timestamp(input.number()?);
    let _invalidated_at = number(&mut input)?;
    let is_deleted = number(&mut input)?.is_some();
    Some(Sight {
        user,
        id,
        since: None,
        platform,
        status,
        channel,
        kind,
        environment,
        address,
        device_key,
        app_version,
        locale,
        time_zone,
        tags: (count, tags),
        created_at,
        last_seen_at,
        registered_at,
        is_deleted,
    })
}

fn text<'a>(input: &mut Input<'a>) -> Option<Option<&'a str>> {
    match input.byte()? {
        0 => Some(None),
        1 => Some(Some(input.text()?)),
        _ => None,
    }
}

fn number(input: &mut Input<'_>) -> Option<Option<u64>> {
    match input.byte()? {
        0 => Some(None),
        1 => Some(Some(input.number()?)),
        _ => None,
    }
}

/// The few locales of a page, each made once.
#[derive(Default)]
pub(super) struct Locales(Vec<Arc<str>>);

/// Beyond this many, each is made for itself.
const LOCALES_MAX: usize = 16;

impl Locales {
    fn shared(&mut self, locale: &str) -> Arc<str> {
        if let Some(known) = self.0.iter().find(|known| known.as_ref() == locale) {
            return known.clone();
        }
        let made: Arc<str> = locale.into();
        if self.0.len() < LOCALES_MAX {
            self.0.push(made.clone());
        }
        made
    }
}

#[cfg(test)]
mod tests {
    use fanfare_types::Device;
    use fanfare_types::filter::{Leaf, Test, Value};

    use super::*;
    use crate::contract::fixtures::{device, full_device};
    use crate::scylla::registry::row;

    fn packed(device: &Device) -> Vec<u8> {
        row::pack(device, &device.address.key(None))
    }

    fn sight<'a>(device: &'a Device, body: &'a [u8]) -> Sight<'a> {
        let read = Sight::read(device.user.as_str(), &device.id.0.0, body, Some(7_000));
        read.expect("it is sound")
    }

    /// The registry packs it; here it is read by other code.
    #[test]
    fn a_row_is_seen_as_the_registry_packed_it() {
        let mut full = full_device();
        (full.status, full.deleted_at) = (Status::Active, None);
        for device in [full, device(1, "bob", "t")] {
            let body = packed(&device);
            let sight = sight(&device, &body);
            let tags = sight.tags().expect("they are sound");
            let view = sight.view(&tags);
            let expected: Vec<&str> = device.tags.iter().map(String::as_str).collect();
            assert_eq!(view.tags, expected);
            assert_eq!(
                (
                    view.platform,
                    view.channel,
                    view.locale,
                    view.app_version,
                    view.time_zone
                ),
                (
                    device.platform,
                    device.address.channel,
                    device.meta.locale.as_deref(),
                    device.meta.app_version.as_deref(),
                    device.meta.time_zone.as_deref()
                )
            );
            let times = (view.created_at, view.last_seen_at, sight.since);
            let expected = (device.created_at, device.last_seen_at, Some(Timestamp(7)));
            assert_eq!(times, expected);
            let row = sight
                .recipient(&mut Locales::default())
                .expect("a recipient");
            let to = row.recipient;
            assert_eq!(
                (to.user, to.device),
                (Some(device.user.clone()), Some(device.id))
            );
            let reach = row.reach.expect("a reach");
            assert_eq!(reach.address, device.address);
            assert_eq!(reach.registered_at, device.registered_at);
        }
    }

    #[test]
    fn only_what_is_delivered_to_matches() {
        let matches = |change: fn(&mut Device)| {
            let mut device = device(1, "ada", "t");
            change(&mut device);
            let body = packed(&device);
            sight(&device, &body).matches(Wanted::All).expect("sound")
        };
        assert!(matches(|_| ()));
        assert!(!matches(|device| device.deleted_at = Some(Timestamp(1))));
        assert!(!matches(|device| device.status = Status::Stale));
    }

    #[test]
    fn a_tag_is_one_of_the_rows_and_filters_see_it() {
        let device = Device {
            tags: vec!["news".to_owned(), "x".to_owned()],
            ..device(1, "ada", "t")
        };
        let body = packed(&device);
        let sight = sight(&device, &body);
        let by_filter = |text: &str| {
            let test = Test::In(vec![Value::Text(text.to_owned())]);
            let leaf = Filter::Leaf(Leaf {
                field: Field::Tags,
                test,
            });
            sight.matches(Wanted::new(&Audience::Filter(leaf)))
        };
        for (tag, is_there) in [("news", true), ("x", true), ("new", false)] {
            assert_eq!(sight.matches(Wanted::Tag(tag)), Ok(is_there));
            assert_eq!(by_filter(tag), Ok(is_there));
        }
    }

    #[test]
    fn a_damaged_row_is_refused() {
        let device = device(1, "ada", "t");
        let body = packed(&device);
        let read = |id: &[u8], body: &[u8]| Sight::read("ada", id, body, None).is_err();
        assert!(read(&device.id.0.0, &body[..60]) && read(&device.id.0.0, &[]));
        assert!(read(&[1, 2], &body));
    }
}
