//! Accepting: take room, read, journal, hand on.
//!
//! A notification is live before it is journaled, so that the feeder, which walks the journal, never takes it
//! for somebody's unfinished work. Should the caller go away in between, or the journal not know whether it
//! wrote, the notification leaves memory again and the feeder looks for it in the journal.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::Arc;

use fanfare_core::admission::{Turn, Wanted};
use fanfare_store::{Accept, Accepted, Idempotency};
use fanfare_types::{
    Address, Counts, Delivery, Device, Hold, Live, NotificationId, NotificationRecord, Permits,
    Progress, Slot, Target, Timestamp,
};

use super::{Acceptance, NewNotification, Parts, To, room};
use crate::{Error, Result};

/// Deliveries handed on in one message.
const BATCH_MAX: usize = 64;

pub(super) async fn accept(parts: &Arc<Parts>, mut new: NewNotification) -> Result<Acceptance> {
    let inside = parts.gate.enter()?;
    let named = distinct(&mut new.to);
    let Admitted { at, ends, permits } = admitted(parts, &new, named).await?;
    let scheduled = new.options.send_at.filter(|send_at| *send_at > at);
    let hold = parts.fleet.pick(parts.random.next()).ok_or(Error::NoSlot)?;
    let accept = record(parts, new, at, &ends, hold.slot);
    match scheduled {
        Some(send_at) => {
            // Told in any case: a caller who goes away may leave a journaled notification behind.
            let _told = Told { parts, at: send_at };
            journal(parts, accept, &hold).await
        }
        None if ends.is_empty() => journal(parts, accept, &hold).await,
        None => {
            let parts = parts.clone();
            let start = async move {
                let started = start(parts, accept, hold, ends, permits).await;
                drop(inside);
                started
            };
            // A panic in it is the caller's 503, and what it was about to send is looked for in the journal.
            tokio::spawn(start)
                .await
                .unwrap_or(Err(Error::ShuttingDown))
        }
    }
}

/// The ends of a notification, and a permit for each that is to be sent now.
struct Admitted {
    /// Taken before the read.
    at: Timestamp,
    ends: Vec<End>,
    permits: Permits,
}

/// Room first, then the read: nobody reads to be refused, and what is read has its room. It is taken for what the app's
/// calls come to; one that turns out to be more, and finds no room for the rest at once, gives all back and has the next
/// turn with what it needs.
async fn admitted(parts: &Parts, new: &NewNotification, named: usize) -> Result<Admitted> {
    let (app, lane) = (&new.app, new.options.lane);
    let until = parts.clock.now() + parts.limits.room_wait;
    let mut turn = Turn::Last;
    let mut count = match new.to {
        To::Addresses(_) => named,
        To::Users(_) | To::Devices(_) => parts.admission.expected(app, lane, named),
    };
    // A second turn is enough, unless devices come meanwhile; `call_timeout` bounds it all.
    loop {
        let wanted = Wanted {
            app: app.clone(),
            lane,
            count,
            until,
        };
        let mut permits = room::take(parts, wanted, turn).await?;
        // Before the read: what is revoked from now on may not be in it.
        let at = parts.clock.now();
        let ends = ends(parts, new).await?;
        if !matches!(new.to, To::Addresses(_)) {
            parts.admission.learn(app, named, ends.len());
        }
        let is_scheduled = new.options.send_at.is_some_and(|send_at| send_at > at);
        count = if is_scheduled { 0 } else { ends.len() };
        if permits.resize(count) {
            return Ok(Admitted { at, ends, permits });
        }
        turn = Turn::First;
    }
}

/// One end of a notification: a device as it was read, or an address as it was named.
enum End {
    Device(Box<Device>),
    Address(Address),
}

/// Leaves each recipient once; returns how many.
fn distinct(to: &mut To) -> usize {
    match to {
        To::Users(users) => once(users),
        To::Devices(devices) => once(devices),
        To::Addresses(addresses) => once(addresses),
    }
}

fn once<T: Clone + Eq + Hash>(named: &mut Vec<T>) -> usize {
    let mut seen = HashSet::with_capacity(named.len());
    named.retain(|name| seen.insert(name.clone()));
    named.len()
}

async fn ends(parts: &Parts, new: &NewNotification) -> Result<Vec<End>> {
    let devices = match &new.to {
        To::Users(users) => parts.store.devices_of(&new.app, users.clone()).await?,
        To::Devices(ids) => parts.store.devices_by_id(&new.app, ids.clone()).await?,
        To::Addresses(addresses) => {
            return Ok(addresses.iter().cloned().map(End::Address).collect());
        }
    };
    let deliverable = devices.into_iter().filter(Device::is_deliverable);
    Ok(deliverable
        .map(|device| End::Device(Box::new(device)))
        .collect())
}

/// Tells the feeder on drop.
struct Told<'a> {
    parts: &'a Parts,
    at: Timestamp,
}

impl Drop for Told<'_> {
    fn drop(&mut self) {
        self.parts.feeder.wanted(self.at);
    }
}

/// To be sent now. From the journal on it is a task of its own: a caller who goes away stops nothing half-way.
async fn start(
    parts: Arc<Parts>,
    accept: Accept,
    hold: Arc<Hold>,
    ends: Vec<End>,
    permits: Permits,
) -> Result<Acceptance> {
    let record = &accept.record;
    let live = Arc::new(Live {
        id: record.id,
        app: record.app.clone(),
        created_at: record.created_at,
        options: record.options.clone(),
        message: record.message.clone().into(),
        variables: record.variables.clone().into(),
        progress: Progress::new(ends.len() as u64, Counts::default()),
        run: None,
        hold,
    });
    let mut entered = Entered::new(&parts, &live);
    let acceptance = match journal(&parts, accept, &live.hold).await {
        Ok(acceptance) => acceptance,
        Err(error) => {
            entered.look = matches!(error, Error::Store(fanfare_store::Error::Unknown(_)));
            return Err(error);
        }
    };
    // A repeated request: the first one is under way, or done.
    let repeated = acceptance.id != live.id;
    entered.look = false;
    entered.stays = !repeated;
    if !repeated {
        hand_on(&parts, &live, ends, permits);
    }
    Ok(acceptance)
}

/// A notification that is live and not journaled yet. Unless it stays it leaves memory on drop, and the feeder
/// looks whether the journal has it after all.
struct Entered {
    parts: Arc<Parts>,
    id: NotificationId,
    look: bool,
    stays: bool,
}

impl Entered {
    fn new(parts: &Arc<Parts>, live: &Arc<Live>) -> Self {
        parts.live.enter(live);
        Entered {
            parts: parts.clone(),
            id: live.id,
            look: true,
            stays: false,
        }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        if !self.stays {
            self.parts.live.remove(self.id);
        }
        if self.look {
            self.parts.feeder.wanted(self.parts.clock.now());
        }
    }
}

fn record(parts: &Parts, new: NewNotification, now: Timestamp, ends: &[End], slot: Slot) -> Accept {
    let target = |end: &End| match end {
        End::Device(device) => Target {
            channel: device.address.channel,
            device: Some((device.id, device.user.clone())),
            address: None,
        },
        End::Address(address) => Target {
            channel: address.channel,
            device: None,
            address: Some(address.clone()),
        },
    };
    let idempotency = new.idempotency.map(|idempotency| Idempotency {
        key: idempotency.key,
        body: idempotency.body,
        expires_at: now + parts.limits.idempotency_ttl,
    });
    Accept {
        record: NotificationRecord {
            id: slot.name(NotificationId::new(now, parts.random.next())),
            app: new.app,
            created_at: now,
            options: new.options,
            message: new.message,
            variables: new.variables,
            targets: ends.iter().map(target).collect(),
        },
        idempotency,
    }
}

/// Makes it durable, or finds that it was. When the slot may be another node's by now, that one may not find it: then it
/// is not known what becomes of it.
async fn journal(parts: &Parts, accept: Accept, hold: &Hold) -> Result<Acceptance> {
    let record = &accept.record;
    let (id, recipients) = (record.id, record.targets.len());
    let (app, lane) = (record.app.clone(), record.options.lane);
    match parts.store.accept(accept).await? {
        Accepted::New if hold.is_lost() || parts.tenure.is_over(parts.clock.now()) => {
            let why = "this node's part of the work is another's by now".to_owned();
            Err(fanfare_store::Error::Unknown(why).into())
        }
        Accepted::New => {
            parts.telemetry.accepted(&app, lane, recipients);
            Ok(Acceptance {
                id,
                recipients: recipients as u64,
            })
        }
        Accepted::Repeated { id, recipients } => Ok(Acceptance { id, recipients }),
        Accepted::Conflict => Err(Error::IdempotencyConflict),
    }
}

/// Hands the deliveries on, in batches. The order of `ends` is that of the record's targets.
fn hand_on(parts: &Parts, live: &Arc<Live>, ends: Vec<End>, mut permits: Permits) {
    let routed_at = live.created_at;
    let mut batch = Vec::with_capacity(ends.len().min(BATCH_MAX));
    for (ordinal, end) in (0u32..).zip(ends) {
        let Some(permit) = permits.split() else {
            break;
        };
        let (device, address, locale, registered_at) = match end {
            End::Device(device) => {
                let locale = device.meta.locale.as_deref().map(Into::into);
                let name = (device.id, device.user);
                (Some(name), device.address, locale, device.registered_at)
            }
            End::Address(address) => (None, address, None, live.created_at),
        };
        batch.push(Delivery {
            live: live.clone(),
            ordinal,
            device,
            address,
            locale,
            variables: None,
            registered_at,
            routed_at,
            attempts: 0,
            auth_refreshes: 0,
            permit,
        });
        if batch.len() == BATCH_MAX {
            let next = Vec::with_capacity(BATCH_MAX);
            parts
                .dispatcher
                .dispatch(std::mem::replace(&mut batch, next));
        }
    }
    if !batch.is_empty() {
        parts.dispatcher.dispatch(batch);
    }
}
