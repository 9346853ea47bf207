//! Accepting and cancelling, as `actors/src/notifications` carries them out.

use std::sync::Arc;
use std::time::Duration;

use fanfare_core::admission::{Answer, Refused, Scope, Turn, Wanted};
use fanfare_types::message::Variables;
use fanfare_types::{
    Address, Counts, Delivery, Device, DeviceId, Hold, Live, Message, NotificationId,
    NotificationRecord, Options, Permits, Progress, Slot, Target, Timestamp, UserId,
};

use crate::books::Place;
use crate::coverage::Seen;
use crate::event::{Actor, Event, Msg, Task};
use crate::gateway::Drain;
use crate::sim::Sim;
use crate::store::{Trouble, Write, Wrote};

/// Deliveries handed on in one message.
const BATCH_MAX: usize = 64;

/// How long a call waits for room, …
const ROOM_WAIT: Duration = Duration::from_millis(300);
/// … how many do at once, …
pub(crate) const ROOM_WAITING_MAX: usize = 4;
/// … and how often it is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(20);

#[derive(Clone, Debug)]
pub(crate) enum To {
    Users(Vec<UserId>),
    Devices(Vec<DeviceId>),
    Addresses(Vec<Address>),
}

#[derive(Clone, Debug)]
pub(crate) enum End {
    Device(Box<Device>),
    Address(Address),
}

/// A request under way.
#[derive(Debug)]
pub(crate) struct Accepting {
    pub(crate) app: usize,
    pub(crate) to: To,
    pub(crate) options: Options,
    /// When it is refused, should it find no room.
    until: Timestamp,
    /// Taken before the read.
    at: Timestamp,
    permits: Option<Permits>,
    ends: Vec<End>,
    record: Option<NotificationRecord>,
    live: Option<Arc<Live>>,
}

impl Accepting {
    pub(crate) fn new(app: usize, to: To, options: Options) -> Self {
        Accepting {
            app,
            to,
            options,
            until: Timestamp::default(),
            at: Timestamp::default(),
            permits: None,
            ends: Vec::new(),
            record: None,
            live: None,
        }
    }

    fn named(&self) -> usize {
        match &self.to {
            To::Users(users) => users.len(),
            To::Devices(devices) => devices.len(),
            To::Addresses(addresses) => addresses.len(),
        }
    }
}

impl Sim {
    pub(crate) fn accept(&mut self, mut new: Accepting) {
        if self.g.drain != Drain::No {
            return self.mark(Seen::RefusedDraining);
        }
        new.until = self.now() + ROOM_WAIT;
        let (app, lane, named) = (&self.apps[new.app], new.options.lane, new.named());
        let count = match new.to {
            To::Addresses(_) => named,
            To::Users(_) | To::Devices(_) => self.g.admission.expected(app, lane, named),
        };
        self.ask_for_room(Box::new(new), count, Turn::Last);
    }

    fn ask_for_room(&mut self, new: Box<Accepting>, count: usize, turn: Turn) {
        let wanted = Wanted {
            app: self.apps[new.app].clone(),
            lane: new.options.lane,
            count,
            until: new.until,
        };
        let (now, waited, mut answers) = (self.now(), self.g.room.len(), Vec::new());
        let g = &mut self.g;
        g.room
            .arrive(wanted, turn, new, &g.admission, now, &mut answers);
        self.tell_callers(answers, Seen::RefusedCrowded);
        if waited == 0 && !self.g.room.is_empty() {
            self.look_for_room_soon();
        }
    }

    fn look_for_room_soon(&mut self) {
        self.later(LOOK_EVERY, Event::Task(Task::Room));
    }

    pub(crate) fn look_for_room(&mut self) {
        let (now, mut answers) = (self.now(), Vec::new());
        let g = &mut self.g;
        match g.drain {
            Drain::No => g.room.look(&g.admission, now, &mut answers),
            _ => g.room.close(&mut answers),
        }
        if answers.iter().any(|answer| answer.room.is_ok()) {
            self.mark(Seen::WaitedForRoom);
        }
        self.tell_callers(answers, Seen::RefusedAfterWait);
        if !self.g.room.is_empty() {
            self.look_for_room_soon();
        }
    }

    fn tell_callers(&mut self, answers: Vec<Answer<Box<Accepting>>>, refusal: Seen) {
        for Answer { who: mut new, room } in answers {
            match room {
                Ok(permits) => {
                    self.g.permits_in_tasks += permits.count();
                    new.permits = Some(permits);
                    new.at = self.now();
                    self.read_then(Task::Recipients(new));
                }
                Err(refused) => {
                    if refused.scope != Scope::TooLarge {
                        self.mark(refusal);
                    }
                    self.refuse(refused);
                }
            }
        }
    }

    /// An accept that ends here, or asks again.
    fn give_room_back(&mut self, new: &mut Accepting) {
        let permits = new.permits.take();
        self.g.permits_in_tasks -= permits.map_or(0, |permits| permits.count());
    }

    fn refuse(&mut self, refused: Refused) {
        self.mark(match refused.scope {
            Scope::Gateway => Seen::RefusedGateway,
            Scope::Lane => Seen::RefusedLane,
            Scope::App => Seen::RefusedApp,
            Scope::TooLarge => Seen::RefusedTooLarge,
        });
    }

    pub(crate) fn read_recipients(&mut self, mut new: Box<Accepting>) {
        let app = &self.apps[new.app];
        let devices: Vec<_> = match &new.to {
            To::Users(users) => users
                .iter()
                .flat_map(|user| self.store.devices_of(app, user))
                .collect(),
            To::Devices(ids) => ids
                .iter()
                .filter_map(|id| self.store.row(app, *id).cloned())
                .collect(),
            To::Addresses(addresses) => {
                new.ends = addresses.iter().cloned().map(End::Address).collect();
                return self.admit(new);
            }
        };
        if self.read_fails() {
            return self.give_room_back(&mut new);
        }
        let deliverable = devices.into_iter().filter(Device::is_deliverable);
        new.ends = deliverable.map(|row| End::Device(Box::new(row))).collect();
        let app = &self.apps[new.app];
        self.g.admission.learn(app, new.named(), new.ends.len());
        self.read_then(Task::Admit(new));
    }

    pub(crate) fn admit(&mut self, mut new: Box<Accepting>) {
        let app = &self.apps[new.app];
        let scheduled = new.options.send_at.filter(|at| *at > new.at);
        let here = if scheduled.is_some() {
            0
        } else {
            new.ends.len()
        };
        let mut permits = new.permits.take().expect("room was found");
        let held = permits.count();
        if !permits.resize(here) {
            new.permits = Some(permits);
            self.give_room_back(&mut new);
            self.mark(Seen::RoomAskedAgain);
            return self.ask_for_room(new, here, Turn::First);
        }
        self.g.permits_in_tasks = self.g.permits_in_tasks - held + here;
        let record = NotificationRecord {
            id: NotificationId::new(new.at, self.dice.next()),
            app: app.clone(),
            created_at: new.at,
            options: new.options.clone(),
            message: Message::default(),
            variables: Variables::new(),
            targets: new.ends.iter().map(target).collect(),
        };
        if here > 0 {
            let live = Arc::new(live(&record, Counts::default()));
            self.g.enter(&live);
            new.live = Some(live);
        }
        new.record = Some(record.clone());
        self.write(
            Write::Accept(Box::new(record)),
            Task::Journaled(new, permits),
        );
    }

    pub(crate) fn journaled(
        &mut self,
        mut new: Box<Accepting>,
        permits: Permits,
        wrote: Result<Wrote, Trouble>,
    ) {
        self.g.permits_in_tasks -= permits.count();
        let id = new.record.as_ref().expect("written").id;
        if new.options.send_at.is_some_and(|at| at > new.at) {
            self.mark(Seen::Scheduled);
            let at = new.options.send_at.expect("scheduled");
            self.post(Actor::Feeder, Place::Nowhere, Msg::Wanted(at));
        }
        if let Err(trouble) = wrote {
            let was_live = new.live.take().is_some();
            if was_live {
                self.g.live.remove(&id);
            }
            if was_live && trouble == Trouble::Unknown {
                let now = self.now();
                self.post(Actor::Feeder, Place::Nowhere, Msg::Wanted(now));
            }
            return;
        }
        self.mark(Seen::Accepted);
        self.books.accepted.insert(id);
        match new.live.take() {
            Some(live) => self.hand_on(&live, new.ends, permits),
            None if new.ends.is_empty() => self.mark(Seen::NoRecipients),
            None => {}
        }
    }

    fn hand_on(&mut self, live: &Arc<Live>, ends: Vec<End>, mut permits: Permits) {
        let mut batch = Vec::new();
        for (ordinal, end) in (0u32..).zip(ends) {
            let Some(permit) = permits.split() else { break };
            let (device, address, registered_at) = match end {
                End::Device(row) => {
                    let row = *row;
                    (Some((row.id, row.user)), row.address, row.registered_at)
                }
                End::Address(address) => (None, address, live.created_at),
            };
            batch.push(Delivery {
                live: live.clone(),
                ordinal,
                device,
                address,
                locale: None,
                variables: None,
                registered_at,
                routed_at: live.created_at,
                attempts: 0,
                auth_refreshes: 0,
                permit,
            });
            if batch.len() == BATCH_MAX {
                self.dispatch_new(std::mem::take(&mut batch));
            }
        }
        self.dispatch_new(batch);
    }

    /// Deliveries that were not in memory before.
    pub(crate) fn dispatch_new(&mut self, batch: Vec<Delivery>) {
        if batch.is_empty() {
            return;
        }
        for delivery in &batch {
            self.books.enters(delivery, Place::At(Actor::Feeder));
        }
        let from = Place::At(Actor::Feeder);
        self.post(Actor::Dispatcher, from, Msg::Deliveries(batch));
    }

    pub(crate) fn cancel(&mut self, app: usize, id: NotificationId) {
        self.write(Write::Cancel(id), Task::CancelWritten(app, id));
    }

    pub(crate) fn cancel_written(
        &mut self,
        app: usize,
        id: NotificationId,
        wrote: Result<Wrote, Trouble>,
    ) {
        if wrote.is_err() {
            return;
        }
        if let Some(live) = self.g.live.get(&id) {
            live.progress.cancel();
            self.books.cancel_acknowledged(id);
            self.mark(Seen::CancelAcknowledged);
            self.post(Actor::Dispatcher, Place::Nowhere, Msg::Cancelled(app));
            for pool in self.pools_of(app) {
                self.post(Actor::Pool(pool), Place::Nowhere, Msg::Cancelled(app));
            }
            return;
        }
        let entry = &self.store.journal[&id];
        let count = entry.record.targets.len();
        if entry.cancelled && entry.ended.len() < count {
            self.mark(Seen::CancelledScheduled);
            let ordinals = 0..u32::try_from(count).expect("few");
            let ended = ordinals.map(|n| (id, n, fanfare_types::Outcome::Cancelled));
            let write = Write::Record(ended.collect());
            self.write(write, Task::CancelEnded(id));
        }
    }

    /// Whoever cancelled is answered when what never came into memory is over, too.
    pub(crate) fn cancel_ended(&mut self, id: NotificationId, wrote: Result<Wrote, Trouble>) {
        if wrote.is_ok() {
            self.books.cancel_acknowledged(id);
        }
    }
}

fn target(end: &End) -> Target {
    match end {
        End::Device(row) => Target {
            channel: row.address.channel,
            device: Some((row.id, row.user.clone())),
            address: None,
        },
        End::Address(address) => Target {
            channel: address.channel,
            device: None,
            address: Some(address.clone()),
        },
    }
}

/// A notification as it is in memory.
pub(crate) fn live(record: &NotificationRecord, ended: Counts) -> Live {
    Live {
        id: record.id,
        app: record.app.clone(),
        created_at: record.created_at,
        options: record.options.clone(),
        message: Message::default().into(),
        variables: Variables::new().into(),
        progress: Progress::new(record.targets.len() as u64, ended),
        run: None,
        hold: Hold::new(Slot::of_shard(0)),
    }
}
