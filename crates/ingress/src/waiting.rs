//! What a gateway answers before it has its store: that it lives, and is not ready.

use std::future::Future;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::StatusCode;
use tokio::net::TcpListener;

use crate::config::Config;
use crate::operations::{Readiness, healthz};
use crate::problem::Problem;
use crate::server::{self, Limits};

/// What callers get from a store that cannot be reached.
const CODE: &str = "store_unavailable";

/// Answers on `listener` until `shutdown`: `/healthz` 200 and `/readyz` 503, if `operations` are served there, and 503
/// with `Retry-After` to everything else.
pub async fn serve_waiting(
    listener: TcpListener,
    config: &Config,
    operations: bool,
    shutdown: impl Future<Output = ()> + Send,
) {
    let mut router = Router::new();
    if operations {
        router = router
            .route("/healthz", get(healthz))
            .route("/readyz", get(unready));
    }
    let router = router.fallback(unavailable);
    server::run(listener, router, Limits::of(config), shutdown).await;
}

async fn unready() -> Response {
    let body = Readiness {
        ready: false,
        reasons: vec![CODE.to_owned()],
    };
    (StatusCode::SERVICE_UNAVAILABLE, axum::Json(body)).into_response()
}

async fn unavailable() -> Problem {
    Problem::unavailable(CODE, "the store cannot be reached yet")
}
