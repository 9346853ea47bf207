//! The body of an upload as it comes, and who may wait how long for what.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::StatusCode;
use tokio::time::timeout;

use crate::api::Shared;
use crate::body;
use crate::problem::Problem;

/// How often somebody who waits for the next bytes looks whether the gateway drains.
const DRAIN_LOOK: Duration = Duration::from_millis(250);

pub(super) struct Incoming<'a> {
    api: &'a Shared,
    body: Body,
    /// The sender waits for `100 Continue`, and has sent nothing yet.
    waits: bool,
}

impl<'a> Incoming<'a> {
    pub(super) fn new(api: &'a Shared, body: Body, waits: bool) -> Self {
        Incoming { api, body, waits }
    }

    /// The next bytes; `None` at the end. An idle client is cut off, as is everyone when the gateway drains.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        self.waits = false;
        if self.api.rooms.is_draining() {
            return Err(draining());
        }
        let idle = self.api.now().config.campaigns.upload_idle;
        let chunk = timeout(idle, body::chunk(&mut self.body));
        tokio::select! {
            biased;
            chunk = chunk => chunk.unwrap_or_else(|_| Err(too_idle(idle))),
            () = drains(self.api) => Err(draining()),
        }
    }

    /// What is left of the body is let go of, so that its sender gets to read the answer.
    pub(super) async fn let_go(mut self) {
        let limit = self.api.now().config.request_timeout;
        if !self.waits {
            drop(timeout(limit, body::discard(&mut self.body)).await);
        }
    }
}

async fn drains(api: &Shared) {
    while !api.rooms.is_draining() {
        tokio::time::sleep(DRAIN_LOOK).await;
    }
}

fn draining() -> Problem {
    let detail = "this gateway is shutting down; the upload can go on where it stands";
    Problem::unavailable("shutting_down", detail)
}

fn too_idle(idle: Duration) -> Problem {
    let detail = format!(
        "nothing came for {} ms; the upload can go on where it stands",
        idle.as_millis()
    );
    Problem::new(StatusCode::REQUEST_TIMEOUT, "upload_idle", detail)
}
