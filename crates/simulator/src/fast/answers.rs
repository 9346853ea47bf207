//! The answers of the fast mode: 200, or 404 for a path that is none.

use super::frames::{END_HEADERS, HEADERS, put};
use crate::Provider;

/// `:status: 200` and `:status: 404` of the static table.
const OK: u8 = 0x88;
const NOT_FOUND: u8 = 0x8D;

/// `content-type: application/json`, never kept by the client.
const JSON: &[u8] = b"\x0f\x10\x10application/json";

/// What is answered to a request.
pub(super) struct Answer {
    pub(super) is_accepted: bool,
    /// FCM: the body, to be sent as the client's window allows.
    pub(super) body: Option<Vec<u8>>,
}

/// Appends the HEADERS of an answer.
pub(super) fn answer(
    provider: Provider,
    stream: u32,
    path: &[u8],
    apns_id: &str,
    number: u64,
    out: &mut Vec<u8>,
) -> Answer {
    let mut block = Vec::with_capacity(64);
    let project = match provider {
        Provider::Apns => path.starts_with(b"/3/device/").then_some(&b""[..]),
        _ => path
            .strip_prefix(b"/v1/projects/")
            .and_then(|rest| rest.strip_suffix(b"/messages:send")),
    };
    let is_accepted = project.is_some();
    block.push(if is_accepted { OK } else { NOT_FOUND });
    let body = match (provider, project) {
        (Provider::Apns, Some(_)) => {
            // A literal that is never kept, name and value plain.
            block.extend_from_slice(b"\x00\x07apns-id\x24");
            block.extend_from_slice(apns_id.as_bytes());
            None
        }
        (Provider::Apns, None) => Some(br#"{"reason":"BadPath"}"#.to_vec()),
        (_, Some(project)) => {
            block.extend_from_slice(JSON);
            let project = String::from_utf8_lossy(project);
            Some(
                format!("{{\"name\":\"projects/{project}/messages/0:{number:016x}\"}}")
                    .into_bytes(),
            )
        }
        (_, None) => Some(b"{}".to_vec()),
    };
    let end = if body.is_none() {
        super::frames::END_STREAM
    } else {
        0
    };
    put(out, HEADERS, END_HEADERS | end, stream, &block);
    Answer { is_accepted, body }
}
