//! The API without sockets, before a stand-in for the rest of the house: what fuzz targets send requests to.

use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use fanfare_actors::campaigns::CampaignView;
use fanfare_actors::notifications::NewNotification;
use fanfare_store::campaigns::UploadRow;
use fanfare_telemetry::Telemetry;
use fanfare_types::{Clock, Timestamp};
use futures_util::stream;
use http::{Request, Response};
use http_body_util::BodyExt;
use tower::ServiceExt;

use crate::api::{self, Api};
use crate::config::Config;
use crate::in_force::InForce;
use crate::stand_in::{self, StandIn};

/// What the clock says in front of every [`Door`].
pub const NOW: Timestamp = stand_in::NOW;

/// The API, as its callers see it.
pub struct Door {
    router: Router,
    rooms: Arc<StandIn>,
    runtime: tokio::runtime::Runtime,
}

impl Door {
    /// # Errors
    /// As [`InForce::new`], and when this machine gives no runtime.
    pub fn new(config: Config) -> std::io::Result<Self> {
        let rooms = Arc::new(StandIn::default());
        let clock = Clock::from_fn(|| NOW);
        let in_force = InForce::new(config)?;
        let api = Api::with_rooms(in_force, rooms.clone(), Telemetry::new(), clock);
        Ok(Door {
            router: api::router(api, true),
            rooms,
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .build()?,
        })
    }

    /// The answer to one request.
    pub fn ask(&self, request: Request<Bytes>) -> Response<Bytes> {
        self.answer(request.map(Body::from))
    }

    /// The answer to a request whose body comes in pieces; one that `breaks_off` does so behind the last.
    pub fn ask_in_pieces(&self, request: Request<Vec<Bytes>>, breaks_off: bool) -> Response<Bytes> {
        self.answer(request.map(|pieces| {
            let end = breaks_off.then(|| Err(std::io::Error::other("gone")));
            Body::from_stream(stream::iter(pieces.into_iter().map(Ok).chain(end)))
        }))
    }

    fn answer(&self, request: Request<Body>) -> Response<Bytes> {
        self.runtime.block_on(async {
            let Ok(response) = self.router.clone().oneshot(request).await;
            let (head, body) = response.into_parts();
            let body = body.collect().await.map(|body| body.to_bytes());
            Response::from_parts(head, body.unwrap_or_default())
        })
    }

    /// Notifications accepted since this was asked last. Forgets everything else that was told to the stand-in, too.
    pub fn accepted(&self) -> Vec<NewNotification> {
        self.rooms.forget()
    }

    /// Campaigns that were made and not forgotten.
    pub fn campaigns(&self) -> Vec<CampaignView> {
        self.rooms.book.views.lock().clone()
    }

    /// The rows that were uploaded to all campaigns that were not forgotten.
    pub fn uploaded(&self) -> Vec<UploadRow> {
        let rows = self.rooms.book.rows.lock();
        rows.values().flatten().cloned().collect()
    }
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Door")
    }
}
