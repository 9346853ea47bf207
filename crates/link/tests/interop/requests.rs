//! Requests of every kind, and what their answers have to be.

use std::sync::Arc;

use bytes::Bytes;
use fanfare_link::{Request, Response};
use fanfare_types::Head;
use http::uri::{Authority, PathAndQuery};
use http::{HeaderName, HeaderValue};

const BODY_BYTES: [usize; 4] = [0, 200, 3_000, 20_000];

const TOKEN: &str = "bearer eyJhbGciOiJFUzI1NiIsImtpZCI6IkFCQyJ9.eyJpc3MiOiJURUFNIn0.c2lnbmF0dXJl";

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mix {
    /// Echoes, early hints, trailers, 404s.
    Everything,
    /// The same, and one that makes the server go away.
    GoAway,
    /// The server repeats the body, and says no more.
    BodiesOnly,
    /// The server answers 404 with a page of its own.
    NoSuchFile,
}

/// The requests of a run.
pub(crate) struct Plan {
    pub(crate) requests: u32,
    mix: Mix,
    kinds: Vec<(&'static str, Arc<Head>)>,
}

impl Plan {
    pub(crate) fn new(requests: u32, mix: Mix) -> Self {
        let kinds = ["echo", "early", "trailers", "missing", "goaway"];
        let with_head = |(n, kind): (usize, &'static str)| (kind, head(kind, n));
        Plan {
            requests,
            mix,
            kinds: kinds.into_iter().enumerate().map(with_head).collect(),
        }
    }

    pub(crate) fn keys(&self) -> Vec<u32> {
        (0..self.requests).collect()
    }

    pub(crate) fn request(&self, key: u32) -> Request {
        let (_, head) = self.kind(key);
        // Every tenth has nothing of its own, as FCM's have.
        let own = (!is_whole(key)).then(|| {
            let value = HeaderValue::from_str(&id(key)).expect("a value");
            (HeaderName::from_static("apns-id"), value)
        });
        let rest = match is_whole(key) {
            true => String::new(),
            false => key.to_string(),
        };
        Request {
            key,
            request: fanfare_types::Request {
                head: head.clone(),
                rest: rest.into(),
                own,
                body: body(key),
            },
        }
    }

    pub(crate) fn check(&self, key: u32, response: &Response) {
        let (kind, head) = self.kind(key);
        let status = response.status.as_u16();
        if self.mix == Mix::NoSuchFile {
            assert_eq!(status, 404, "{key}");
            assert!(response.body.starts_with(b"<html>"), "{key}");
            return;
        }
        if *kind == "missing" && self.mix != Mix::BodiesOnly {
            assert_eq!(status, 404, "{key}");
            assert_eq!(&response.body[..], br#"{"reason":"BadDeviceToken"}"#);
            return;
        }
        assert_eq!(status, 200, "{key}");
        let mut wanted = Vec::new();
        if self.mix != Mix::BodiesOnly {
            let (rest, id) = match is_whole(key) {
                true => (String::new(), "-".to_owned()),
                false => (key.to_string(), id(key)),
            };
            let of_head = |name: &str| {
                let mut fields = head.fields().iter();
                let field = fields.find(|(known, _)| known == name);
                field.map_or("-", |(_, value)| value.to_str().expect("text"))
            };
            let (topic, expiration) = (of_head("apns-topic"), of_head("apns-expiration"));
            let path = head.path().as_str();
            let line = format!("{path}{rest} {topic} {expiration} {id} {TOKEN}\n");
            wanted.extend(line.into_bytes());
        }
        wanted.extend(body(key));
        assert!(
            response.body == wanted,
            "{key} {kind}: {} bytes for {}: {:?}",
            response.body.len(),
            wanted.len(),
            String::from_utf8_lossy(&response.body[..response.body.len().min(200)])
        );
    }

    fn kind(&self, key: u32) -> &(&'static str, Arc<Head>) {
        let place = match key % 10 {
            _ if self.mix == Mix::GoAway && key == self.requests / 3 => 4,
            1 => 1,
            3 => 2,
            6 | 7 => 3,
            _ => 0,
        };
        &self.kinds[place]
    }
}

fn head(kind: &str, n: usize) -> Arc<Head> {
    let mut expiration = HeaderValue::from_str(&(1_700_000_000 + n).to_string()).expect("digits");
    expiration.set_sensitive(true);
    let mut token = HeaderValue::from_static(TOKEN);
    token.set_sensitive(true);
    Arc::new(Head::new(
        Authority::from_static("localhost"),
        PathAndQuery::try_from(format!("/{kind}/")).expect("a path"),
        vec![
            (
                HeaderName::from_static("apns-topic"),
                HeaderValue::from_static("com.example.shop"),
            ),
            (HeaderName::from_static("apns-expiration"), expiration),
        ],
        Some(token),
    ))
}

fn is_whole(key: u32) -> bool {
    key % 10 == 9
}

fn id(key: u32) -> String {
    format!("0190f0d0-0000-7000-8000-{key:012}")
}

fn body(key: u32) -> Bytes {
    let bytes = BODY_BYTES[(key / 10) as usize % BODY_BYTES.len()];
    (0..bytes)
        .map(|n| (key as usize * 31 + n * 7) as u8)
        .collect()
}
