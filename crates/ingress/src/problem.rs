//! Problem documents (RFC 9457): every answer that is not a success has this shape, and a stable `code`.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use fanfare_core::campaign::Impossible;
use fanfare_providers::Fault;
use fanfare_types::CampaignState;
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

pub(crate) const MEDIA_TYPE: &str = "application/problem+json";

/// A problem document (RFC 9457). `code` is stable and meant for programs, `detail` for people.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// Always `about:blank`: the problem is named by `code`.
    #[serde(rename = "type")]
    #[schema(example = "about:blank")]
    kind: &'static str,
    /// The name of the HTTP status.
    #[schema(example = "Unprocessable Entity")]
    title: &'static str,
    /// The HTTP status.
    #[schema(example = 422)]
    status: u16,
    /// Stable word for programs.
    #[schema(example = "invalid_request")]
    pub(crate) code: &'static str,
    /// One sentence for people.
    detail: String,
    /// One entry for each fault of the request; empty when the problem is not in a field.
    errors: Vec<FieldFault>,
    /// With `impossible_in_state`: the state that the campaign is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "completed")]
    state: Option<CampaignState>,
    #[serde(skip)]
    retry_after: Option<Duration>,
}

/// What is wrong with one field.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct FieldFault {
    /// Path of the field, as `message.localized.de.title` or `to.users[3]`.
    pub(crate) field: String,
    /// Stable word for programs, as `too_long`.
    pub(crate) code: &'static str,
    /// One sentence for people; never repeats the value.
    pub(crate) detail: String,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Problem {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            code,
            detail: detail.into(),
            errors: Vec::new(),
            state: None,
            retry_after: None,
        }
    }

    /// 400: the body cannot be read at all.
    pub(crate) fn malformed(code: &'static str, detail: impl Into<String>) -> Self {
        Problem::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// The fields with faults, all at once.
    pub(crate) fn invalid(status: StatusCode, faults: Vec<Fault>) -> Self {
        let detail = match faults.len() {
            1 => "one field is invalid".to_owned(),
            count => format!("{count} fields are invalid"),
        };
        let mut problem = Problem::new(status, "invalid_request", detail);
        problem.errors = faults.into_iter().map(FieldFault::from).collect();
        problem
    }

    /// 401; the challenge is added to it.
    pub(crate) fn unauthorized(code: &'static str, detail: &'static str) -> Self {
        Problem::new(StatusCode::UNAUTHORIZED, code, detail)
    }

    pub(crate) fn forbidden(code: &'static str, detail: &'static str) -> Self {
        Problem::new(StatusCode::FORBIDDEN, code, detail)
    }

    pub(crate) fn not_found(code: &'static str, detail: &'static str) -> Self {
        Problem::new(StatusCode::NOT_FOUND, code, detail)
    }

    /// 503: nothing is wrong with the request; the same one may succeed later.
    pub(crate) fn unavailable(code: &'static str, detail: impl Into<String>) -> Self {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, code, detail)
            .retry_after(Duration::from_secs(1))
    }

    /// 503: it took too long.
    pub(crate) fn timeout() -> Self {
        Problem::unavailable("timeout", "no answer in time; the work may still be done")
    }

    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// All of it in one line, for shapes that have room for a text only: the faults with their fields, or the detail.
    pub(crate) fn sentence(&self) -> String {
        self.told(|fault| format!("{}: {}", fault.field, fault.detail))
    }

    /// As [`Problem::sentence`], with each fault in words of the caller's.
    pub(crate) fn told(&self, tell: impl Fn(&FieldFault) -> String) -> String {
        if self.errors.is_empty() {
            return self.detail.clone();
        }
        let faults: Vec<_> = self.errors.iter().map(tell).collect();
        faults.join("; ")
    }

    pub(crate) fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }
}

impl From<Fault> for FieldFault {
    fn from(fault: Fault) -> Self {
        FieldFault {
            field: fault.field,
            code: fault.code,
            detail: fault.detail,
        }
    }
}

/// Whole seconds, rounded up, and at least one: `Retry-After: 0` would be an invitation to a stampede.
fn whole_seconds(after: Duration) -> u64 {
    (after.as_secs() + u64::from(after.subsec_nanos() > 0)).max(1)
}

/// RFC 6750 section 3: without credentials, no error is named.
fn challenge(code: &str) -> HeaderValue {
    HeaderValue::from_static(match code {
        "missing_credentials" => "Bearer realm=\"fanfare\"",
        _ => "Bearer realm=\"fanfare\", error=\"invalid_token\"",
    })
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status();
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if let Some(after) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(whole_seconds(after)));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, challenge(self.code));
        }
        // For the edge, which may have to word it otherwise.
        response.extensions_mut().insert(self);
        response
    }
}

/// What an actor's handle could not do, as the caller may know it. Causes are logged here, once.
impl From<fanfare_actors::Error> for Problem {
    fn from(error: fanfare_actors::Error) -> Self {
        use fanfare_actors::Error;
        match error {
            Error::Refused(refused) => refusal(refused),
            Error::IdempotencyConflict => Problem::new(
                StatusCode::CONFLICT,
                "idempotency_conflict",
                "this Idempotency-Key was used for another request",
            ),
            Error::Impossible(why) => impossible(why),
            Error::Store(cause) => store_failure(&cause),
            Error::Timeout(_) => Problem::timeout(),
            Error::ShuttingDown | Error::Start(_) => {
                Problem::unavailable("shutting_down", "this gateway is shutting down")
            }
            // The door lets only apps of the configuration in.
            Error::UnknownApp => Problem::new(
                StatusCode::NOT_FOUND,
                "unknown_app",
                "there is no such app here",
            ),
            Error::NoSlot => Problem::unavailable(
                "no_slot",
                "this gateway holds no part of the work yet; another one takes it",
            ),
            Error::Untold => Problem::unavailable(
                "untold",
                "it is done, but other gateways could not be told of it yet; ask again",
            ),
            Error::Contended => Problem::unavailable(
                "contended",
                "too many conflicting changes at once; nothing was changed",
            ),
        }
    }
}

/// Why a campaign cannot do what was asked; nothing was changed.
pub(crate) fn impossible(why: Impossible) -> Problem {
    let mut problem = Problem::new(StatusCode::CONFLICT, why.label(), why.to_string());
    if let Impossible::State { from } = why {
        problem.detail = format!("the campaign is {from}, from where this is not possible");
        problem.state = Some(from);
    }
    problem
}

/// The store itself says when it stops and begins to work. Said here once a call, it would fill the disk.
fn store_failure(cause: &fanfare_store::Error) -> Problem {
    let detail = match cause {
        fanfare_store::Error::Row(_) => {
            tracing::error!(%cause, "a row of the store cannot be used");
            return Problem::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                cause.label(),
                "the store holds what cannot be read, or was given what it cannot keep; nothing was changed",
            );
        }
        fanfare_store::Error::Corrupt(_) => {
            "the store is damaged and takes no writes until it is restored; nothing was changed"
        }
        fanfare_store::Error::Unknown(_) => {
            "the store did not say whether the write happened; read back, or repeat it (a notification with the same Idempotency-Key)"
        }
        _ => "the store cannot be used now; nothing was changed",
    };
    Problem::unavailable(cause.label(), detail)
}

fn refusal(refused: fanfare_core::admission::Refused) -> Problem {
    use fanfare_core::admission::Scope;
    let (status, code, detail) = match refused.scope {
        Scope::Gateway => (
            StatusCode::SERVICE_UNAVAILABLE,
            "no_room",
            "the gateway has no room for more deliveries now; nothing was kept",
        ),
        Scope::Lane => (
            StatusCode::SERVICE_UNAVAILABLE,
            "no_room_in_lane",
            "the lane has no room for more deliveries now; nothing was kept",
        ),
        Scope::App => (
            StatusCode::TOO_MANY_REQUESTS,
            "no_room_for_app",
            "as many deliveries are under way for this app as may be; nothing was kept",
        ),
        Scope::TooLarge => {
            return Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "too_many_recipients",
                "more recipients than the gateway can hold at once; send them in parts",
            );
        }
    };
    Problem::new(status, code, detail).retry_after(refused.retry_after)
}

/// Why a change of a user's devices was not made. Changes wait for their user's turn, not for room for deliveries.
pub(crate) fn refused_change(error: fanfare_actors::Error) -> Problem {
    use fanfare_core::admission::Scope;
    let fanfare_actors::Error::Refused(refused) = error else {
        return error.into();
    };
    let (status, code, detail) = match refused.scope {
        Scope::App => (
            StatusCode::TOO_MANY_REQUESTS,
            "no_room_for_user",
            "as many changes of this user's devices wait as may; nothing was changed",
        ),
        Scope::Gateway | Scope::Lane | Scope::TooLarge => (
            StatusCode::SERVICE_UNAVAILABLE,
            "no_room",
            "the devices of as many users as may be are being changed now; nothing was changed",
        ),
    };
    Problem::new(status, code, detail).retry_after(refused.retry_after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_whole_seconds_and_never_zero() {
        assert_eq!(whole_seconds(Duration::ZERO), 1);
        assert_eq!(whole_seconds(Duration::from_millis(1_001)), 2);
        assert_eq!(whole_seconds(Duration::from_secs(7)), 7);
    }

    #[test]
    fn an_app_at_its_share_is_429_and_a_full_gateway_503() {
        use fanfare_core::admission::{Refused, Scope};
        let status = |scope| {
            let refused = Refused {
                scope,
                retry_after: Duration::from_secs(3),
            };
            let response = Problem::from(fanfare_actors::Error::Refused(refused)).into_response();
            let after = response.headers().get(RETRY_AFTER).cloned();
            (response.status().as_u16(), after)
        };
        let after = Some(HeaderValue::from_static("3"));
        assert_eq!(status(Scope::App), (429, after.clone()));
        assert_eq!(status(Scope::Gateway), (503, after.clone()));
        assert_eq!(status(Scope::Lane), (503, after));
        assert_eq!(status(Scope::TooLarge), (422, None));
    }
}
