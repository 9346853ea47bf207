//! Headers: those of a request (credentials, cookies, media type, idempotency key), and those that a message may set
//! for APNs.
//!
//! An input is header lines, an empty line, and a JSON value for `message.apns.headers`.

use fanfare_ingress::fuzzing::Door;
use http::{HeaderMap, Method, StatusCode, Uri};

use crate::{bodies, door};

/// See the module.
pub fn run(input: &[u8]) {
    let (lines, wanted) = crate::head_and_body(input);
    let headers = crate::headers_in(&lines);
    let has_key = lines
        .iter()
        .any(|line| contains(line, door::SERVICE_KEY.as_bytes()));
    door::with(|door| {
        let answer = send(door, headers.clone(), br#"{"title":"hi"}"#.to_vec());
        assert!(
            has_key || answer == StatusCode::UNAUTHORIZED || answer == StatusCode::FORBIDDEN,
            "without the key: {answer}"
        );
        let mut headers = headers;
        door::bearer(&mut headers, door::SERVICE_KEY);
        let mut message = br#"{"title":"hi","apns":{"headers":"#.to_vec();
        message.extend_from_slice(wanted);
        message.extend_from_slice(b"}}");
        send(door, headers, message);
    });
}

fn send(door: &Door, headers: HeaderMap, message: Vec<u8>) -> StatusCode {
    let mut body = br#"{"to":{"users":["ada"]},"message":"#.to_vec();
    body.extend(message);
    body.push(b'}');
    let path = Uri::from_static("/v1/notifications");
    let answer = door::ask(door, Method::POST, path, headers, body);
    door::check(&answer);
    for new in door.accepted() {
        bodies::encodes(new);
    }
    answer.status()
}

fn contains(line: &[u8], piece: &[u8]) -> bool {
    line.windows(piece.len()).any(|window| window == piece)
}
