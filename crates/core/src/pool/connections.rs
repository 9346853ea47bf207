//! The connections of a pool: how many streams each has free, when to open one, when to let one go.

use std::collections::BTreeMap;
use std::time::Duration;

use fanfare_types::{Lane, Timestamp};

use super::reopening::{LIFE_MIN, Reopening};
use super::{Limits, Recovery};
use crate::lanes::Room;
use crate::token::Generation;

/// Names a connection within its pool; never used again.
pub type ConnectionId = u64;

/// APNs allows one stream until it has seen a good token, and says how many only then; after so many answers it has.
const ANSWERS_TO_SETTLE: u32 = 3;

/// One in this many streams is kept for urgent deliveries.
const URGENT_SHARE: u32 = 10;

/// How the end of a connection is to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closed {
    /// Nothing was answered on it, and its end was not our wish.
    CameToNothing,
    Otherwise,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Connecting,
    Open,
    /// Gets no more work; what it has is answered, and then it ends.
    Retired,
}

#[derive(Debug)]
struct Connection {
    state: State,
    /// By the link's last word.
    streams: u32,
    in_flight: u32,
    bulk_in_flight: u32,
    begun_at: Timestamp,
    /// Since when the provider allows no stream.
    shut_since: Option<Timestamp>,
    idle_since: Timestamp,
    /// The provider token it showed last, and since when.
    shown: Option<(Generation, Timestamp)>,
    /// Pushes the provider has answered on it (and not only about the credential).
    answers: u32,
    /// Its end is our wish.
    is_dismissed: bool,
    /// It took no more, and has not said why yet.
    is_untold: bool,
}

#[derive(Debug)]
pub(super) struct Connections {
    all: BTreeMap<ConnectionId, Connection>,
    next: ConnectionId,
    /// Streams a connection turned out to have.
    streams_expected: u32,
    reopening: Reopening,
}

impl Connections {
    pub(super) fn new(limits: &Limits) -> Self {
        Connections {
            all: BTreeMap::new(),
            next: 0,
            streams_expected: limits.streams_expected,
            reopening: Reopening::default(),
        }
    }

    /// Opens as many as `demand` deliveries ask for; returns the new ones.
    pub(super) fn open_for(
        &mut self,
        demand: usize,
        limits: &Limits,
        now: Timestamp,
    ) -> Vec<ConnectionId> {
        let mut opened = Vec::new();
        while self.may_open(limits, now) && self.supply() < demand {
            let id = self.next;
            self.next += 1;
            let connection = Connection {
                state: State::Connecting,
                streams: 0,
                in_flight: 0,
                bulk_in_flight: 0,
                begun_at: now,
                shut_since: None,
                idle_since: now,
                shown: None,
                answers: 0,
                is_dismissed: false,
                is_untold: false,
            };
            self.all.insert(id, connection);
            opened.push(id);
        }
        opened
    }

    /// Connections replaced while they finish count up to as many again. While one has not said why it took no more,
    /// none is opened: its provider may want calm.
    fn may_open(&self, limits: &Limits, now: Timestamp) -> bool {
        let live = self.count(|c| c.state != State::Retired);
        let connecting = self.count(|c| c.state == State::Connecting);
        let max = limits.connections_max.max(1);
        let untold = self.count(|c| c.is_untold);
        let has_room = live < max && self.all.len() < 2 * max;
        has_room && untold == 0 && self.reopening.is_open(connecting, now)
    }

    /// Streams free now or soon.
    fn supply(&self) -> usize {
        let of = |c: &Connection| match c.state {
            State::Retired => 0,
            _ if c.answers < ANSWERS_TO_SETTLE => {
                let streams = c.streams.max(self.streams_expected);
                streams.saturating_sub(c.in_flight) as usize
            }
            _ => c.free(),
        };
        self.all.values().map(of).sum()
    }

    /// When the next may be opened, if a failure or the provider's wish stands in the way now.
    pub(super) fn wake_at(&self, now: Timestamp) -> Option<Timestamp> {
        self.reopening.wake_at(now)
    }

    /// The one with the most room, and its room.
    pub(super) fn roomiest(&self, urgent_waits: bool) -> Option<(ConnectionId, Room)> {
        let usable = |room: &Room| match urgent_waits {
            true => room.all,
            false => room.bulk,
        };
        self.all
            .iter()
            .filter(|(_, c)| c.state == State::Open)
            .map(|(id, c)| (*id, c.room()))
            .filter(|(_, room)| usable(room) > 0)
            // The first of equals: the oldest.
            .max_by_key(|(id, room)| (usable(room), std::cmp::Reverse(*id)))
    }

    /// Free streams of all that take work.
    pub(super) fn free(&self) -> usize {
        let open = |c: &&Connection| c.state == State::Open;
        self.all.values().filter(open).map(Connection::free).sum()
    }

    /// Whether this connection may show that token now. It may not when it has shown another one too lately.
    pub(super) fn show(
        &mut self,
        id: ConnectionId,
        token: Generation,
        spacing: Option<Duration>,
        now: Timestamp,
    ) -> bool {
        let Some(connection) = self.all.get_mut(&id) else {
            return false;
        };
        match (connection.shown, spacing) {
            (Some((shown, _)), _) if shown == token => true,
            (Some((_, since)), Some(spacing)) if now.since(since) < spacing => false,
            _ => {
                connection.shown = Some((token, now));
                true
            }
        }
    }

    pub(super) fn on_opened(&mut self, id: ConnectionId, now: Timestamp) {
        if let Some(connection) = self.all.get_mut(&id)
            && connection.state == State::Connecting
        {
            connection.state = State::Open;
            connection.idle_since = now;
        }
    }

    pub(super) fn on_streams(&mut self, id: ConnectionId, streams: u32, now: Timestamp) {
        if let Some(connection) = self.all.get_mut(&id) {
            connection.is_untold = false;
            connection.streams = streams;
            connection.shut_since = (streams == 0).then_some(now);
        }
    }

    pub(super) fn on_handed(&mut self, id: ConnectionId, lane: Lane) {
        if let Some(connection) = self.all.get_mut(&id) {
            connection.in_flight += 1;
            connection.bulk_in_flight += u32::from(lane == Lane::Bulk);
        }
    }

    pub(super) fn on_back(&mut self, id: ConnectionId, lane: Lane, now: Timestamp) {
        if let Some(connection) = self.all.get_mut(&id) {
            connection.in_flight = connection.in_flight.saturating_sub(1);
            let bulk = u32::from(lane == Lane::Bulk);
            connection.bulk_in_flight = connection.bulk_in_flight.saturating_sub(bulk);
            connection.idle_since = now;
        }
    }

    /// The provider answered a push on it.
    pub(super) fn on_useful(&mut self, id: ConnectionId, now: Timestamp) {
        if let Some(connection) = self.all.get_mut(&id) {
            self.reopening.on_useful(now.since(connection.begun_at));
            connection.answers = connection.answers.saturating_add(1);
            if connection.answers == ANSWERS_TO_SETTLE {
                self.streams_expected = connection.streams.max(1);
            }
        }
    }

    /// It took no more; why is on its way.
    pub(super) fn on_not_taken(&mut self, id: ConnectionId) -> bool {
        let is_retired = self.retire(id);
        if is_retired && let Some(connection) = self.all.get_mut(&id) {
            connection.is_untold = true;
        }
        is_retired
    }

    /// The provider wants no more on it.
    pub(super) fn on_going_away(&mut self, id: ConnectionId) {
        if let Some(connection) = self.all.get_mut(&id) {
            connection.is_untold = false;
        }
        self.retire(id);
    }

    /// No more work for it. Returns whether it had to be told.
    pub(super) fn retire(&mut self, id: ConnectionId) -> bool {
        match self.all.get_mut(&id) {
            Some(connection) if connection.state != State::Retired => {
                connection.state = State::Retired;
                true
            }
            _ => false,
        }
    }

    /// Its end is our wish, and no failure. Returns whether it had to be told.
    pub(super) fn dismiss(&mut self, id: ConnectionId) -> bool {
        if let Some(connection) = self.all.get_mut(&id) {
            connection.is_dismissed = true;
        }
        self.retire(id)
    }

    /// It is gone. One that came to nothing, or to little, makes the next one wait.
    pub(super) fn on_closed(
        &mut self,
        id: ConnectionId,
        recovery: &Recovery,
        now: Timestamp,
        random: u64,
    ) -> Closed {
        let Some(connection) = self.all.remove(&id) else {
            return Closed::Otherwise;
        };
        let came_to_nothing = connection.answers == 0 && !connection.is_dismissed;
        let is_young = now.since(connection.begun_at) < LIFE_MIN;
        if came_to_nothing || (is_young && connection.state != State::Retired) {
            self.reopening.on_failed(recovery, now, random);
        }
        match came_to_nothing {
            true => Closed::CameToNothing,
            false => Closed::Otherwise,
        }
    }

    /// The provider has had enough: another one waits.
    pub(super) fn on_calm(&mut self, recovery: &Recovery, now: Timestamp, random: u64) {
        self.reopening.on_calm(recovery, now, random);
    }

    /// Those beyond `max`: the ones with the least to finish, the newest of equals.
    pub(super) fn surplus(&self, max: usize) -> Vec<ConnectionId> {
        let live = self.all.iter().filter(|(_, c)| c.state != State::Retired);
        let mut live: Vec<_> = live
            .map(|(id, c)| (c.state == State::Open, c.in_flight, std::cmp::Reverse(*id)))
            .collect();
        live.sort_unstable();
        live.truncate(live.len().saturating_sub(max.max(1)));
        live.into_iter().map(|(_, _, id)| id.0).collect()
    }

    pub(super) fn ids(&self) -> Vec<ConnectionId> {
        self.all.keys().copied().collect()
    }

    /// Those without work since `since` or longer.
    pub(super) fn idle(&self, since: Timestamp) -> Vec<ConnectionId> {
        let idle = |c: &Connection| c.is_idle() && c.idle_since <= since;
        let found = self.all.iter().filter(|(_, c)| idle(c));
        found.map(|(id, _)| *id).collect()
    }

    /// Since when the longest idle one has been so.
    pub(super) fn idle_since(&self) -> Option<Timestamp> {
        let idle = self.all.values().filter(|c| c.is_idle());
        idle.map(|c| c.idle_since).min()
    }

    /// Those whose provider has allowed no stream since `since` or longer.
    pub(super) fn shut(&self, since: Timestamp) -> Vec<ConnectionId> {
        let shut = |c: &Connection| c.shut().is_some_and(|shut| shut <= since);
        let found = self.all.iter().filter(|(_, c)| shut(c));
        found.map(|(id, _)| *id).collect()
    }

    /// Since when the longest of them has been so.
    pub(super) fn shut_since(&self) -> Option<Timestamp> {
        self.all.values().filter_map(Connection::shut).min()
    }

    /// Whether the provider has answered on one that takes work.
    pub(super) fn is_any_proven(&self) -> bool {
        let proven = |c: &Connection| c.state == State::Open && c.answers > 0;
        self.all.values().any(proven)
    }

    /// What is under way on those that take work.
    pub(super) fn in_flight(&self) -> usize {
        let live = self.all.values().filter(|c| c.state != State::Retired);
        live.map(|c| c.in_flight as usize).sum()
    }

    /// Those that take work or will.
    pub(super) fn live(&self) -> usize {
        self.count(|c| c.state != State::Retired)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Open ones, their streams, and what is under way on all.
    pub(super) fn figures(&self) -> (usize, usize, usize) {
        let open = self.count(|c| c.state == State::Open);
        let streams_of = |c: &Connection| match c.state {
            State::Open => c.streams as usize,
            State::Connecting | State::Retired => 0,
        };
        let streams = self.all.values().map(streams_of).sum();
        let in_flight = self.all.values().map(|c| c.in_flight as usize).sum();
        (open, streams, in_flight)
    }

    fn count(&self, of: impl Fn(&Connection) -> bool) -> usize {
        self.all.values().filter(|c| of(c)).count()
    }
}

impl Connection {
    fn free(&self) -> usize {
        self.streams.saturating_sub(self.in_flight) as usize
    }

    fn room(&self) -> Room {
        let for_bulk = self.streams - self.streams / URGENT_SHARE;
        let bulk = for_bulk.saturating_sub(self.bulk_in_flight) as usize;
        Room {
            all: self.free(),
            bulk: bulk.min(self.free()),
        }
    }

    fn shut(&self) -> Option<Timestamp> {
        self.shut_since.filter(|_| self.state == State::Open)
    }

    fn is_idle(&self) -> bool {
        self.state == State::Open && self.in_flight == 0
    }
}
