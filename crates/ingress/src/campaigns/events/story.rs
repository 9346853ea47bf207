//! What watchers of a campaign are told, and when: changes of state, and counts that moved.

use std::collections::VecDeque;

use fanfare_actors::campaigns::CampaignView;
use fanfare_types::{CampaignState, Timestamp, Turn};
use serde::Serialize;
use utoipa::ToSchema;

use crate::campaigns::view::{CountsView, eta, rate_now};

/// What one watcher knows by now.
#[derive(Debug, Default)]
pub(super) struct Story {
    /// The newest change of state that was told, by its revision.
    told: Option<u64>,
    counts: Option<CountsView>,
}

/// One event.
#[derive(Debug, PartialEq)]
pub(super) struct Event {
    pub(super) kind: Kind,
    /// The change of state that it comes after: what `Last-Event-ID` brings back.
    pub(super) id: u64,
    pub(super) data: EventData,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    State,
    Progress,
}

/// The data of an event: where the campaign stands. `state` and `at` are those of the change that is told, the rest is
/// of now.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = CampaignEvent)]
pub(super) struct EventData {
    /// `draft`, `scheduled`, `running`, `paused`, `completed`, `cancelled` or `failed`.
    state: &'static str,
    /// RFC 3339, UTC.
    at: String,
    counts: CountsView,
    rate_now: f64,
    /// RFC 3339, UTC.
    eta: Option<String>,
}

impl Kind {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Kind::State => "state",
            Kind::Progress => "progress",
        }
    }
}

impl Story {
    /// For somebody who was told everything up to this change of state.
    pub(super) fn since(told: Option<u64>) -> Self {
        Story { told, counts: None }
    }

    /// What is new. Somebody who comes without having been told anything hears of the newest change of state alone.
    pub(super) fn tell(&mut self, view: &CampaignView, now: Timestamp) -> VecDeque<Event> {
        let history = &view.standing.history;
        let newest = history.last().map_or(0, |turn| turn.revision);
        let told = self.told.filter(|told| *told <= newest);
        let is_new = |turn: &&Turn| match told {
            Some(told) => turn.revision > told,
            None => turn.revision == newest,
        };
        let turns = history.iter().filter(is_new);
        let mut events: VecDeque<_> = turns
            .map(|turn| Event {
                kind: Kind::State,
                id: turn.revision,
                data: EventData::of(view, turn.state, turn.at, now),
            })
            .collect();
        self.told = Some(newest);
        let counts = Some(CountsView::of(view));
        let moved = self.counts != counts;
        if events.is_empty() && moved {
            events.push_back(Event {
                kind: Kind::Progress,
                id: newest,
                data: EventData::of(view, view.standing.state, now, now),
            });
        }
        self.counts = counts;
        events
    }
}

/// Whether nothing will be new any more: the last state, and every delivery has its outcome.
pub(super) fn is_over(view: &CampaignView) -> bool {
    let counts = &view.counts;
    view.standing.state.is_final() && counts.waiting + counts.in_flight == 0
}

impl EventData {
    fn of(view: &CampaignView, state: CampaignState, at: Timestamp, now: Timestamp) -> Self {
        EventData {
            state: state.as_str(),
            at: at.to_rfc3339(),
            counts: CountsView::of(view),
            rate_now: rate_now(view),
            eta: eta(view, now),
        }
    }
}
