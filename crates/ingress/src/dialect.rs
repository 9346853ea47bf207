//! The dialects of the contracts: what went wrong is a [`Problem`] in every room, and is worded at the edge in the
//! shape that clients of the path's contract know. So what shared layers answer (no such route, a body that cannot
//! be read, a limit, a timeout) comes in that shape, too.

use axum::body::Body;
use axum::response::Response;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use serde_json::Value;

use crate::problem::Problem;
use crate::{device_token, reserva, ring};

/// A problem in the words of one contract: the status it has there, and its body.
pub(crate) type Wording = fn(&Problem) -> (StatusCode, Value);

/// The paths of each contract that has a shape of its own; anything else is answered with problem documents.
const DIALECTS: [(&str, Wording); 3] = [
    (ring::ROOT, ring::worded),
    (reserva::ROOT, reserva::worded),
    (device_token::ROOT, device_token::worded),
];

/// The answer as clients of this path know it.
pub(crate) fn spoken(path: &str, mut response: Response) -> Response {
    let Some(problem) = response.extensions_mut().remove::<Problem>() else {
        return response;
    };
    let Some(wording) = wording(path) else {
        return response;
    };
    let (status, body) = wording(&problem);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.remove(CONTENT_LENGTH);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.map(|_| Body::from(body.to_string()))
}

fn wording(path: &str) -> Option<Wording> {
    let speaks = |(root, _): &&(&str, Wording)| {
        let (head, rest) = path.split_at_checked(root.len()).unwrap_or((path, ""));
        head.eq_ignore_ascii_case(root) && (rest.is_empty() || rest.starts_with('/'))
    };
    DIALECTS.iter().find(speaks).map(|(_, wording)| *wording)
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;

    use super::*;

    fn told(path: &str) -> Option<String> {
        let problem = Problem::not_found("no_such_route", "there is nothing at this path");
        let response = spoken(path, problem.into_response());
        let media_type = response.headers()[CONTENT_TYPE]
            .to_str()
            .unwrap()
            .to_owned();
        (media_type == "application/json").then_some(media_type)
    }

    #[test]
    fn a_contract_answers_for_its_root_and_all_below_it() {
        for path in [
            "/api/v1/devices",
            "/api/v1/devices/a/b/c",
            "/api/v1/DeviceToken/Nothing",
            "/api/v1/devicetoken",
            "/api/notifications/fcm/register",
            "/api/notifications/fcm/register/x",
        ] {
            assert!(told(path).is_some(), "{path}");
        }
        for path in ["/v1/devices", "/api/v1/devicesque", "/api/v1", "/", "/ä"] {
            assert!(told(path).is_none(), "{path}");
        }
    }
}
