//! Request bodies: each is taken or refused in the API's own words, a refusal repeats no value, and what is taken can
//! be sent.
//!
//! An input is `POST /v1/notifications` (any method and path) and the body behind that line.

use std::sync::Arc;

use bytes::Bytes;
use fanfare_actors::notifications::NewNotification;
use fanfare_ingress::fuzzing::NOW;
use fanfare_providers::{Codec, apns, fcm};
use fanfare_types::filter::Field;
use fanfare_types::{
    Address, AddressKind, Budget, Channel, Counts, Delivery, Environment, Hold, Live,
    NotificationId, Permits, Progress, Slot,
};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri};
use serde_json::Value;

use crate::{campaigns, door};

/// Values of this length are long enough not to be in an answer by chance.
const TELLING_CHARS: usize = 12;

/// See the module.
pub fn run(input: &[u8]) {
    let _ = status(input);
}

/// As [`run`]; gives the answer's status, unless the first line is no request.
pub fn status(input: &[u8]) -> Option<StatusCode> {
    let (line, body) = match input.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&input[..end], &input[end + 1..]),
        None => (input, &[][..]),
    };
    let line = String::from_utf8_lossy(line);
    let (method, path) = line.split_once(' ')?;
    let method = Method::from_bytes(method.as_bytes()).ok()?;
    let path: Uri = path.parse().ok()?;
    let mut headers = HeaderMap::new();
    headers.insert(
        http::header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    let is_user = ["/v1/devices", "/api/"]
        .iter()
        .any(|start| path.path().starts_with(start));
    match is_user {
        true => door::bearer(&mut headers, &door::user()),
        false => door::bearer(&mut headers, door::SERVICE_KEY),
    }
    door::with(|door| {
        let answer = door::ask(door, method, path, headers, body.to_vec());
        door::check(&answer);
        if answer.status().is_client_error() {
            repeats_nothing(&answer, body);
        }
        for campaign in door.campaigns() {
            campaigns::holds(door, campaign, &answer);
        }
        for new in door.accepted() {
            encodes(new);
        }
        Some(answer.status())
    })
}

/// No text of the body is in the refusal; names of members may be.
fn repeats_nothing(answer: &Response<Bytes>, body: &[u8]) {
    let Ok(body) = serde_json::from_slice::<Value>(body) else {
        return;
    };
    let answer = String::from_utf8_lossy(answer.body());
    let mut texts = Vec::new();
    let mut names = String::new();
    gather(&body, &mut texts, &mut names);
    for text in texts {
        // A word of ours may be told in a list of those that may be said.
        let is_ours = Field::parse(text).is_some();
        let telling = text.chars().count() >= TELLING_CHARS && !names.contains(text) && !is_ours;
        assert!(
            !telling || !answer.contains(text),
            "a value in a refusal: {answer}"
        );
    }
}

fn gather<'v>(value: &'v Value, texts: &mut Vec<&'v str>, names: &mut String) {
    match value {
        Value::String(text) => texts.push(text),
        Value::Array(entries) => entries.iter().for_each(|entry| gather(entry, texts, names)),
        Value::Object(members) => {
            for (name, value) in members {
                names.push_str(name);
                names.push('\n');
                gather(value, texts, names);
            }
        }
        _ => {}
    }
}

/// What the door let in, a provider can be given: both encode it, within 4 KiB.
pub(crate) fn encodes(new: NewNotification) {
    let NewNotification {
        app,
        options,
        message,
        variables,
        ..
    } = new;
    encodes_for_all(Live {
        id: NotificationId::new(NOW, 7),
        app,
        created_at: NOW,
        options,
        message: message.into(),
        variables: variables.into(),
        progress: Progress::new(1, Counts::default()),
        run: None,
        hold: Hold::new(Slot::of_shard(0)),
    });
}

/// Both providers' codecs take it.
pub(crate) fn encodes_for_all(live: Live) {
    let live = Arc::new(live);
    let apns = apns::Codec::new("api.push.apple.com", "com.example.shop").expect("a topic");
    let fcm = fcm::Codec::new("fcm.googleapis.com", "shop").expect("a project");
    for (channel, mut codec) in [
        (Channel::IosPush, Codec::Apns(apns)),
        (Channel::Fcm, Codec::Fcm(fcm)),
    ] {
        let request = codec.encode(&delivery(&live, channel), None, NOW);
        let request = request.unwrap_or_else(|reason| panic!("the door let {reason:?} in"));
        let request = request.into_http().expect("a request");
        let is_small = channel == Channel::Fcm || request.body().len() <= 4096;
        assert!(is_small, "{} bytes for APNs", request.body().len());
        assert!(serde_json::from_slice::<Value>(request.body()).is_ok());
        assert!(request.headers().get_all("apns-topic").iter().count() <= 1);
    }
}

fn delivery(live: &Arc<Live>, channel: Channel) -> Delivery {
    let budgets = vec![Budget::new(1)].into();
    let value = "0123456789abcdef".repeat(4);
    let mut permits = Permits::try_take(&budgets, 1).expect("room for one");
    Delivery {
        live: live.clone(),
        ordinal: 0,
        device: None,
        address: Address::new(
            channel,
            AddressKind::RegistrationToken,
            Environment::Production,
            &value,
        ),
        locale: None,
        variables: None,
        registered_at: NOW,
        routed_at: NOW,
        attempts: 0,
        auth_refreshes: 0,
        permit: permits.split().expect("one"),
    }
}
