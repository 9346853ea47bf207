//! The provider-neutral message, as a caller writes it. Rendering for a provider is in `providers`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Deref, DerefMut};

use serde::{Deserialize, Serialize};

/// What to show or hand over. Every text may hold `{{variable}}` placeholders. `Debug` shows no content.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// HTTPS address of a picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// String values only, because FCM takes no others.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub data: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sound: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub badge: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub click_action: Option<String>,
    /// By locale (`de`, `pt-BR`): replaces the texts for devices of that locale, or of its language. What a locale
    /// leaves out is taken from its language, and from the message only if that has none either.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub localized: BTreeMap<String, Localized>,
    /// Merged into the APNs payload last (RFC 7386); its member `headers` may set `apns-push-type`,
    /// `apns-priority` and a topic suffix's push type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apns: Option<serde_json::Map<String, serde_json::Value>>,
    /// Merged into FCM's `message` object last (RFC 7386).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fcm: Option<serde_json::Map<String, serde_json::Value>>,
    /// Merged into the Web Push payload last (RFC 7386).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub web_push: Option<serde_json::Map<String, serde_json::Value>>,
}

/// The texts of one locale.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Localized {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sound: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub click_action: Option<String>,
}

/// Values for placeholders, by name. `Debug` shows how many, and none of them.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Variables(BTreeMap<String, String>);

impl Variables {
    pub fn new() -> Self {
        Variables::default()
    }
}

impl Deref for Variables {
    type Target = BTreeMap<String, String>;
    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for Variables {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl<const N: usize> From<[(String, String); N]> for Variables {
    fn from(pairs: [(String, String); N]) -> Self {
        pairs.into_iter().collect()
    }
}

impl FromIterator<(String, String)> for Variables {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        Variables(pairs.into_iter().collect())
    }
}

impl Message {
    /// The texts for a device's locale: each from the exact locale (`pt-BR`), else from its language (`pt`); none
    /// if there is neither. What they leave out is the message's own.
    pub fn localized_for(&self, locale: Option<&str>) -> Option<Cow<'_, Localized>> {
        let locale = locale?;
        let found = |wanted: &str| {
            self.localized
                .iter()
                .find(|(key, _)| key.eq_ignore_ascii_case(wanted))
                .map(|(_, texts)| texts)
        };
        let language = locale.split(['-', '_']).next().unwrap_or(locale);
        let exact = found(&locale.replace('_', "-"));
        match (exact, found(language)) {
            (Some(exact), Some(language)) if !std::ptr::eq(exact, language) => {
                Some(Cow::Owned(exact.or(language)))
            }
            (exact, language) => exact.or(language).map(Cow::Borrowed),
        }
    }
}

impl Localized {
    /// These texts, and those of `other` where there is none.
    fn or(&self, other: &Localized) -> Localized {
        let text = |pick: fn(&Localized) -> &Option<String>| {
            pick(self)
                .as_ref()
                .or_else(|| pick(other).as_ref())
                .cloned()
        };
        Localized {
            title: text(|texts| &texts.title),
            body: text(|texts| &texts.body),
            image: text(|texts| &texts.image),
            sound: text(|texts| &texts.sound),
            click_action: text(|texts| &texts.click_action),
        }
    }
}

impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Variables({})", self.0.len())
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Message(…)")
    }
}

impl fmt::Debug for Localized {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Localized(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locale_falls_back_to_its_language_and_then_to_none() {
        let message: Message = serde_json::from_str(
            r#"{"title":"hi","localized":{"de":{"title":"hallo"},"pt-BR":{"title":"oi"}}}"#,
        )
        .unwrap();
        let title = |locale| {
            message
                .localized_for(Some(locale))
                .and_then(|texts| texts.title.clone())
        };
        assert_eq!(title("de_AT").as_deref(), Some("hallo"));
        assert_eq!(title("pt-br").as_deref(), Some("oi"));
        assert_eq!(title("pt-PT"), None);
    }

    #[test]
    fn each_text_falls_back_from_the_locale_to_its_language() {
        let message: Message = serde_json::from_str(
            r#"{"title":"hi","body":"you","sound":"a","localized":{
                "de":{"title":"hallo","body":"du"},"de-CH":{"title":"grüezi","image":"i"}}}"#,
        )
        .unwrap();
        let texts = message.localized_for(Some("de_CH")).unwrap();
        assert_eq!(texts.title.as_deref(), Some("grüezi"));
        assert_eq!(texts.body.as_deref(), Some("du"));
        assert_eq!(texts.image.as_deref(), Some("i"));
        assert_eq!(texts.sound, None);
        let texts = message.localized_for(Some("de")).unwrap();
        assert_eq!(texts.title.as_deref(), Some("hallo"));
        assert_eq!(texts.image, None);
    }
}
