//! The HTTP API: contracts, authentication, problem documents, OpenAPI.
//!
//! The only crate with HTTP server code and public JSON. One folder a contract; each is translation to and from
//! the commands of `core`, and no rule is written here twice.

mod api;
pub mod auth;
mod body;
mod campaigns;
pub mod config;
mod cursor;
mod device_fields;
mod device_token;
mod dialect;
mod endpoint;
mod fields;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod in_force;
mod json;
mod native;
mod notifications;
mod observe;
mod openapi;
mod operations;
mod paging;
mod path;
mod problem;
mod reserva;
mod ring;
mod rooms;
mod server;
#[cfg(any(test, feature = "fuzzing"))]
mod stand_in;
#[cfg(test)]
mod tests;
mod waiting;

pub use config::{AppDoor, Config, Handles};
pub use in_force::{InForce, Prepared};
pub use waiting::serve_waiting;

use std::future::Future;

use tokio::net::TcpListener;

use api::Api;

/// The OpenAPI 3.1 document of the API, as JSON text.
pub fn openapi() -> String {
    openapi::text()
}

/// A registration as `POST /v1/users/{user_id}/devices` reads its body, or all that is wrong with it; for imports.
pub fn registration(
    body: serde_json::Value,
    tenant: Option<String>,
) -> Result<fanfare_core::registration::Register, Vec<fanfare_providers::Fault>> {
    native::registration(body, tenant)
}

/// Serves the API on `listener` until `shutdown` resolves: then stops accepting, finishes the requests under
/// way (bounded by `request_timeout`) and returns. Operations (`/healthz`, `/readyz`, `/metrics`) are served
/// too when `operations` is true.
pub async fn serve(
    listener: TcpListener,
    in_force: InForce,
    handles: Handles,
    operations: bool,
    shutdown: impl Future<Output = ()> + Send + 'static,
) {
    let limits = server::Limits::of(&in_force.now().config);
    let api = Api::new(in_force, handles);
    server::run(listener, api::router(api, operations), limits, shutdown).await;
}

/// Serves operations alone (the `admin` address), which look at no app's credential.
pub async fn serve_operations(
    listener: TcpListener,
    in_force: InForce,
    handles: Handles,
    shutdown: impl Future<Output = ()> + Send + 'static,
) {
    let limits = server::Limits::of(&in_force.now().config);
    let api = Api::new(in_force, handles);
    server::run(listener, api::operations_router(api), limits, shutdown).await;
}
