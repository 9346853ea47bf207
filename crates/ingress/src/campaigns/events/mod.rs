//! Watching a campaign: server-sent events (WHATWG HTML, section 9.2).

mod looks;
mod story;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use http::{HeaderMap, HeaderName, StatusCode};
use tokio::sync::OwnedSemaphorePermit;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::Shared;
use crate::auth::Service;
use crate::openapi;
use crate::path::{CampaignPath, no_such_campaign};
use crate::problem::Problem;
pub(crate) use looks::Looks;
use looks::Watched;
use story::{Event, EventData, Story, is_over};

/// How often a watcher looks: no more often are there events of progress.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Quiet streams say that they live, so that nobody between takes them for dead.
const BEAT_EVERY: Duration = Duration::from_secs(15);

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// A word to nginx and its kin, which would hold events back.
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::default().routes(routes!(events))
}

/// Watch a campaign: its changes of state, and its progress at most every 500 ms.
///
/// The stream ends when the campaign has, and everything in flight with it.
#[utoipa::path(get, path = "/v1/campaigns/{id}/events", tag = "Campaigns", operation_id = "watch_campaign",
    params(("id" = String, Path, description = "The campaign's id"),
        ("Last-Event-ID" = Option<String>, Header, description = "The `id` of the last event seen: brings the changes of state since then first.")),
    responses(
        (status = 200, description = "`event: state` and `event: progress`, each with such data as JSON.",
            body = EventData, content_type = "text/event-stream"),
        (status = 204, description = "It has ended, and `Last-Event-ID` has seen the end: come no more."),
        (status = 401, response = openapi::Unauthorized),
        (status = 403, response = openapi::Forbidden),
        (status = 404, response = openapi::NotFound),
        (status = 503, response = openapi::Unavailable),
    ), security(("service_key" = [])))]
async fn events(
    State(api): State<Shared>,
    service: Service,
    CampaignPath(id): CampaignPath,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let place = api.watchers.clone().try_acquire_owned();
    let place = place.map_err(|_| {
        let detail = "as many streams of events are open as may be";
        Problem::unavailable("overloaded", detail)
    })?;
    let watched = api.looks.at(&service.app.id, id);
    let view = watched.look_now(&api).await?.ok_or_else(no_such_campaign)?;
    let told = last_event_id(&headers);
    let (mut story, is_over) = (Story::since(told), is_over(&view));
    if is_over && told == view.standing.history.last().map(|turn| turn.revision) {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let watching = Watching {
        events: story.tell(&view, api.clock.now()),
        story,
        is_over,
        watched,
        _place: place,
        api: api.clone(),
    };
    // A connection is taken for idle when nothing was sent on it for `idle_timeout`.
    let beat = BEAT_EVERY.min(api.now().config.idle_timeout / 2);
    let stream = stream::unfold(watching, Watching::next);
    let events = Sse::new(stream).keep_alive(KeepAlive::new().interval(beat));
    Ok(([(ACCEL_BUFFERING, "no")], events).into_response())
}

/// One that is no id of ours is as good as none.
fn last_event_id(headers: &HeaderMap) -> Option<u64> {
    headers.get(LAST_EVENT_ID)?.to_str().ok()?.parse().ok()
}

struct Watching {
    api: Shared,
    watched: Arc<Watched>,
    story: Story,
    /// To be sent before it is looked again.
    events: VecDeque<Event>,
    is_over: bool,
    _place: OwnedSemaphorePermit,
}

impl Watching {
    async fn next(mut self) -> Option<(Result<sse::Event, Infallible>, Self)> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some((Ok(written(&event)), self));
            }
            if self.is_over {
                return None;
            }
            tokio::time::sleep(LOOK_EVERY).await;
            if self.api.rooms.is_draining() {
                return None;
            }
            // What cannot be looked at now is looked at again; the stream lives on.
            if let Ok(view) = self.api.timely(self.watched.look(&self.api)).await {
                let view = view?;
                self.is_over = is_over(&view);
                self.events = self.story.tell(&view, self.api.clock.now());
            }
        }
    }
}

fn written(event: &Event) -> sse::Event {
    let data = serde_json::to_string(&event.data).unwrap_or_default();
    let named = sse::Event::default().event(event.kind.as_str());
    named.id(event.id.to_string()).data(data)
}
