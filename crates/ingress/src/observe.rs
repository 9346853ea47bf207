//! What happens around every request: an id, a place, a time limit, and its metrics.

use std::panic::AssertUnwindSafe;
use std::time::Instant;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use http::header::CONNECTION;
use http::{HeaderName, HeaderValue, StatusCode, Version};

use crate::api::Shared;
use crate::campaigns;
use crate::dialect;
use crate::operations;
use crate::problem::Problem;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longest id taken from a caller, in bytes; a longer one is replaced.
const REQUEST_ID_BYTES_MAX: usize = 64;

/// What counts as the route of a path that is none.
const NO_ROUTE: &str = "none";

pub(crate) fn layers(router: Router<Shared>, api: Shared) -> Router<Shared> {
    router.layer(middleware::from_fn_with_state(api, around))
}

async fn around(State(api): State<Shared>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = request_id(&request);
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or(NO_ROUTE, MatchedPath::as_str);
    let path = request.uri().path().to_owned();
    let refuses = api.rooms.is_draining() && !operations::is_operation(route);
    let mut response = match refuses {
        true => refused(request.version()),
        false => bounded(&api, route, request, next).await,
    };
    response = dialect::spoken(&path, response);
    let (status, taken) = (response.status().as_u16(), started.elapsed());
    api.telemetry.http(route, method.as_str(), status, taken);
    let millis = u64::try_from(taken.as_millis()).unwrap_or(u64::MAX);
    tracing::debug!(
        request_id = id.to_str().unwrap_or_default(),
        method = method.as_str(),
        route,
        status,
        millis,
        "request answered"
    );
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

/// The gateway drains: the same request finds another one, or its successor.
fn refused(version: Version) -> Response {
    let problem = Problem::unavailable("shutting_down", "this gateway is shutting down");
    let mut response = problem.into_response();
    // HTTP/2 has no such header; its connections get a GOAWAY at the end.
    if version <= Version::HTTP_11 {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
    }
    response
}

/// The answer, or why there is none: no room, out of time, or a bug.
async fn bounded(api: &Shared, route: &str, request: Request, next: Next) -> Response {
    let Ok(_place) = api.requests.try_acquire() else {
        let detail = "the gateway answers as many requests as it can now";
        return Problem::unavailable("overloaded", detail).into_response();
    };
    let answer = AssertUnwindSafe(next.run(request)).catch_unwind();
    let limit = api.now().config.request_timeout;
    let answer = async {
        match route {
            // It bounds its own waits.
            campaigns::UPLOAD => Ok(answer.await),
            _ => tokio::time::timeout(limit, answer).await,
        }
    };
    match answer.await {
        Ok(Ok(response)) => response,
        Ok(Err(_panic)) => {
            tracing::error!("handler panicked");
            let (status, detail) = (StatusCode::INTERNAL_SERVER_ERROR, "a fault of the gateway");
            Problem::new(status, "internal", detail).into_response()
        }
        Err(_) => Problem::timeout().into_response(),
    }
}

/// The caller's own id where it is fit for a log line, else a new one.
fn request_id(request: &Request) -> HeaderValue {
    let fits = |value: &&HeaderValue| {
        let allowed = |b: &u8| b.is_ascii_alphanumeric() || b"-_.:".contains(b);
        (1..=REQUEST_ID_BYTES_MAX).contains(&value.len()) && value.as_bytes().iter().all(allowed)
    };
    let given = request.headers().get(REQUEST_ID).filter(fits).cloned();
    given.unwrap_or_else(|| {
        let mut random = [0; 8];
        // Without randomness the ids are all alike, which costs no more than a worse log.
        aws_lc_rs::rand::fill(&mut random).unwrap_or_default();
        let text = format!("{:016x}", u64::from_be_bytes(random));
        HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static("none"))
    })
}
