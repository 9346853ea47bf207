//! The two routes.

use std::sync::Arc;

use axum::extract::{FromRequestParts, State};
use fanfare_providers::Fault;
use http::StatusCode;
use http::request::Parts;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::body::{self, RegisterDoc, UnregisterDoc};
use super::problem::{Done, RingError};
use crate::api::Shared;
use crate::auth::{self, Claims, User};
use crate::body::Json;
use crate::config::{AppDoor, Contract};
use crate::problem::{self, Problem};

pub(crate) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::default().routes(routes!(register, unregister))
}

/// The user whose session it is.
struct Session {
    app: Arc<AppDoor>,
    claims: Claims,
}

impl FromRequestParts<Shared> for Session {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Shared) -> Result<Self, Problem> {
        let User { app, claims } = auth::user(parts, api, Contract::Ring).await?;
        Ok(Session { app, claims })
    }
}

/// As [`Session`], and the request counts towards the user's limit, whatever becomes of it.
struct Counted(Session);

impl FromRequestParts<Shared> for Counted {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Shared) -> Result<Self, Problem> {
        let session = Session::from_request_parts(parts, api).await?;
        let now = api.clock.now();
        api.now()
            .ring
            .ask(&session.app.id, &session.claims.id, now)?;
        Ok(Counted(session))
    }
}

type Answer = Result<axum::Json<Done>, Problem>;

/// Register an FCM token, or refresh it.
///
/// The row is the caller's row of this fingerprint. A user may register so many times within any minute
/// (`apps.ring.registrations_per_minute`).
#[utoipa::path(post, path = "/api/notifications/fcm/register", tag = "Ring", operation_id = "ring_register",
    request_body = RegisterDoc,
    responses(
        (status = 200, description = "Registered, and durable.", body = Done),
        (status = 400, description = "Not JSON, or not valid: every fault is named.", body = RingError),
        (status = 401, description = "No session, or one that does not hold.", body = RingError),
        (status = 404, description = "This app does not serve the contract.", body = RingError),
        (status = 413, description = "The body is too large.", body = RingError),
        (status = 415, description = "The credential is a cookie, and the body is not declared as JSON.", body = RingError),
        (status = 429, description = "Rate limit exceeded; `Retry-After` says when to come back.", body = RingError),
        (status = 500, description = "A fault of the gateway.", body = RingError),
        (status = 503, description = "Not now; `Retry-After` says when.", body = RingError),
    ), security(("user_jwt" = []), ("user_cookie" = [])))]
async fn register(
    State(api): State<Shared>,
    Counted(Session { app, claims }): Counted,
    body: Json,
) -> Answer {
    let command = body::register(body.value, claims.tenant).map_err(invalid)?;
    let registered = api.rooms.register(&app.id, &claims.id, command).await;
    registered.map_err(problem::refused_change)?;
    Ok(axum::Json(Done::new()))
}

/// Unregister a device: it gets no more pushes.
///
/// Its row becomes `invalid`. Idempotent: 200 as well for a fingerprint that is not there.
#[utoipa::path(delete, path = "/api/notifications/fcm/register", tag = "Ring", operation_id = "ring_unregister",
    request_body = UnregisterDoc,
    responses(
        (status = 200, description = "No push goes there any more.", body = Done),
        (status = 400, description = "Not JSON, or not valid.", body = RingError),
        (status = 401, description = "No session, or one that does not hold.", body = RingError),
        (status = 404, description = "This app does not serve the contract.", body = RingError),
        (status = 413, description = "The body is too large.", body = RingError),
        (status = 415, description = "The credential is a cookie, and the body is not declared as JSON.", body = RingError),
        (status = 429, description = "As many changes of this user's devices wait as may.", body = RingError),
        (status = 500, description = "A fault of the gateway.", body = RingError),
        (status = 503, description = "Not now; `Retry-After` says when.", body = RingError),
    ), security(("user_jwt" = []), ("user_cookie" = [])))]
async fn unregister(
    State(api): State<Shared>,
    Session { app, claims }: Session,
    body: Json,
) -> Answer {
    let fingerprint = body::unregister(body.value).map_err(invalid)?;
    let unregistered = api
        .rooms
        .unregister(&app.id, &claims.id, &fingerprint)
        .await;
    unregistered.map_err(problem::refused_change)?;
    Ok(axum::Json(Done::new()))
}

fn invalid(faults: Vec<Fault>) -> Problem {
    Problem::invalid(StatusCode::BAD_REQUEST, faults)
}
