//! Which variables a message asks for.

use std::collections::BTreeSet;

use fanfare_types::Message;
use serde_json::Value;

use crate::template::Template;

/// The names of all placeholders in all texts of a message, in all its locales and overrides. A recipient that has a
/// value for each of them (of its own, or for every recipient) can be sent to. What is malformed asks for nothing:
/// that is a fault of its own.
pub fn asked_variables(message: &Message) -> BTreeSet<String> {
    let mut asked = Asked::default();
    for text in [
        &message.title,
        &message.body,
        &message.image,
        &message.sound,
        &message.click_action,
    ] {
        asked.text(text.as_deref());
    }
    for text in message.data.values() {
        asked.text(Some(text));
    }
    for texts in message.localized.values() {
        for text in [
            &texts.title,
            &texts.body,
            &texts.image,
            &texts.sound,
            &texts.click_action,
        ] {
            asked.text(text.as_deref());
        }
    }
    for raw in [&message.apns, &message.fcm, &message.web_push] {
        for value in raw.iter().flat_map(|raw| raw.values()) {
            asked.value(value);
        }
    }
    asked.0
}

#[derive(Default)]
struct Asked(BTreeSet<String>);

impl Asked {
    fn text(&mut self, text: Option<&str>) {
        let template = text.and_then(|text| Template::parse(text).ok());
        let names = template.iter().flat_map(Template::variables);
        self.0.extend(names.map(str::to_owned));
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::String(text) => self.text(Some(text)),
            Value::Array(items) => items.iter().for_each(|item| self.value(item)),
            Value::Object(members) => members.values().for_each(|member| self.value(member)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}
