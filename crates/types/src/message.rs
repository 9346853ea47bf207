//! The provider-neutral message, as a caller writes it. Rendering for a provider is in `providers`.

use std::collections::BTreeMap;
use std::fmt;

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
    /// By locale (`de`, `pt-BR`): replaces the texts for devices of that locale, or of its language.
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

/// Values for placeholders.
pub type Variables = BTreeMap<String, String>;

impl Message {
    /// The texts for a device's locale: exact (`pt-BR`), else its language (`pt`), else none.
    pub fn localized_for(&self, locale: Option<&str>) -> Option<(&str, &Localized)> {
        let locale = locale?;
        let found = |wanted: &str| {
            self.localized
                .iter()
                .find(|(key, _)| key.eq_ignore_ascii_case(wanted))
        };
        let language = locale.split(['-', '_']).next().unwrap_or(locale);
        found(&locale.replace('_', "-"))
            .or_else(|| found(language))
            .map(|(key, texts)| (key.as_str(), texts))
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
                .and_then(|(_, texts)| texts.title.as_deref())
        };
        assert_eq!(title("de_AT"), Some("hallo"));
        assert_eq!(title("pt-br"), Some("oi"));
        assert_eq!(title("pt-PT"), None);
    }
}
