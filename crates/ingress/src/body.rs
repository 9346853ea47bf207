//! Reading a JSON body (or a form): its media type, its size, and the room it takes while it is read and handled.

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, EXPECT};
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use tokio::sync::OwnedSemaphorePermit;

use crate::api::Shared;
use crate::auth;
use crate::json;
use crate::problem::Problem;

/// How much of a body that is refused is read and thrown away, so that its sender reads the 413 instead of a
/// broken connection. A sender of more sees its connection closed.
const DISCARDED_BYTES_MAX: usize = 32 << 20;

/// A request's JSON body. The room it takes is given back on drop.
#[derive(Debug)]
pub(crate) struct Json {
    pub(crate) value: Value,
    _room: Option<OwnedSemaphorePermit>,
}

impl FromRequest<Shared> for Json {
    type Rejection = Problem;

    async fn from_request(request: Request, api: &Shared) -> Result<Self, Problem> {
        let (text, room) = whole(request, api, media_type).await?;
        Ok(Json {
            value: json::parse(&text)?,
            _room: room,
        })
    }
}

/// A body that may be a form as well as JSON. A foreign web page can send a form with the user's cookie, so this is
/// for requests that change nothing. The room it takes is given back on drop.
#[derive(Debug)]
pub(crate) struct JsonOrForm {
    pub(crate) content: Content,
    _room: Option<OwnedSemaphorePermit>,
}

#[derive(Debug)]
pub(crate) enum Content {
    Json(Value),
    /// Names and values, `application/x-www-form-urlencoded`.
    Form(Vec<u8>),
}

impl FromRequest<Shared> for JsonOrForm {
    type Rejection = Problem;

    async fn from_request(request: Request, api: &Shared) -> Result<Self, Problem> {
        let is_form = essence(request.headers()).eq_ignore_ascii_case(FORM);
        let check: fn(&HeaderMap) -> _ = match is_form {
            true => |_| Ok(()),
            false => media_type,
        };
        let (text, room) = whole(request, api, check).await?;
        // No form begins so: JSON of a client (curl's `-d`) that did not say what it is.
        let is_json = text.trim_ascii_start().starts_with(b"{");
        let content = match is_form && !is_json {
            true => Content::Form(text),
            false => Content::Json(json::parse(&text)?),
        };
        Ok(JsonOrForm {
            content,
            _room: room,
        })
    }
}

const FORM: &str = "application/x-www-form-urlencoded";

/// The whole body, once its head has passed `check`, and the room it takes.
async fn whole(
    request: Request,
    api: &Shared,
    check: fn(&HeaderMap) -> Result<(), Problem>,
) -> Result<(Vec<u8>, Option<OwnedSemaphorePermit>), Problem> {
    let (parts, body) = request.into_parts();
    let reader = Reader {
        api,
        body,
        read: Vec::new(),
        room: None,
    };
    let is_over = |announced| announced > api.now().config.body_bytes_max;
    if announced(&parts.headers).is_some_and(is_over) {
        let waits = parts.headers.contains_key(EXPECT);
        return Err(reader.too_large(waits).await);
    }
    check(&parts.headers)?;
    reader.read().await
}

/// Another type could be sent by a web page of any origin without asking (a form's types need no CORS preflight),
/// and the user's cookie would come along. A bearer credential does not come along by itself: with one, the body is
/// read as JSON whatever it is said to be.
fn media_type(headers: &HeaderMap) -> Result<(), Problem> {
    if auth::is_bearer(headers) {
        return Ok(());
    }
    let essence = essence(headers);
    let taken = ["application/json", "application/merge-patch+json"];
    if taken
        .iter()
        .any(|taken| essence.eq_ignore_ascii_case(taken))
    {
        Ok(())
    } else {
        Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            "with a cookie, the body must say that it is JSON: `Content-Type: application/json`",
        ))
    }
}

/// The media type without its parameters; empty when there is none.
pub(crate) fn essence(headers: &HeaderMap) -> &str {
    let given = headers.get(CONTENT_TYPE);
    let given = given.and_then(|value| value.to_str().ok());
    let essence = given.unwrap_or_default().split(';').next();
    essence.unwrap_or_default().trim()
}

fn announced(headers: &HeaderMap) -> Option<usize> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The next data of a body; trailers are passed over.
pub(crate) async fn chunk(body: &mut Body) -> Result<Option<Bytes>, Problem> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| {
            Problem::malformed("body_unreadable", "the body broke off before its end")
        })?;
        if let Ok(data) = frame.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

/// Reads and throws away what is left of a body, within bounds.
pub(crate) async fn discard(body: &mut Body) {
    let mut discarded = 0;
    while discarded < DISCARDED_BYTES_MAX {
        match chunk(body).await {
            Ok(Some(chunk)) => discarded += chunk.len(),
            _ => break,
        }
    }
}

struct Reader<'a> {
    api: &'a Shared,
    body: Body,
    read: Vec<u8>,
    room: Option<OwnedSemaphorePermit>,
}

impl Reader<'_> {
    /// The whole body, and the room it takes.
    async fn read(mut self) -> Result<(Vec<u8>, Option<OwnedSemaphorePermit>), Problem> {
        while let Some(chunk) = chunk(&mut self.body).await? {
            let length = self.read.len() + chunk.len();
            if length > self.api.now().config.body_bytes_max {
                return Err(self.too_large(false).await);
            }
            self.reserve(length)?;
            self.read.extend_from_slice(&chunk);
        }
        Ok((self.read, self.room))
    }

    /// Makes sure there is room for `bytes` in all. Taken for what has come, never for what was announced.
    fn reserve(&mut self, bytes: usize) -> Result<(), Problem> {
        let held = self
            .room
            .as_ref()
            .map_or(0, OwnedSemaphorePermit::num_permits);
        let more = u32::try_from(bytes.saturating_sub(held)).unwrap_or(u32::MAX);
        if more == 0 {
            return Ok(());
        }
        let room = self.api.bodies.clone().try_acquire_many_owned(more);
        let room = room.map_err(|_| {
            Problem::unavailable(
                "overloaded",
                "the gateway reads as many requests as it can now",
            )
        })?;
        match &mut self.room {
            Some(held) => held.merge(room),
            None => self.room = Some(room),
        }
        Ok(())
    }

    /// The answer to a body over the limit. A sender that waits for `100 Continue` has not sent it yet.
    async fn too_large(mut self, waits: bool) -> Problem {
        self.read = Vec::new();
        self.room = None;
        if !waits {
            discard(&mut self.body).await;
        }
        let limit = self.api.now().config.body_bytes_max;
        Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body_too_large",
            format!("the body may have {limit} bytes at most"),
        )
    }
}
