//! The shell of outcomes, as `actors/src/outcomes.rs`.

use std::time::Duration;

use fanfare_core::cleanup;
use fanfare_core::outcomes::Next;
use fanfare_core::pool::Ended;
use fanfare_types::{NotificationId, Outcome, Verdict};

use crate::books::Place;
use crate::coverage::Seen;
use crate::event::{Actor, Event, Msg, Task, key};
use crate::gateway::Drain;
use crate::reaper::{Answers, Suspect};
use crate::sim::Sim;
use crate::store::{Trouble, Write, Wrote};

const FLUSH_AFTER: Duration = Duration::from_millis(100);
const RETRY_DELAY_MIN: u64 = 50;
const RETRY_DELAY_MAX: u64 = 5_000;

const HERE: Place = Place::At(Actor::Outcomes);

impl Sim {
    pub(crate) fn at_outcomes(&mut self, msg: Msg) {
        if matches!(msg, Msg::Drain) && self.g.drain == Drain::Outcomes {
            self.g.drain = Drain::Journal;
        }
        let next = match msg {
            Msg::Ended(batch) => {
                for ended in &batch {
                    ended.finished.delivery.live.progress.recording(1);
                    self.mark(outcome(ended.finished.outcome));
                }
                self.g.outcomes.on_items(batch)
            }
            Msg::Wake(_) | Msg::Drain => self.g.outcomes.on_timer(),
            Msg::Written(complete) => {
                for id in complete {
                    self.g.live.remove(&id);
                }
                self.g.outcomes.on_written()
            }
            other => unreachable!("{other:?} is not for outcomes"),
        };
        match next {
            Next::Wait => {}
            Next::SetTimer => {
                let wake = Event::Mail(Actor::Outcomes, Msg::Wake(0));
                self.later(FLUSH_AFTER, wake);
            }
            Next::Flush => self.flush(),
        }
        if self.g.drain == Drain::Journal {
            self.drain_on(Drain::Journal);
        }
    }

    fn flush(&mut self) {
        let endings = self.g.outcomes.take();
        for ended in &endings {
            self.books
                .moved(key(&ended.finished.delivery), HERE, Place::Writing);
        }
        let answers = self.answers(&endings);
        if !answers.is_empty() {
            self.post(Actor::Reaper, Place::Nowhere, Msg::Answers(answers));
        }
        let life = self.g.life(Actor::Outcomes);
        self.record(life, endings, RETRY_DELAY_MIN);
    }

    pub(crate) fn record(&mut self, life: u64, endings: Vec<Ended>, delay: u64) {
        let ended = endings.iter().map(|Ended { finished, .. }| {
            let (id, ordinal) = key(&finished.delivery);
            (id, ordinal, finished.outcome)
        });
        let write = Write::Record(ended.collect());
        self.write(write, Task::Recorded(life, endings, delay));
    }

    pub(crate) fn recorded(
        &mut self,
        life: u64,
        endings: Vec<Ended>,
        delay: u64,
        wrote: Result<Wrote, Trouble>,
    ) {
        if wrote.is_err() {
            let next = (delay * 2).min(RETRY_DELAY_MAX);
            let again = Event::Task(Task::Record(life, endings, next));
            return self.later(Duration::from_millis(delay), again);
        }
        let panics = self.healed_at.is_none() && self.options.weights.actor > 0;
        if panics && self.dice.chance(5) {
            return self.record_panicked(life, endings);
        }
        let mut endings = endings;
        let last = |Ended { finished, .. }: &mut Ended| {
            let delivery = &mut finished.delivery;
            delivery.ended(finished.outcome).then_some(delivery.live.id)
        };
        let complete: Vec<NotificationId> = endings.iter_mut().filter_map(last).collect();
        for ended in endings {
            let key = key(&ended.finished.delivery);
            self.books.moved(key, Place::Writing, Place::Nowhere);
        }
        if self.g.life(Actor::Outcomes) == life {
            self.post(Actor::Outcomes, Place::Nowhere, Msg::Written(complete));
        }
    }

    /// The task that wrote dies before it has told the books: only the journal knows.
    fn record_panicked(&mut self, life: u64, endings: Vec<Ended>) {
        for ended in &endings {
            self.books.lost_one(key(&ended.finished.delivery));
        }
        drop(endings);
        if self.g.life(Actor::Outcomes) == life {
            self.post(Actor::Outcomes, Place::Nowhere, Msg::Written(Vec::new()));
        }
    }

    /// What providers said of addresses, by pool.
    fn answers(&self, endings: &[Ended]) -> Vec<Answers> {
        let mut all: Vec<Answers> = Vec::new();
        for Ended { finished, verdict } in endings {
            let Some(verdict) = verdict else { continue };
            let delivery = &finished.delivery;
            let way = usize::from(delivery.address.channel == fanfare_types::Channel::Fcm);
            let app = self.app(&delivery.live.app);
            let pool = self.pools_of(app).start + way;
            let place = all.iter().position(|answers| answers.pool == pool);
            let place = place.unwrap_or_else(|| {
                all.push(Answers::none_of(pool));
                all.len() - 1
            });
            let suspect = |since| Suspect {
                app,
                device: delivery.device.clone(),
                address: delivery.address.clone(),
                since,
            };
            match verdict {
                Verdict::Accepted => all[place].sound += 1,
                Verdict::TokenSuspect => {
                    let since = cleanup::dead_since(None, delivery.registered_at);
                    all[place].suspects.push(suspect(since));
                }
                Verdict::TokenDead { since } => {
                    all[place].sound += 1;
                    let since = cleanup::dead_since(*since, delivery.registered_at);
                    all[place].dead.push(suspect(since));
                }
                _ => {}
            }
        }
        all
    }
}

fn outcome(outcome: Outcome) -> Seen {
    match outcome {
        Outcome::Delivered => Seen::Delivered,
        Outcome::Rejected => Seen::Rejected,
        Outcome::Dead => Seen::Dead,
        Outcome::Expired => Seen::Expired,
        Outcome::Cancelled => Seen::Cancelled,
        Outcome::Failed => Seen::Failed,
    }
}
