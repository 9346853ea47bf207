//! The API put together: what handlers share, the routes of all contracts, and the answers to what is no route.

use std::sync::Arc;

use axum::Router;
use axum::http::{Method, Uri};
use fanfare_telemetry::Telemetry;
use fanfare_types::Clock;
use http::StatusCode;
use tokio::sync::Semaphore;
use utoipa_axum::router::OpenApiRouter;

use crate::config::Handles;
use crate::in_force::{Entrance, InForce};
use crate::problem::Problem;
use crate::rooms::Rooms;
use crate::{
    campaigns, device_token, native, notifications, observe, openapi, operations, reserva, ring,
};

/// What handlers share.
pub(crate) struct Api {
    pub(crate) in_force: InForce,
    pub(crate) rooms: Arc<dyn Rooms>,
    pub(crate) telemetry: Telemetry,
    pub(crate) clock: Clock,
    /// Room for bodies, in bytes.
    pub(crate) bodies: Arc<Semaphore>,
    /// Room for requests.
    pub(crate) requests: Arc<Semaphore>,
    /// Room for those who watch campaigns.
    pub(crate) watchers: Arc<Semaphore>,
    pub(crate) looks: campaigns::Looks,
    pub(crate) uploads: campaigns::Turns,
}

pub(crate) type Shared = Arc<Api>;

impl Api {
    pub(crate) fn new(in_force: InForce, handles: Handles) -> Shared {
        Api::with_rooms(in_force, handles.system, handles.telemetry, handles.clock)
    }

    pub(crate) fn with_rooms(
        in_force: InForce,
        rooms: Arc<dyn Rooms>,
        telemetry: Telemetry,
        clock: Clock,
    ) -> Shared {
        let room = |permits: usize| Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS)));
        let now = in_force.now();
        Arc::new(Api {
            bodies: room(now.config.bodies_bytes_max),
            requests: room(now.config.requests_max),
            watchers: room(now.config.campaigns.watchers_max),
            looks: campaigns::Looks::default(),
            uploads: campaigns::Turns::default(),
            in_force,
            rooms,
            telemetry,
            clock,
        })
    }

    /// What a room answers within `request_timeout`: for handlers that are not bounded as a whole.
    pub(crate) async fn timely<T>(
        &self,
        asked: impl Future<Output = fanfare_actors::Result<T>>,
    ) -> Result<T, Problem> {
        let limit = self.now().config.request_timeout;
        let answer = tokio::time::timeout(limit, asked).await;
        Ok(answer.map_err(|_| Problem::timeout())??)
    }

    /// The configuration of this moment.
    pub(crate) fn now(&self) -> Arc<Entrance> {
        self.in_force.now()
    }
}

/// Everything that is documented.
pub(crate) fn documented() -> OpenApiRouter<Shared> {
    let frame = OpenApiRouter::with_openapi(openapi::frame());
    frame.merge(contracts()).merge(operations::routes())
}

/// What is served to callers, each contract with its own routes.
fn contracts() -> OpenApiRouter<Shared> {
    OpenApiRouter::default()
        .merge(notifications::routes())
        .merge(campaigns::routes())
        .merge(native::routes())
        .merge(ring::routes())
        .merge(reserva::routes())
        .merge(device_token::routes())
        .merge(operations::public())
}

/// The API for one listener; with `operations`, those as well.
pub(crate) fn router(api: Shared, operations: bool) -> Router {
    let routes = match operations {
        true => contracts().merge(operations::routes()),
        false => contracts(),
    };
    finished(routes, api)
}

/// Operations alone.
pub(crate) fn operations_router(api: Shared) -> Router {
    finished(operations::routes(), api)
}

fn finished(routes: OpenApiRouter<Shared>, api: Shared) -> Router {
    let (router, _) = routes.split_for_parts();
    let router = router
        .fallback(no_route)
        .method_not_allowed_fallback(no_method);
    observe::layers(router, api.clone()).with_state(api)
}

async fn no_route(_: Uri) -> Problem {
    Problem::not_found("no_such_route", "there is nothing at this path")
}

/// The router adds `Allow`.
async fn no_method(_: Method) -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "this path does not take this method",
    )
}
