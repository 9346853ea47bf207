//! Calls that find no room and wait for some: first come, first served within an app's lane, and those in turn.
//!
//! A call whose turn it is and that does not fit yet is not overtaken: by nobody while the gateway has no room for
//! it, by no bulk while the lane has none, by none of its app while that has none. Others do not wait for it.

use std::collections::{HashMap, VecDeque};

use fanfare_types::{AppId, Lane, Permits, Timestamp};

use super::{Admission, Refused, Scope};

/// The room that a call asks for.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub app: AppId,
    pub lane: Lane,
    /// Deliveries.
    pub count: usize,
    /// When it is refused.
    pub until: Timestamp,
}

/// Where in its queue a call begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    Last,
    /// For one that had its turn, and needs more than it thought.
    First,
}

/// Names a call among those that wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place(u64);

/// What a call is told.
#[derive(Debug)]
pub struct Answer<T> {
    pub who: T,
    pub room: Result<Permits, Refused>,
}

/// Everybody who waits.
#[derive(Debug)]
pub struct Waiting<T> {
    max: usize,
    /// In turn. None is empty.
    queues: VecDeque<Queue<T>>,
    len: usize,
    places: u64,
}

/// The calls of one app and lane.
#[derive(Debug)]
struct Queue<T> {
    app: AppId,
    lane: Lane,
    calls: VecDeque<Call<T>>,
    /// What the first one waits for, as it was found when all were looked at last.
    why: Refused,
}

#[derive(Debug)]
struct Call<T> {
    place: Place,
    count: usize,
    until: Timestamp,
    who: T,
}

/// What was found full while looking at all.
#[derive(Debug, Default)]
struct Full {
    gateway: Option<Refused>,
    lane: Option<Refused>,
    apps: HashMap<AppId, Refused>,
}

/// How a look at a queue ended.
enum Looked<T> {
    /// It is still the turn of its first call.
    Waits,
    /// Its first call had its turn.
    Taken(Answer<T>),
    /// Its first call never gets any.
    Refused(Answer<T>),
}

impl<T> Waiting<T> {
    /// At most `max` calls at once. At it the last one of the longest queue is refused.
    pub fn new(max: usize) -> Self {
        Waiting {
            max,
            queues: VecDeque::new(),
            len: 0,
            places: 0,
        }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// A call asks for room. It is answered at once when there is some and nobody waits for the same, and when there
    /// never will be. `who` comes back with its answer.
    pub fn arrive(
        &mut self,
        wanted: Wanted,
        turn: Turn,
        who: T,
        admission: &Admission,
        now: Timestamp,
        answers: &mut Vec<Answer<T>>,
    ) -> Place {
        self.places += 1;
        let place = Place(self.places);
        let call = Call {
            place,
            count: wanted.count,
            until: wanted.until,
            who,
        };
        if let Err(never) = admission.fits(&wanted.app, wanted.lane, wanted.count) {
            answers.push(call.answer(Err(never)));
            return place;
        }
        self.enter(wanted.app, wanted.lane, call, turn);
        self.look(admission, now, answers);
        if self.len > self.max {
            answers.extend(self.let_one_go());
        }
        place
    }

    /// Room may have come, and the time of some may be over.
    pub fn look(&mut self, admission: &Admission, now: Timestamp, answers: &mut Vec<Answer<T>>) {
        let mut full = Full::default();
        let mut at = 0;
        while let Some(queue) = self.queues.get_mut(at) {
            match queue.look(admission, now, &mut full) {
                Looked::Waits => at += 1,
                Looked::Refused(answer) => {
                    answers.push(answer);
                    self.len -= 1;
                    self.tidy(at);
                }
                Looked::Taken(answer) => {
                    answers.push(answer);
                    self.len -= 1;
                    let queue = self.queues.remove(at);
                    let rest = queue.filter(|queue| !queue.calls.is_empty());
                    self.queues.extend(rest);
                }
            }
        }
    }

    /// A call that waits no more; nothing happens when it was answered before.
    pub fn leave(&mut self, place: Place) {
        let found = self.queues.iter().enumerate().find_map(|(at, queue)| {
            let mut calls = queue.calls.iter();
            let call = calls.position(|call| call.place == place)?;
            Some((at, call))
        });
        if let Some((at, call)) = found {
            self.queues[at].calls.remove(call);
            self.len -= 1;
            self.tidy(at);
        }
    }

    /// Everybody is refused.
    pub fn close(&mut self, answers: &mut Vec<Answer<T>>) {
        self.len = 0;
        for queue in self.queues.drain(..) {
            let refused = |call: Call<T>| call.answer(Err(queue.why));
            answers.extend(queue.calls.into_iter().map(refused));
        }
    }

    fn enter(&mut self, app: AppId, lane: Lane, call: Call<T>, turn: Turn) {
        let is_its = |queue: &Queue<T>| queue.lane == lane && queue.app == app;
        let at = self.queues.iter().position(is_its);
        let mut queue = at
            .and_then(|at| self.queues.remove(at))
            .unwrap_or_else(|| Queue::new(app, lane));
        self.len += 1;
        match turn {
            Turn::Last => {
                queue.calls.push_back(call);
                self.queues.insert(at.unwrap_or(self.queues.len()), queue);
            }
            Turn::First => {
                queue.calls.push_front(call);
                self.queues.push_front(queue);
            }
        }
    }

    fn let_one_go(&mut self) -> Option<Answer<T>> {
        let by_length = |at: &usize| self.queues[*at].calls.len();
        let longest = (0..self.queues.len()).max_by_key(by_length)?;
        let queue = &mut self.queues[longest];
        let (call, why) = (queue.calls.pop_back()?, queue.why);
        self.len -= 1;
        self.tidy(longest);
        Some(call.answer(Err(why)))
    }

    fn tidy(&mut self, at: usize) {
        if self.queues[at].calls.is_empty() {
            self.queues.remove(at);
        }
    }
}

impl<T> Queue<T> {
    fn new(app: AppId, lane: Lane) -> Self {
        Queue {
            app,
            lane,
            calls: VecDeque::new(),
            why: super::refused(Scope::Gateway, super::RETRY_AFTER_MIN),
        }
    }

    fn look(&mut self, admission: &Admission, now: Timestamp, full: &mut Full) -> Looked<T> {
        let Some(call) = self.calls.pop_front() else {
            return Looked::Waits;
        };
        let room = match full.for_one_of(&self.app, self.lane) {
            Some(refused) => Err(refused),
            None => admission.try_take(&self.app, self.lane, call.count),
        };
        match room {
            Ok(permits) => Looked::Taken(call.answer(Ok(permits))),
            Err(refused) if refused.scope == Scope::TooLarge || call.until <= now => {
                Looked::Refused(call.answer(Err(refused)))
            }
            Err(refused) => {
                full.found(&self.app, refused);
                self.why = refused;
                self.calls.push_front(call);
                Looked::Waits
            }
        }
    }
}

impl<T> Call<T> {
    fn answer(self, room: Result<Permits, Refused>) -> Answer<T> {
        Answer {
            who: self.who,
            room,
        }
    }
}

impl Full {
    fn for_one_of(&self, app: &AppId, lane: Lane) -> Option<Refused> {
        let of_lane = self.lane.filter(|_| lane == Lane::Bulk);
        self.gateway
            .or(of_lane)
            .or_else(|| self.apps.get(app).copied())
    }

    fn found(&mut self, app: &AppId, refused: Refused) {
        match refused.scope {
            Scope::Gateway => self.gateway = Some(refused),
            Scope::Lane => self.lane = Some(refused),
            Scope::App => drop(self.apps.insert(app.clone(), refused)),
            Scope::TooLarge => {}
        }
    }
}

#[cfg(test)]
mod tests;
