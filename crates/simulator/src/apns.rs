//! APNs: what Apple documents for `POST /3/device/<token>`, with the documented status and reason for each fault.
//!
//! Source: developer.apple.com, "Sending notification requests to APNs" and "Handling notification responses from APNs".
//! Where no reason is documented (a body that is no JSON object, a scheme that is not https) the nearest one is taken.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use crate::apns_token::{Memory, Verifier};
use crate::books::{format_uuid, parse_uuid};
use crate::config::Config;
use crate::reply::{Answer, Call, Facts, now_ms};
use crate::rules::{Code, Reply, lot, starts_with};
use crate::server::Judge;
use crate::{Provider, SimulatorError};

const PATH: &str = "/3/device/";
const COLLAPSE_MAX: usize = 64;
const PAYLOAD_MAX: usize = 4096;
const VOIP_PAYLOAD_MAX: usize = 5120;
/// Tokens are of variable length; these are the lengths seen, in hexadecimal digits.
const TOKEN_DIGITS: std::ops::RangeInclusive<usize> = 64..=200;

/// Push types and the suffix that each adds to the bundle id.
const PUSH_TYPES: [(&str, &str); 11] = [
    ("alert", ""),
    ("background", ""),
    ("controls", ".push-type.controls"),
    ("complication", ".complication"),
    ("fileprovider", ".pushkit.fileprovider"),
    ("liveactivity", ".push-type.liveactivity"),
    ("location", ".location-query"),
    ("mdm", ""),
    ("pushtotalk", ".voip-ptt"),
    ("voip", ".voip"),
    ("widgets", ".push-type.widgets"),
];

/// Headers that may come once only.
const ONCE: [&str; 7] = [
    "authorization",
    "apns-id",
    "apns-push-type",
    "apns-topic",
    "apns-priority",
    "apns-expiration",
    "apns-collapse-id",
];

type Fault = (StatusCode, &'static str);

const fn bad(reason: &'static str) -> Fault {
    (StatusCode::BAD_REQUEST, reason)
}

/// Judges pushes.
pub(crate) struct Apns {
    verifier: Verifier,
    topics: Vec<String>,
    max_streams: u32,
    dead_prefix: Option<String>,
    ids: AtomicU64,
    seed: u64,
}

impl Apns {
    pub(crate) fn new(config: &Config) -> Result<Self, SimulatorError> {
        let mut seed = [0; 8];
        aws_lc_rs::rand::fill(&mut seed).map_err(SimulatorError::material)?;
        Ok(Self {
            verifier: Verifier::new(&config.apns)?,
            topics: config.apns.topics.clone(),
            max_streams: config.apns.max_streams,
            dead_prefix: config.dead_prefix.clone(),
            ids: AtomicU64::new(0),
            seed: u64::from_ne_bytes(seed),
        })
    }

    /// A version 4 UUID.
    fn new_id(&self) -> u128 {
        let count = self.ids.fetch_add(2, Ordering::Relaxed);
        let random =
            u128::from(lot(self.seed, count)) << 64 | u128::from(lot(self.seed, count + 1));
        random & !(0xF << 76 | 0b11 << 62) | 4 << 76 | 0b10 << 62
    }

    fn check(&self, memory: &mut Memory, call: &Call, token: &str) -> Result<(), Fault> {
        let headers = &call.parts.headers;
        if call.parts.uri.scheme_str() != Some("https") || !call.parts.uri.path().starts_with(PATH)
        {
            return Err((StatusCode::NOT_FOUND, "BadPath"));
        }
        if call.parts.method != Method::POST {
            return Err((StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed"));
        }
        if ONCE
            .iter()
            .any(|name| headers.get_all(*name).iter().nth(1).is_some())
        {
            return Err(bad("DuplicateHeaders"));
        }
        self.verifier.admit(memory, headers.get("authorization"))?;
        if headers
            .get("apns-id")
            .is_some_and(|id| text(id).and_then(parse_uuid).is_none())
        {
            return Err(bad("BadMessageId"));
        }
        let push_type = push_type(headers)?;
        self.check_topic(memory, headers, push_type)?;
        check_delivery(headers, push_type)?;
        check_payload(call, push_type)?;
        self.check_token(token)
    }

    fn check_topic(
        &self,
        memory: &Memory,
        headers: &HeaderMap,
        push_type: Option<usize>,
    ) -> Result<(), Fault> {
        let Some(topic) = headers.get("apns-topic") else {
            // With a certificate the topic is in it.
            return if memory.certificate {
                Ok(())
            } else {
                Err(bad("MissingTopic"))
            };
        };
        let topic = text(topic)
            .filter(|topic| !topic.is_empty())
            .ok_or(bad("BadTopic"))?;
        if self.topics.is_empty() {
            return Ok(());
        }
        let suffix = self
            .topics
            .iter()
            .filter_map(|bundle| topic.strip_prefix(bundle.as_str()));
        let mut known = suffix
            .filter(|suffix| PUSH_TYPES.iter().any(|(_, of_type)| of_type == suffix))
            .peekable();
        if known.peek().is_none() {
            return Err(bad("TopicDisallowed"));
        }
        match push_type {
            Some(index) if !known.any(|suffix| suffix == PUSH_TYPES[index].1) => {
                Err(bad("BadTopic"))
            }
            _ => Ok(()),
        }
    }

    fn check_token(&self, token: &str) -> Result<(), Fault> {
        if token.is_empty() {
            return Err(bad("MissingDeviceToken"));
        }
        let hexadecimal =
            token.bytes().all(|byte| byte.is_ascii_hexdigit()) && token.len().is_multiple_of(2);
        if !hexadecimal || !TOKEN_DIGITS.contains(&token.len()) {
            return Err(bad("BadDeviceToken"));
        }
        match &self.dead_prefix {
            Some(prefix) if starts_with(token, prefix) => Err((StatusCode::GONE, "Unregistered")),
            _ => Ok(()),
        }
    }
}

fn text(value: &HeaderValue) -> Option<&str> {
    value.to_str().ok()
}

fn push_type(headers: &HeaderMap) -> Result<Option<usize>, Fault> {
    let Some(value) = headers.get("apns-push-type") else {
        return Ok(None);
    };
    let found = PUSH_TYPES
        .iter()
        .position(|(name, _)| name.as_bytes() == value.as_bytes());
    found.map(Some).ok_or(bad("InvalidPushType"))
}

fn is(push_type: Option<usize>, name: &str) -> bool {
    push_type.is_some_and(|index| PUSH_TYPES[index].0 == name)
}

fn check_delivery(headers: &HeaderMap, push_type: Option<usize>) -> Result<(), Fault> {
    // Absent means 10.
    let priority = headers
        .get("apns-priority")
        .map_or(b"10".as_slice(), HeaderValue::as_bytes);
    if ![b"10".as_slice(), b"5", b"1"].contains(&priority)
        || is(push_type, "background") && priority != b"5"
    {
        return Err(bad("BadPriority"));
    }
    let expiration = headers.get("apns-expiration");
    if expiration.is_some_and(|value| {
        text(value)
            .and_then(|text| text.parse::<u64>().ok())
            .is_none()
    }) {
        return Err(bad("BadExpirationDate"));
    }
    let collapse = headers.get("apns-collapse-id");
    if collapse.is_some_and(|value| value.is_empty() || value.len() > COLLAPSE_MAX) {
        return Err(bad("BadCollapseId"));
    }
    Ok(())
}

fn check_payload(call: &Call, push_type: Option<usize>) -> Result<(), Fault> {
    let most = if is(push_type, "voip") {
        VOIP_PAYLOAD_MAX
    } else {
        PAYLOAD_MAX
    };
    if call.size > most {
        return Err((StatusCode::PAYLOAD_TOO_LARGE, "PayloadTooLarge"));
    }
    let object = call.body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
    if !object || serde_json::from_slice::<serde::de::IgnoredAny>(&call.body).is_err() {
        return Err(bad("PayloadEmpty"));
    }
    Ok(())
}

fn answer(
    status: StatusCode,
    reason: Cow<'static, str>,
    body: impl Into<Bytes>,
    facts: &Facts<'_>,
) -> Answer {
    let mut answer = Answer::new(status, reason, body);
    with_id(&mut answer, facts);
    answer
}

fn with_id(answer: &mut Answer, facts: &Facts<'_>) {
    let id = facts
        .apns_id
        .map(format_uuid)
        .and_then(|id| HeaderValue::try_from(id).ok());
    if let Some(id) = id {
        answer.headers.insert("apns-id", id);
    }
}

impl Judge for Apns {
    const PROVIDER: Provider = Provider::Apns;
    const TOO_MANY_STREAMS: (Code, &'static str) =
        (Code::ProtocolError, "Maximum active streams violated");
    type Memory = Memory;

    fn connect(&self, certificate: bool) -> Memory {
        Memory::new(certificate)
    }

    /// One until a valid token was seen (Apple, "Establishing a connection to APNs").
    fn streams(&self, memory: &Memory) -> u32 {
        if memory.known() { self.max_streams } else { 1 }
    }

    fn facts<'a>(&self, call: &'a Call) -> Facts<'a> {
        let headers = &call.parts.headers;
        let header = |name: &str| headers.get(name).and_then(text);
        Facts {
            address: Cow::Borrowed(call.parts.uri.path().strip_prefix(PATH).unwrap_or_default()),
            apns_id: match headers.get("apns-id") {
                Some(id) => text(id).and_then(parse_uuid),
                None => Some(self.new_id()),
            },
            collapse: header("apns-collapse-id"),
            expiration: header("apns-expiration").and_then(|value| value.parse().ok()),
            priority: header("apns-priority").and_then(|value| value.parse().ok()),
        }
    }

    fn judge(&self, memory: &mut Memory, call: &Call, facts: &Facts<'_>) -> Answer {
        match self.check(memory, call, &facts.address) {
            Ok(()) => answer(StatusCode::OK, Cow::Borrowed(""), Bytes::new(), facts),
            Err((StatusCode::GONE, reason)) => {
                let body = format!(r#"{{"reason":"{reason}","timestamp":{}}}"#, now_ms());
                answer(StatusCode::GONE, Cow::Borrowed(reason), body, facts)
            }
            Err((status, reason)) => answer(
                status,
                Cow::Borrowed(reason),
                format!(r#"{{"reason":"{reason}"}}"#),
                facts,
            ),
        }
    }

    fn scripted(&self, reply: &Reply, facts: &Facts<'_>) -> Answer {
        let mut answer = Answer::scripted(reply, |status, reason| {
            let mut body = serde_json::Map::new();
            if !reason.is_empty() {
                body.insert("reason".into(), reason.into());
            }
            if let Some(timestamp) = reply.timestamp {
                body.insert("timestamp".into(), timestamp.value().into());
            }
            if body.is_empty() && status == StatusCode::OK {
                return String::new();
            }
            serde_json::Value::Object(body).to_string()
        });
        if !answer.headers.contains_key("apns-id") {
            with_id(&mut answer, facts);
        }
        answer
    }
}
