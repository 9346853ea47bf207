//! The dispatcher's shell, as `actors/src/dispatcher.rs`.

use fanfare_core::dispatch::{DEVICE_GONE, Effect, Read};
use fanfare_core::pool::Ended;
use fanfare_types::{Channel, Delivery};

use crate::books::Place;
use crate::coverage::Seen;
use crate::event::{Actor, Event, Msg, Task, key};
use crate::gateway::{Drain, WAYS};
use crate::sim::Sim;

const HERE: Place = Place::At(Actor::Dispatcher);

impl Sim {
    pub(crate) fn at_dispatcher(&mut self, msg: Msg) {
        let now = self.now();
        let drains = matches!(msg, Msg::Drain);
        let mut effects = Vec::new();
        let dispatch = &mut self.g.dispatcher;
        match msg {
            Msg::Deliveries(batch) => {
                dispatch.on_deliveries(batch, &self.g.revocations, now, &mut effects);
            }
            Msg::Routed(read) => dispatch.on_read(read, now, &mut effects),
            Msg::Cancelled(app) => dispatch.on_cancelled(&self.apps[app], now, &mut effects),
            Msg::Wake(_) => dispatch.on_wake(now, &mut effects),
            Msg::Drain => dispatch.on_drain(),
            other => unreachable!("{other:?} is not for the dispatcher"),
        }
        for effect in effects {
            self.dispatcher_does(effect);
        }
        if self.g.drain != Drain::No {
            // What it does not hold any more stays in the journal.
            let waiting = self.g.dispatcher.waiting();
            if waiting == 0 {
                self.books.left_at(HERE);
            }
            if drains {
                self.drain_on(Drain::Dispatcher);
            }
        }
    }

    fn dispatcher_does(&mut self, effect: Effect) {
        let now = self.now();
        match effect {
            Effect::Deliver(batch) => self.deliver(batch),
            Effect::End(batch) => {
                let ended: Vec<_> = batch
                    .into_iter()
                    .map(|finished| Ended {
                        finished,
                        verdict: None,
                    })
                    .collect();
                for ended in &ended {
                    if ended.finished.reason == DEVICE_GONE {
                        self.mark(Seen::DeviceGone);
                    } else {
                        self.books.ended(ended, now);
                    }
                }
                self.post(Actor::Outcomes, HERE, Msg::Ended(ended));
            }
            Effect::Read { app, batch } => {
                for delivery in &batch {
                    self.books.moved(key(delivery), HERE, Place::Reading);
                }
                let app = self.app(&app);
                let life = self.g.life(Actor::Dispatcher);
                self.read_then(Task::Route(life, app, batch));
            }
            Effect::WakeAt(at) => {
                let wake = Event::Mail(Actor::Dispatcher, Msg::Wake(0));
                self.later(at.since(now), wake);
            }
        }
    }

    pub(crate) fn read_route(&mut self, life: u64, app: usize, batch: Vec<Delivery>) {
        let routed_at = self.now();
        let app = &self.apps[app];
        let ids = batch.iter().filter_map(|one| one.device.as_ref());
        let rows = ids.filter_map(|(id, _)| self.store.row(app, *id).cloned());
        let rows = rows.collect();
        let devices = (!self.read_fails()).then_some(rows);
        let read = Read {
            batch,
            devices,
            routed_at,
        };
        self.read_then(Task::RouteDone(life, read));
    }

    pub(crate) fn routed(&mut self, life: u64, read: Read) {
        if self.g.life(Actor::Dispatcher) == life {
            return self.post(Actor::Dispatcher, Place::Reading, Msg::Routed(read));
        }
        for delivery in &read.batch {
            self.books.lost_one(key(delivery));
        }
    }

    /// To the pool of each delivery's app and channel.
    fn deliver(&mut self, batch: Vec<Delivery>) {
        let mut parts: Vec<Vec<Delivery>> = Vec::new();
        parts.resize_with(self.options.apps * WAYS, Vec::new);
        for delivery in batch {
            let way = usize::from(delivery.address.channel == Channel::Fcm);
            let pool = self.app(&delivery.live.app) * WAYS + way;
            parts[pool].push(delivery);
        }
        for (pool, part) in parts.into_iter().enumerate() {
            if !part.is_empty() {
                self.post(Actor::Pool(pool), HERE, Msg::Work(part));
            }
        }
    }

    pub(crate) fn pools_of(&self, app: usize) -> std::ops::Range<usize> {
        app * WAYS..(app + 1) * WAYS
    }
}
