//! The push types of APNs, and what each asks of topic, priority and size.

/// One value of `apns-push-type`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PushType {
    pub(crate) name: &'static str,
    /// Appended to the bundle id to make `apns-topic`.
    pub(crate) topic_suffix: &'static str,
    /// Longest payload, in bytes.
    pub(crate) bytes_max: usize,
}

const fn push_type(name: &'static str, topic_suffix: &'static str, bytes_max: usize) -> PushType {
    PushType {
        name,
        topic_suffix,
        bytes_max,
    }
}

/// Something to show, sound or badge.
pub(crate) const ALERT: &PushType = &PUSH_TYPES[0];
/// Wakes the app, shows nothing. Its priority must be 5.
pub(crate) const BACKGROUND: &PushType = &PUSH_TYPES[1];

/// Apple, "Sending notification requests to APNs".
#[rustfmt::skip]
const PUSH_TYPES: [PushType; 11] = [
    push_type("alert",        "",                        4096),
    push_type("background",   "",                        4096),
    push_type("complication", ".complication",           4096),
    push_type("controls",     ".push-type.controls",     4096),
    push_type("fileprovider", ".pushkit.fileprovider",   4096),
    push_type("liveactivity", ".push-type.liveactivity", 4096),
    push_type("location",     ".location-query",         4096),
    push_type("mdm",          "",                        4096),
    push_type("pushtotalk",   ".voip-ptt",               4096),
    push_type("voip",         ".voip",                   5120),
    push_type("widgets",      ".push-type.widgets",      4096),
];

impl PushType {
    pub(crate) fn parse(name: &str) -> Option<&'static PushType> {
        PUSH_TYPES.iter().find(|known| known.name == name)
    }
}
