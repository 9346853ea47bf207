//! Reading the provider-neutral message. What providers make of it is checked in `providers`.

use std::collections::BTreeMap;

use fanfare_types::Message;
use fanfare_types::message::Localized;

use crate::fields::{Fields, shown};

/// The message; members with faults are left out of it.
pub(crate) fn read(fields: &mut Fields<'_>) -> Option<Message> {
    fields.require("message");
    let mut fields = fields.nested("message")?;
    let badge = fields.integer("badge", 0..=u64::from(u32::MAX));
    let message = Message {
        title: fields.text("title", usize::MAX),
        body: fields.text("body", usize::MAX),
        image: fields.text("image", usize::MAX),
        data: fields.texts("data").unwrap_or_default(),
        sound: fields.text("sound", usize::MAX),
        badge: badge.and_then(|badge| u32::try_from(badge).ok()),
        click_action: fields.text("click_action", usize::MAX),
        localized: localized(&mut fields),
        apns: fields.object("apns"),
        fcm: fields.object("fcm"),
        web_push: fields.object("web_push"),
    };
    fields.finish();
    Some(message)
}

fn localized(fields: &mut Fields<'_>) -> BTreeMap<String, Localized> {
    let Some(locales) = fields.object("localized") else {
        return BTreeMap::new();
    };
    let path = fields.path("localized");
    let mut all = BTreeMap::new();
    for (locale, texts) in locales {
        let path = format!("{path}.{}", shown(&locale));
        let Some(mut fields) = Fields::of(texts, &path, fields.faults) else {
            continue;
        };
        let texts = Localized {
            title: fields.text("title", usize::MAX),
            body: fields.text("body", usize::MAX),
            image: fields.text("image", usize::MAX),
            sound: fields.text("sound", usize::MAX),
            click_action: fields.text("click_action", usize::MAX),
        };
        fields.finish();
        all.insert(locale, texts);
    }
    all
}
