//! The HTTP API: contracts, authentication, problem documents, OpenAPI.
//!
//! The only crate with HTTP server code and public JSON. One folder a contract; each is translation to and from
//! the commands of `core`, and no rule is written here twice.

pub mod auth;
pub mod config;

pub use config::{AppDoor, Config, Handles};

use std::future::Future;

use tokio::net::TcpListener;

/// The OpenAPI 3.1 document of the API, as JSON text.
pub fn openapi() -> String {
    todo!("the ingress room")
}

/// Serves the API on `listener` until `shutdown` resolves: then stops accepting, finishes the requests under
/// way (bounded by `request_timeout`) and returns. Operations (`/healthz`, `/readyz`, `/metrics`) are served
/// too when `operations` is true.
pub async fn serve(
    listener: TcpListener,
    config: Config,
    handles: Handles,
    operations: bool,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let _ = (listener, config, handles, operations, shutdown);
    todo!("the ingress room")
}

/// Serves operations alone (the `admin` address).
pub async fn serve_operations(
    listener: TcpListener,
    config: Config,
    handles: Handles,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let _ = (listener, config, handles, shutdown);
    todo!("the ingress room")
}
