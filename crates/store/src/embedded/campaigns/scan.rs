//! Device rows as an audience sees them: only the columns that are asked for, borrowed from the row, and nothing is
//! made of a row that does not match.

use std::sync::Arc;

use fanfare_types::filter::Field;
use fanfare_types::ids::Id96;
use fanfare_types::{
    Address, AddressKind, Audience, Channel, DeviceId, DeviceView, Environment, Filter, Platform,
    Recipient, Timestamp, UserId,
};
use rusqlite::Row;

use crate::Result;
use crate::campaigns::{AudienceRow, Reach};
use crate::embedded::fault::corrupt;
use crate::embedded::values::instant;

/// A device has no more; one that had would be read the slow way.
const TAGS_MAX: usize = 64;

/// Which devices, with what is asked of the audience.
#[derive(Clone, Copy)]
pub(super) enum Wanted<'a> {
    All,
    Tag(&'a str),
    Filter(&'a Filter),
}

impl<'a> Wanted<'a> {
    pub(super) fn new(audience: &'a Audience) -> Self {
        match audience {
            Audience::All | Audience::Upload => Wanted::All,
            Audience::Tag(tag) => Wanted::Tag(tag),
            Audience::Filter(filter) => Wanted::Filter(filter),
        }
    }

    fn looks_at(self, field: Field) -> bool {
        match self {
            Wanted::All => false,
            Wanted::Tag(_) => field == Field::Tags,
            Wanted::Filter(filter) => looks_at(filter, field),
        }
    }
}

fn looks_at(filter: &Filter, field: Field) -> bool {
    match filter {
        Filter::All(filters) | Filter::Any(filters) => {
            filters.iter().any(|filter| looks_at(filter, field))
        }
        Filter::Not(filter) => looks_at(filter, field),
        Filter::Leaf(leaf) => leaf.field == field,
    }
}

/// Columns that a reach is made of, behind `id` and whether the row is delivered to; the filter's come behind them.
const REACH: [&str; 7] = [
    "user",
    "channel",
    "address_kind",
    "environment",
    "address",
    "locale",
    "registered_at",
];

const FIELDS: [Field; 8] = [
    Field::Channel,
    Field::Locale,
    Field::Platform,
    Field::AppVersion,
    Field::Tags,
    Field::LastSeenAt,
    Field::CreatedAt,
    Field::TimeZone,
];

/// The columns that `wanted` looks at and, `with_reach`, those of a reach. What nobody looks at is NULL in its place.
pub(super) fn columns(wanted: Wanted<'_>, with_reach: bool) -> String {
    let mut columns = "id, status = 'active' AND deleted_at IS NULL".to_owned();
    let reach = REACH.iter().map(|column| (*column, with_reach));
    let fields = FIELDS
        .iter()
        .map(|field| (field.as_str(), wanted.looks_at(*field)));
    for (column, is_read) in reach.chain(fields) {
        columns.push_str(", ");
        columns.push_str(if is_read { column } else { "NULL" });
    }
    columns
}

/// A row of [`columns`].
pub(super) struct Scanned<'r>(pub(super) &'r Row<'r>);

impl<'r> Scanned<'r> {
    pub(super) fn id(&self) -> Result<DeviceId> {
        Ok(DeviceId(Id96(self.0.get(0)?)))
    }

    pub(super) fn is_deliverable(&self) -> Result<bool> {
        Ok(self.0.get(1)?)
    }

    /// Whether it is delivered to and matches.
    pub(super) fn matches(&self, wanted: Wanted<'_>) -> Result<bool> {
        if !self.is_deliverable()? {
            return Ok(false);
        }
        match wanted {
            Wanted::All => Ok(true),
            Wanted::Tag(tag) => self.with_tags(|tags| Ok(tags.contains(&tag))),
            Wanted::Filter(filter) if wanted.looks_at(Field::Tags) => {
                self.with_tags(|tags| Ok(filter.matches(&self.view(tags)?)))
            }
            Wanted::Filter(filter) => Ok(filter.matches(&self.view(&[])?)),
        }
    }

    fn view<'v>(&'v self, tags: &'v [&'v str]) -> Result<DeviceView<'v>> {
        // A column that the filter does not look at is not read, and may as well be anything.
        let channel = match self.text_opt(9)? {
            None => Channel::IosPush,
            Some(word) => Channel::parse(word).ok_or_else(|| corrupt("devices.channel"))?,
        };
        let platform = match self.text_opt(11)? {
            None => Platform::Unknown,
            Some(word) => Platform::parse(word).ok_or_else(|| corrupt("devices.platform"))?,
        };
        Ok(DeviceView {
            platform,
            channel,
            locale: self.text_opt(10)?,
            app_version: self.text_opt(12)?,
            tags,
            last_seen_at: self.instant_or_zero(14)?,
            created_at: self.instant_or_zero(15)?,
            time_zone: self.text_opt(16)?,
        })
    }

    fn with_tags<T>(&self, look: impl FnOnce(&[&str]) -> Result<T>) -> Result<T> {
        let Some(json) = self.text_opt(13)? else {
            return look(&[]);
        };
        let mut places = [""; TAGS_MAX];
        if let Some(tags) = plain_tags(json, &mut places) {
            return look(tags);
        }
        let tags: Vec<String> = serde_json::from_str(json).map_err(|_| corrupt("devices.tags"))?;
        let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
        look(&tags)
    }

    /// The row as a recipient that is reached now. Needs the columns of a reach.
    pub(super) fn recipient(&self, locales: &mut Locales) -> Result<AudienceRow> {
        let channel = Channel::parse(self.text(3)?).ok_or_else(|| corrupt("devices.channel"))?;
        let kind =
            AddressKind::parse(self.text(4)?).ok_or_else(|| corrupt("devices.address_kind"))?;
        let environment =
            Environment::parse(self.text(5)?).ok_or_else(|| corrupt("devices.environment"))?;
        let user = UserId::new(self.text(2)?).map_err(|_| corrupt("devices.user"))?;
        Ok(AudienceRow {
            recipient: Recipient {
                user: Some(user),
                device: Some(self.id()?),
                channel: Some(channel),
                variables: None,
            },
            reach: Some(Reach {
                address: Address::new(channel, kind, environment, self.text(6)?),
                locale: self.text_opt(7)?.map(|locale| locales.shared(locale)),
                registered_at: instant(self.0, 8)?,
            }),
        })
    }

    fn text(&self, at: usize) -> Result<&'r str> {
        Ok(self
            .0
            .get_ref(at)?
            .as_str()
            .map_err(rusqlite::Error::from)?)
    }

    fn text_opt(&self, at: usize) -> Result<Option<&'r str>> {
        let text = self.0.get_ref(at)?.as_str_or_null();
        Ok(text.map_err(rusqlite::Error::from)?)
    }

    fn instant_or_zero(&self, at: usize) -> Result<Timestamp> {
        let millis: Option<i64> = self.0.get(at)?;
        Ok(millis.map_or(Timestamp(0), |millis| Timestamp(millis.unsigned_abs())))
    }
}

/// Tags without an escape, as they are all but always: `["a","b"]`. Anything else is for the JSON parser.
fn plain_tags<'a, 'p>(json: &'a str, places: &'p mut [&'a str; TAGS_MAX]) -> Option<&'p [&'a str]> {
    let inner = json.strip_prefix("[\"")?.strip_suffix("\"]")?;
    if inner.contains('\\') {
        return None;
    }
    let mut count = 0;
    for tag in inner.split("\",\"") {
        if tag.contains('"') {
            return None;
        }
        *places.get_mut(count)? = tag;
        count += 1;
    }
    Some(&places[..count])
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
    use super::*;

    #[test]
    fn plain_tags_are_read_in_place_and_others_left_to_the_parser() {
        let read = |json: &str| {
            let mut places = [""; TAGS_MAX];
            plain_tags(json, &mut places).map(|tags| tags.join("|"))
        };
        assert_eq!(read(r#"["a"]"#).unwrap(), "a");
        assert_eq!(read(r#"["a,b","","c d"]"#).unwrap(), "a,b||c d");
        for other in [
            "[]",
            "",
            "null",
            r#"["a\"b"]"#,
            r#"["a", "b"]"#,
            r#"["a"#,
            r#"["a",1,"b"]"#,
        ] {
            assert_eq!(read(other), None, "{other}");
        }
        let many = format!("[{}]", vec!["\"t\""; TAGS_MAX + 1].join(","));
        assert_eq!(read(&many), None);
    }
}
