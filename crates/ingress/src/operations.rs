//! Operations: is it alive, is it ready, what does it count, what is its API.

use std::sync::LazyLock;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::Shared;
use crate::auth::Service;
use crate::openapi;
use crate::problem::Problem;

/// Whether a route is one of [`routes`]: they answer while the gateway drains.
pub(crate) fn is_operation(route: &str) -> bool {
    ["/healthz", "/readyz", "/metrics"].contains(&route)
}

/// Served on the admin address, or with the API when there is none.
pub(crate) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::default()
        .routes(routes!(healthz))
        .routes(routes!(readyz))
        .routes(routes!(metrics))
}

/// Served with the API.
pub(crate) fn public() -> OpenApiRouter<Shared> {
    OpenApiRouter::default()
        .routes(routes!(stats))
        .routes(routes!(document))
}

/// The process answers.
#[derive(Serialize, ToSchema)]
pub(crate) struct Health {
    #[schema(example = "ok")]
    status: &'static str,
}

/// Whether traffic should come here.
#[derive(Serialize, ToSchema)]
pub(crate) struct Readiness {
    pub(crate) ready: bool,
    /// Why not; empty when ready.
    pub(crate) reasons: Vec<String>,
}

/// Is the process alive?
#[utoipa::path(get, path = "/healthz", tag = "Operations", operation_id = "healthz",
    responses((status = 200, description = "It is.", body = Health)))]
pub(crate) async fn healthz() -> axum::Json<Health> {
    axum::Json(Health { status: "ok" })
}

/// Should traffic come here?
///
/// Not while the gateway drains (`draining`), the store cannot be written (`store`), a credential is refused
/// (`credential:<app>/<channel>`), or the gateway is about to end because something in it cannot be kept alive
/// (`failed`, `pools`).
#[utoipa::path(get, path = "/readyz", tag = "Operations", operation_id = "readyz",
    responses(
        (status = 200, description = "It should.", body = Readiness),
        (status = 503, description = "Not now.", body = Readiness),
    ))]
async fn readyz(State(api): State<Shared>) -> Response {
    let reasons = api.rooms.unready().await;
    let ready = reasons.is_empty();
    let status = match ready {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, axum::Json(Readiness { ready, reasons })).into_response()
}

/// The metrics, as OpenMetrics text for Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "Operations", operation_id = "metrics",
    responses((status = 200, description = "All of them.", body = String, content_type = "application/openmetrics-text")))]
async fn metrics(State(api): State<Shared>) -> Response {
    // Asking for the figures tells the metrics those that are read, not counted. Without them the counters
    // still serve.
    if let Err(error) = api.rooms.stats().await {
        tracing::debug!(label = error.label(), "figures missing from the metrics");
    }
    let content_type = [(CONTENT_TYPE, fanfare_telemetry::CONTENT_TYPE)];
    (content_type, api.telemetry.encode()).into_response()
}

/// What the gateway holds and does now.
#[utoipa::path(get, path = "/v1/stats", tag = "Operations", operation_id = "stats",
    responses(
        (status = 200, description = "Figures of this moment.", body = StatsDoc),
        (status = 401, response = openapi::Unauthorized),
        (status = 403, response = openapi::Forbidden),
        (status = 503, response = openapi::Unavailable),
    ), security(("service_key" = [])))]
async fn stats(State(api): State<Shared>, service: Service) -> Result<axum::Json<Value>, Problem> {
    let mut stats = api.rooms.stats().await?;
    // Other apps are none of this service's business.
    let app = service.app.id.as_str();
    stats.pools.retain(|pool| pool.app == app);
    let is_own = |credential: &String| credential.split('/').next() == Some(app);
    stats.misconfigured.retain(is_own);
    let value = serde_json::to_value(stats).map_err(|error| {
        tracing::error!(%error, "stats could not be written");
        Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "a fault of the gateway",
        )
    })?;
    Ok(axum::Json(value))
}

/// This document.
#[utoipa::path(get, path = "/openapi.json", tag = "Operations", operation_id = "openapi",
    responses((status = 200, description = "OpenAPI 3.1.", body = Object)))]
async fn document() -> Response {
    static TEXT: LazyLock<String> = LazyLock::new(openapi::text);
    ([(CONTENT_TYPE, "application/json")], TEXT.as_str()).into_response()
}

/// Figures of this moment; pools are those of the caller's app.
#[derive(ToSchema)]
#[schema(as = Stats)]
#[expect(
    dead_code,
    reason = "documentation of `fanfare_actors::system::Stats`; a test compares the two"
)]
pub(crate) struct StatsDoc {
    /// Deliveries in memory.
    permits_taken: usize,
    /// Most deliveries in memory.
    permits_max: usize,
    /// User actors alive.
    users_active: usize,
    /// The app's credentials (`app/channel/environment`) whose addresses are refused in such numbers that no
    /// device is cleaned: key, topic or environment is set up wrong.
    misconfigured: Vec<String>,
    pools: Vec<PoolDoc>,
}

/// The connections of one app to one provider and environment.
#[derive(ToSchema)]
#[schema(as = Pool)]
#[expect(
    dead_code,
    reason = "documentation of `fanfare_actors::system::PoolStats`; a test compares the two"
)]
pub(crate) struct PoolDoc {
    app: String,
    provider: String,
    environment: String,
    connections: usize,
    /// Streams the peer allows, on all connections.
    streams: usize,
    in_flight: usize,
    waiting: usize,
    retrying: usize,
    /// `closed` (all is well), `open` (credential refused) or `half_open` (probing).
    breaker: String,
    /// Whether a provider token is at hand (always, with certificates).
    credential_usable: bool,
}
