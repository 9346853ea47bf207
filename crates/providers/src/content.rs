//! The neutral message for one locale, with its placeholders filled: what both providers render from.

use std::borrow::Cow;

use fanfare_types::message::Localized;
use fanfare_types::{Message, MissingVariable, Outcome, Reason};
use serde_json::{Map, Value};

use crate::template::{Filler, Unfilled};

/// A raw override or payload.
pub(crate) type Object = Map<String, Value>;

/// Why a message cannot be rendered for a provider.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unsendable {
    #[error(transparent)]
    Unfilled(#[from] Unfilled),
    /// The raw override makes something of the payload that the provider cannot read.
    #[error("the override is not usable: {0}")]
    Override(&'static str),
    /// A value that cannot stand in a header or path.
    #[error("{0} cannot be sent")]
    Unwritable(&'static str),
    /// Over the provider's limit once rendered.
    #[error("the payload is too large")]
    TooLarge,
}

/// How a delivery ends that no request can be made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    pub outcome: Outcome,
    pub reason: Reason,
}

impl Unsendable {
    /// The end of a delivery whose campaign, if it has one, says this about variables without a value.
    pub(crate) fn refused(&self, missing: Option<MissingVariable>) -> Refused {
        let is_missing = matches!(self, Unsendable::Unfilled(Unfilled::Missing(_)));
        let outcome = match missing {
            Some(MissingVariable::Skip) if is_missing => Outcome::Cancelled,
            _ => Outcome::Rejected,
        };
        Refused {
            outcome,
            reason: self.reason(),
        }
    }

    /// The reason a delivery ends with.
    fn reason(&self) -> Reason {
        Reason::of(match self {
            Unsendable::Unfilled(Unfilled::Malformed) => "malformed_placeholder",
            Unsendable::Unfilled(Unfilled::Missing(_)) => "missing_variable",
            Unsendable::Unfilled(Unfilled::TooLong) | Unsendable::TooLarge => "payload_too_large",
            Unsendable::Override(_) => "bad_override",
            Unsendable::Unwritable(_) => "unwritable_value",
        })
    }
}

/// The texts and values of a message, filled.
pub(crate) struct Content<'m> {
    pub(crate) title: Option<Cow<'m, str>>,
    pub(crate) body: Option<Cow<'m, str>>,
    pub(crate) image: Option<Cow<'m, str>>,
    pub(crate) sound: Option<Cow<'m, str>>,
    pub(crate) click_action: Option<Cow<'m, str>>,
    /// Whether that is an `https` address.
    pub(crate) is_link: bool,
    pub(crate) badge: Option<u32>,
    pub(crate) data: Vec<(&'m str, Cow<'m, str>)>,
}

impl<'m> Content<'m> {
    /// Takes each text from `localized` where it has one, else from the message, and fills it.
    pub(crate) fn of(
        message: &'m Message,
        localized: Option<&'m Localized>,
        filler: &mut Filler<'_>,
    ) -> Result<Self, Unfilled> {
        let mut text = |pick: fn(&Localized) -> &Option<String>, base: &'m Option<String>| {
            let chosen = localized.and_then(|texts| pick(texts).as_deref());
            chosen
                .or(base.as_deref())
                .map(|text| filler.fill(text))
                .transpose()
        };
        let title = text(|texts| &texts.title, &message.title)?;
        let body = text(|texts| &texts.body, &message.body)?;
        let image = text(|texts| &texts.image, &message.image)?;
        let sound = text(|texts| &texts.sound, &message.sound)?;
        let click_action = text(|texts| &texts.click_action, &message.click_action)?;
        Ok(Content {
            is_link: click_action
                .as_deref()
                .is_some_and(|text| filler.is_link(text)),
            title,
            body,
            image,
            sound,
            click_action,
            badge: message.badge,
            data: message
                .data
                .iter()
                .map(|(key, value)| Ok((key.as_str(), filler.fill(value)?)))
                .collect::<Result<_, Unfilled>>()?,
        })
    }

    /// Whether there is anything to show: a title or a body.
    pub(crate) fn is_shown(&self) -> bool {
        self.title.is_some() || self.body.is_some()
    }
}

/// The placeholders in every string of an override, filled. Member names are left as they are.
pub(crate) fn fill_object(object: &Object, filler: &mut Filler<'_>) -> Result<Object, Unfilled> {
    object
        .iter()
        .map(|(name, value)| Ok((name.clone(), fill_value(value, filler)?)))
        .collect()
}

fn fill_value(value: &Value, filler: &mut Filler<'_>) -> Result<Value, Unfilled> {
    Ok(match value {
        Value::String(text) => Value::String(filler.fill(text)?.into_owned()),
        Value::Array(items) => Value::Array(
            items
                .iter()
                .map(|item| fill_value(item, filler))
                .collect::<Result<_, _>>()?,
        ),
        Value::Object(object) => Value::Object(fill_object(object, filler)?),
        plain => plain.clone(),
    })
}

/// JSON Merge Patch (RFC 7386): members of `patch` replace, `null` removes, objects merge.
pub(crate) fn merge(target: &mut Object, patch: Object) {
    for (name, change) in patch {
        match change {
            Value::Null => {
                target.remove(&name);
            }
            Value::Object(patch) => {
                let member = target.entry(name).or_insert(Value::Null);
                if !member.is_object() {
                    *member = Value::Object(Object::new());
                }
                if let Value::Object(member) = member {
                    merge(member, patch);
                }
            }
            value => {
                target.insert(name, value);
            }
        }
    }
}

/// The object under `name`, made if there is none; `None` when something else is in its place.
pub(crate) fn object_in<'o>(object: &'o mut Object, name: &str) -> Option<&'o mut Object> {
    object
        .entry(name)
        .or_insert_with(|| Value::Object(Object::new()))
        .as_object_mut()
}

/// Inserts a text where there is one.
pub(crate) fn put(object: &mut Object, name: &str, text: Option<&str>) {
    if let Some(text) = text {
        object.insert(name.to_owned(), text.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fanfare_types::message::Variables;
    use serde_json::json;

    fn object(value: Value) -> Object {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn merging_follows_the_examples_of_rfc_7386() {
        for (target, patch, expected) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (
                json!({"a": "b"}),
                json!({"b": "c"}),
                json!({"a": "b", "b": "c"}),
            ),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (
                json!({"a": {"b": "c"}}),
                json!({"a": {"b": "d", "c": null}}),
                json!({"a": {"b": "d"}}),
            ),
            (
                json!({"a": [{"b": "c"}]}),
                json!({"a": [1]}),
                json!({"a": [1]}),
            ),
            (
                json!({"e": null}),
                json!({"a": 1}),
                json!({"e": null, "a": 1}),
            ),
            (
                json!({}),
                json!({"a": {"bb": {"ccc": null}}}),
                json!({"a": {"bb": {}}}),
            ),
        ] {
            let mut merged = object(target);
            merge(&mut merged, object(patch));
            assert_eq!(Value::Object(merged), expected);
        }
    }

    #[test]
    fn overrides_are_filled_in_their_values_only() {
        let variables = Variables::from([("n".to_owned(), "\"Ada\"".to_owned())]);
        let raw = object(json!({"{{n}}": ["{{n}}", 1, {"x": "hi {{n}}"}]}));
        let filled = fill_object(&raw, &mut Filler::new((&variables).into())).unwrap();
        assert_eq!(
            Value::Object(filled),
            json!({"{{n}}": ["\"Ada\"", 1, {"x": "hi \"Ada\""}]})
        );
    }
}
