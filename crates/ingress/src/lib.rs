//! The HTTP API: contracts, authentication, problem documents, OpenAPI.
//!
//! The only crate with HTTP server code and public JSON. One folder a contract; each is translation to and from
//! the commands of `core`, and no rule is written here twice.

mod api;
pub mod auth;
mod body;
pub mod config;
mod device_fields;
mod device_token;
mod dialect;
mod endpoint;
mod fields;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod json;
mod native;
mod notifications;
mod observe;
mod openapi;
mod operations;
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

pub use config::{AppDoor, Config, Handles};

use std::future::Future;

use tokio::net::TcpListener;

use api::Api;

/// The OpenAPI 3.1 document of the API, as JSON text.
pub fn openapi() -> String {
    openapi::text()
}

/// Serves the API on `listener` until `shutdown` resolves: then stops accepting, finishes the requests under
/// way (bounded by `request_timeout`) and returns. Operations (`/healthz`, `/readyz`, `/metrics`) are served
/// too when `operations` is true.
///
/// # Errors
/// When JWT keys are to be fetched over HTTPS and this machine has no trusted roots.
pub async fn serve(
    listener: TcpListener,
    config: Config,
    handles: Handles,
    operations: bool,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let limits = server::Limits::of(&config);
    let api = Api::new(config, handles)?;
    server::run(listener, api::router(api, operations), limits, shutdown).await;
    Ok(())
}

/// Serves operations alone (the `admin` address).
///
/// # Errors
/// As [`serve`].
pub async fn serve_operations(
    listener: TcpListener,
    config: Config,
    handles: Handles,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let limits = server::Limits::of(&config);
    // No app's credential is ever looked at here.
    let config = Config {
        apps: [].into(),
        ..config
    };
    let api = Api::new(config, handles)?;
    server::run(listener, api::operations_router(api), limits, shutdown).await;
    Ok(())
}
