//! `{{variable}}` placeholders: parsed once, filled for each delivery.
//!
//! A name is 1–64 of `[A-Za-z0-9_.-]`, with spaces around it if wanted: `{{ order.id }}`. `\{{` stands for two
//! plain braces. Filled text is not looked at again, so a value may hold braces. Filling happens before a text
//! becomes JSON, so a value may hold quotes.

use std::borrow::Cow;

use fanfare_types::message::Variables;
use fanfare_types::{Delivery, MissingVariable};

use crate::form::{Form, Marks};
use crate::uri::is_https;

/// Longest variable name, in bytes.
pub const NAME_BYTES_MAX: usize = 64;

/// How many bytes filling may make for one message, all its texts together. Far more than any provider takes;
/// a bound, because a text that repeats a long variable grows quickly.
pub const FILLED_BYTES_MAX: usize = 64 * 1024;

/// Where placeholders get their values: the recipient's own come before those that all recipients share.
#[derive(Clone, Copy, Debug)]
pub struct Values<'v> {
    own: Option<&'v Variables>,
    shared: &'v Variables,
    missing: MissingVariable,
}

impl<'v> Values<'v> {
    /// `missing`: with [`MissingVariable::Empty`], what neither of them has is the empty text.
    pub fn new(
        own: Option<&'v Variables>,
        shared: &'v Variables,
        missing: MissingVariable,
    ) -> Self {
        Values {
            own,
            shared,
            missing,
        }
    }

    pub(crate) fn of(delivery: &'v Delivery) -> Self {
        let live = &delivery.live;
        let missing = live.run.as_ref().map(|run| run.missing_variable);
        Values {
            own: delivery.variables.as_deref(),
            shared: &live.variables,
            missing: missing.unwrap_or(MissingVariable::Fail),
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&'v str> {
        let own = self.own.and_then(|own| own.get(name));
        match own.or_else(|| self.shared.get(name)) {
            Some(value) => Some(value),
            None if self.missing == MissingVariable::Empty => Some(""),
            None => None,
        }
    }
}

impl<'v> From<&'v Variables> for Values<'v> {
    fn from(shared: &'v Variables) -> Self {
        Values::new(None, shared, MissingVariable::Fail)
    }
}

/// A text with its placeholders found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Text(Box<str>),
    Variable(Box<str>),
}

/// Why a text cannot be filled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfilled {
    /// `{{` without `}}`, or something that is no name between them.
    #[error("a placeholder is malformed")]
    Malformed,
    /// No value was given for this name.
    #[error("no value for `{0}`")]
    Missing(String),
    /// More than [`FILLED_BYTES_MAX`].
    #[error("the filled texts are too long")]
    TooLong,
}

impl Template {
    /// Finds the placeholders of a text.
    pub fn parse(text: &str) -> Result<Self, Unfilled> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find("{{") {
            if let Some(before) = rest[..at].strip_suffix('\\') {
                plain.push_str(before);
                plain.push_str("{{");
                rest = &rest[at + 2..];
                continue;
            }
            plain.push_str(&rest[..at]);
            let inside = &rest[at + 2..];
            let end = inside.find("}}").ok_or(Unfilled::Malformed)?;
            let name = inside[..end].trim_matches(' ');
            if !is_name(name) {
                return Err(Unfilled::Malformed);
            }
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain).into()));
            }
            parts.push(Part::Variable(name.into()));
            rest = &inside[end + 2..];
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Text(plain.into()));
        }
        Ok(Template { parts })
    }

    pub(crate) fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The names it asks for, in order, repeated where the text repeats them.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Variable(name) => Some(&**name),
            Part::Text(_) => None,
        })
    }

    /// The text with every placeholder replaced.
    pub fn fill<'v>(&self, values: impl Into<Values<'v>>) -> Result<String, Unfilled> {
        let values = values.into();
        let mut filled = String::new();
        for part in &self.parts {
            let piece = match part {
                Part::Text(text) => &**text,
                Part::Variable(name) => values
                    .get(name)
                    .ok_or_else(|| Unfilled::Missing(name.to_string()))?,
            };
            if filled.len() + piece.len() > FILLED_BYTES_MAX {
                return Err(Unfilled::TooLong);
            }
            filled.push_str(piece);
        }
        Ok(filled)
    }
}

fn is_name(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    !text.is_empty() && text.len() <= NAME_BYTES_MAX && text.bytes().all(allowed)
}

/// Fills the texts of one message, within [`FILLED_BYTES_MAX`] for all of them. Texts without placeholders are
/// borrowed and cost nothing.
pub(crate) struct Filler<'v> {
    with: With<'v>,
    left: usize,
}

enum With<'v> {
    Values(Values<'v>),
    /// Filled later, for each recipient.
    Marks(Marks),
}

impl<'v> Filler<'v> {
    pub(crate) fn new(values: Values<'v>) -> Self {
        Filler {
            with: With::Values(values),
            left: FILLED_BYTES_MAX,
        }
    }

    /// Marks what would be filled.
    pub(crate) fn marking(marks: Marks) -> Self {
        Filler {
            with: With::Marks(marks),
            left: FILLED_BYTES_MAX,
        }
    }

    /// What is left to fill.
    pub(crate) fn into_form(self) -> Form {
        match self.with {
            With::Values(_) => Form::new(None),
            With::Marks(marks) => Form::new(Some(marks)),
        }
    }

    /// Whether a filled text is an `https` address, or will be.
    pub(crate) fn is_link(&self, filled: &str) -> bool {
        match &self.with {
            With::Marks(marks) if marks.is_in(filled) => marks.is_link,
            _ => is_https(filled),
        }
    }

    pub(crate) fn fill<'t>(&mut self, text: &'t str) -> Result<Cow<'t, str>, Unfilled> {
        if !text.contains("{{") {
            return Ok(Cow::Borrowed(text));
        }
        let template = Template::parse(text)?;
        let filled = match &mut self.with {
            With::Marks(marks) => return Ok(Cow::Owned(marks.add(template))),
            With::Values(values) => template.fill(*values)?,
        };
        self.left = self
            .left
            .checked_sub(filled.len())
            .ok_or(Unfilled::TooLong)?;
        Ok(Cow::Owned(filled))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn variables() -> Variables {
        [("name", "Ada"), ("order.id", "{{name}}"), ("quote", "\"")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
    }

    fn fill(text: &str) -> Result<String, Unfilled> {
        Template::parse(text)?.fill(&variables())
    }

    #[test]
    fn placeholders_are_replaced_once() {
        assert_eq!(fill("Hi {{name}}!").unwrap(), "Hi Ada!");
        assert_eq!(fill("{{ name }}{{name}}").unwrap(), "AdaAda");
        assert_eq!(fill("{{order.id}}").unwrap(), "{{name}}");
        assert_eq!(fill("").unwrap(), "");
    }

    #[test]
    fn braces_can_be_meant_as_such() {
        assert_eq!(fill(r"\{{name}} {{name}}").unwrap(), "{{name}} Ada");
        assert_eq!(fill("{name} }} {").unwrap(), "{name} }} {");
    }

    #[test]
    fn what_is_no_name_is_malformed() {
        let long = format!("{{{{{}}}}}", "n".repeat(NAME_BYTES_MAX + 1));
        for text in [
            "{{",
            "{{name",
            "{{}}",
            "{{ }}",
            "{{a b}}",
            "{{{name}}}",
            "{{\tname}}",
            "{{ü}}",
            &long,
        ] {
            assert_eq!(Template::parse(text), Err(Unfilled::Malformed), "{text}");
        }
    }

    #[test]
    fn a_missing_variable_is_named() {
        assert_eq!(fill("{{who}}"), Err(Unfilled::Missing("who".to_owned())));
        let template = Template::parse("{{a}} and {{b}}").unwrap();
        assert_eq!(template.variables().collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn a_repeated_long_variable_ends_at_the_bound() {
        let variables = Variables::from([("x".to_owned(), "x".repeat(1024))]);
        let text = "{{x}}".repeat(65);
        assert_eq!(
            Template::parse(&text).unwrap().fill(&variables),
            Err(Unfilled::TooLong)
        );
        let mut filler = Filler::new((&variables).into());
        assert!(filler.fill(&text[..64 * 5]).is_ok());
        assert_eq!(filler.fill("{{x}}"), Err(Unfilled::TooLong));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(\\{\\{|\\}\\}|\\\\|name| |.){0,40}") {
            if let Ok(template) = Template::parse(&text) {
                let names = template.variables().map(str::to_owned).collect::<Vec<_>>();
                let filled = template.fill(&variables());
                prop_assert_eq!(filled.is_ok(), names.iter().all(|name| variables().contains_key(name)));
            }
        }

        #[test]
        fn text_without_braces_is_itself(text in "[^{]{0,80}") {
            prop_assert_eq!(fill(&text).unwrap(), text);
        }

        #[test]
        fn escaped_text_is_itself(text in "[a-z{} ]{0,40}") {
            // A brace before an escaped pair would join it, so pairs are looked for from the left, as the parser does.
            let escaped = text.replace("{{", r"\{{");
            prop_assert_eq!(fill(&escaped).unwrap(), text);
        }
    }
}
