//! The books: what the simulation knows of every delivery and device beside the gateway, and the promises that are
//! checked against it at every step.

use std::collections::{BTreeMap, BTreeSet};

use fanfare_core::pool::{Ended, How};
use fanfare_core::token::Generation;
use fanfare_types::{
    Address, Change, Channel, Delivery, DeviceId, Lane, NotificationId, NotificationRecord,
    OnUnknown, Outcome, Target, Timestamp, UserId, Verdict,
};

use crate::event::{Actor, key};
use crate::rules::{self, FCM_FOR, Known, Must};
use crate::store::Store;

/// A delivery: its notification and ordinal.
pub(crate) type Key = (NotificationId, u32);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// Not in memory: at best in the journal.
    Nowhere,
    /// In somebody's mailbox.
    Mail(Actor),
    At(Actor),
    /// With a routing read.
    Reading,
    /// With a write of outcomes.
    Writing,
}

/// A provider token as a push shows it: its pool, the pool's life, and which of its tokens.
pub(crate) type Shown = (usize, u64, Generation);

#[derive(Debug)]
pub(crate) struct Fate {
    pub(crate) place: Place,
    pub(crate) app: usize,
    pub(crate) lane: Lane,
    pub(crate) channel: Channel,
    drop: bool,
    due_at: Timestamp,
    expires_at: Timestamp,
    // Of its present life in memory.
    attempts: u32,
    auth_refreshes: u32,
    not_sent: u32,
    must: Must,
    answered_at: Timestamp,
    /// What was refused: a token of a pool, in one of the pool's lives.
    stale_token: Option<Shown>,
    /// When it came into its pool, by the simulation's clock, and was not handed over yet.
    pub(crate) in_pool_since: Option<u64>,
    /// Its device and when that was read; its address.
    pub(crate) routed: Option<(DeviceId, Timestamp)>,
    pub(crate) address: Option<Address>,
    // Of all its lives.
    /// How often the provider took it.
    took: u32,
    /// An answer was never seen.
    unknown: bool,
    /// It was lost from memory in a crash.
    lost: bool,
    pub(crate) outcome: Option<Outcome>,
}

/// A row as one change left it; `None` when it went away.
#[derive(Debug)]
struct Version {
    change: u64,
    to: Option<(UserId, Address)>,
    acknowledged: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Books {
    pub(crate) fates: BTreeMap<Key, Fate>,
    counts: BTreeMap<Place, usize>,
    versions: BTreeMap<(usize, DeviceId), Vec<Version>>,
    changes: u64,
    /// Acknowledged to their callers.
    pub(crate) accepted: BTreeSet<NotificationId>,
    cancelled: BTreeSet<NotificationId>,
    /// What was due once may not be any more.
    clock_jumps: bool,
}

impl Books {
    pub(crate) fn new(clock_jumps: bool) -> Self {
        Books {
            clock_jumps,
            ..Books::default()
        }
    }

    /// A notification was journaled.
    pub(crate) fn journaled(&mut self, app: usize, record: &NotificationRecord) {
        let options = &record.options;
        for (ordinal, target) in (0u32..).zip(&record.targets) {
            let fate = Fate {
                place: Place::Nowhere,
                app,
                lane: options.lane,
                channel: channel(target),
                drop: options.on_unknown == OnUnknown::Drop,
                due_at: options.send_at.unwrap_or(record.created_at),
                expires_at: options.expires_at,
                attempts: 0,
                auth_refreshes: 0,
                not_sent: 0,
                must: Must::Go,
                answered_at: Timestamp::default(),
                stale_token: None,
                in_pool_since: None,
                routed: None,
                address: None,
                took: 0,
                unknown: false,
                lost: false,
                outcome: None,
            };
            self.fates.insert((record.id, ordinal), fate);
        }
    }

    pub(crate) fn fate(&mut self, key: Key) -> &mut Fate {
        self.fates
            .get_mut(&key)
            .expect("only what is journaled moves")
    }

    /// How many deliveries are there.
    pub(crate) fn count(&self, place: Place) -> usize {
        self.counts.get(&place).copied().unwrap_or(0)
    }

    /// How many deliveries are in memory.
    pub(crate) fn in_memory(&self) -> usize {
        self.counts.values().sum()
    }

    /// A delivery goes from one place to the next: no place has it twice, and none lets go of what it has not.
    pub(crate) fn moved(&mut self, key: Key, from: Place, to: Place) {
        let fate = self.fate(key);
        assert_eq!(fate.place, from, "{key:?} on its way to {to:?}");
        self.put(key, to);
    }

    fn put(&mut self, key: Key, to: Place) {
        let from = std::mem::replace(&mut self.fate(key).place, to);
        if from != Place::Nowhere {
            *self.counts.get_mut(&from).expect("counted") -= 1;
        }
        if to != Place::Nowhere {
            *self.counts.entry(to).or_default() += 1;
        }
    }

    /// It comes into memory, where it is not, and its outcome is not known.
    pub(crate) fn enters(&mut self, delivery: &Delivery, to: Place) {
        let key = key(delivery);
        // Who cancels what is not in memory ends it in the journal, while the feeder may just be bringing it in.
        let cancelled = delivery.live.progress.is_cancelled();
        let fate = self.fate(key);
        let over = fate.outcome.is_some() && !cancelled;
        assert!(!over, "{key:?} was over and is sent again");
        fate.attempts = 0;
        fate.auth_refreshes = 0;
        fate.not_sent = 0;
        fate.must = Must::Go;
        fate.stale_token = None;
        fate.in_pool_since = None;
        self.moved(key, Place::Nowhere, to);
    }

    /// What is at these places goes down with them.
    pub(crate) fn lost(&mut self, is_lost: impl Fn(Place) -> bool) {
        self.leave(is_lost, true);
    }

    /// What a drain left over stays in the journal: nothing of it is under way.
    pub(crate) fn left_at(&mut self, place: Place) {
        self.leave(|of| of == place, false);
    }

    /// All that is in memory is left to the journal.
    pub(crate) fn left_to_the_journal(&mut self) {
        self.leave(|_| true, false);
    }

    pub(crate) fn lost_one(&mut self, key: Key) {
        self.fate(key).lost = true;
        self.put(key, Place::Nowhere);
    }

    fn leave(&mut self, leaves: impl Fn(Place) -> bool, lost: bool) {
        let at = |fate: &Fate| fate.place != Place::Nowhere && leaves(fate.place);
        let fates = self.fates.iter().filter(|(_, fate)| at(fate));
        let keys: Vec<_> = fates.map(|(key, _)| *key).collect();
        for key in keys {
            let fate = self.fate(key);
            let answered = matches!(fate.must, Must::End(_)) && fate.outcome.is_none();
            let forgotten = answered && !lost;
            assert!(!forgotten, "{key:?} was answered, and a drain forgot it");
            fate.lost |= lost;
            self.put(key, Place::Nowhere);
        }
    }

    /// It came to its pool. Returns whether with another address than before. Whoever was routed anew begins anew with what was surely not processed.
    pub(crate) fn routed(&mut self, delivery: &Delivery, at: u64) -> bool {
        let device = delivery.device.as_ref().map(|(id, _)| *id);
        let fate = self.fate(key(delivery));
        fate.not_sent = 0;
        // Its device may be reached another way by now.
        fate.channel = delivery.address.channel;
        fate.routed = device.map(|device| (device, delivery.routed_at));
        fate.in_pool_since.get_or_insert(at);
        let before = fate.address.replace(delivery.address.clone());
        before.is_some_and(|before| before != delivery.address)
    }

    /// The pool hands it over now: it must be time, and nothing may stand against it.
    /// Returns whether an answer to it was never seen.
    pub(crate) fn handed(&mut self, delivery: &Delivery, token: Shown, now: Timestamp) -> bool {
        let key = key(delivery);
        assert!(!self.cancelled.contains(&key.0), "{key:?} was cancelled");
        let clock_jumps = self.clock_jumps;
        let fate = self.fate(key);
        assert!(now < fate.expires_at, "{key:?} has expired");
        let is_due = now >= fate.due_at || clock_jumps;
        assert!(is_due, "{key:?} is not due");
        assert!(fate.outcome.is_none(), "{key:?} is over");
        match fate.must {
            Must::Go => {}
            Must::Wait(least, _) => {
                let earliest = fate.answered_at + least;
                assert!(
                    now >= earliest,
                    "{key:?} goes at {now:?}, before {earliest:?}"
                );
            }
            Must::End(outcome) => panic!("{key:?} must end as {outcome}"),
        }
        if let Some(stale) = fate.stale_token {
            assert_ne!(stale, token, "{key:?} goes with the token that was refused");
        }
        fate.in_pool_since = None;
        fate.unknown
    }

    /// A connection has looked for the last time, and the push leaves.
    pub(crate) fn leaves(&self, delivery: &Delivery, app: usize) {
        let Some((device, user)) = &delivery.device else {
            return;
        };
        let versions = self.versions.get(&(app, *device)).into_iter().flatten();
        let goes_to = (user, &delivery.address);
        for version in versions.rev() {
            let to = version.to.as_ref().map(|(user, address)| (user, address));
            if to == Some(goes_to) {
                return;
            }
            assert!(
                !version.acknowledged,
                "{:?} goes to {user}, whose device it is no more since change {}",
                key(delivery),
                version.change
            );
        }
    }

    /// What came back to its pool.
    pub(crate) fn returned(&mut self, key: Key, how: &How, pool: (usize, u64), now: Timestamp) {
        let fate = self.fate(key);
        let verdict = match how {
            How::Answered { verdict, .. } => *verdict,
            How::NotTaken => Verdict::NotSent,
            How::Stale => return,
            How::Over => return,
            How::Unsendable(outcome, _) => {
                fate.must = Must::End(*outcome);
                return;
            }
        };
        match verdict {
            Verdict::NotSent => fate.not_sent += 1,
            _ => {
                fate.attempts += 1;
                fate.not_sent = 0;
            }
        }
        let known = Known {
            channel: fate.channel,
            attempts: fate.attempts,
            auth_refreshes: fate.auth_refreshes,
            not_sent: fate.not_sent,
            drop: fate.drop,
        };
        fate.must = rules::after(verdict, known);
        fate.answered_at = now;
        if let How::Answered {
            verdict: Verdict::AuthRefresh { .. },
            token,
            ..
        } = how
        {
            fate.auth_refreshes += 1;
            fate.stale_token = Some((pool.0, pool.1, *token));
        }
        fate.unknown |= verdict == Verdict::Unknown;
    }

    /// How a pool says a delivery has ended.
    pub(crate) fn ended(&mut self, ended: &Ended, now: Timestamp) {
        let finished = &ended.finished;
        let delivery = &finished.delivery;
        let key = key(delivery);
        let is_cancelled = delivery.live.progress.is_cancelled();
        let fate = self.fate(key);
        assert_eq!(delivery.attempts, fate.attempts, "attempts of {key:?}");
        let outcome = finished.outcome;
        if let Must::End(must) = fate.must {
            assert_eq!(outcome, must, "{key:?}");
            return;
        }
        match outcome {
            Outcome::Expired => fate.expires_rightly(key, now),
            Outcome::Cancelled => assert!(is_cancelled, "{key:?} was not cancelled"),
            _ => panic!("{key:?} ends as {outcome} on {:?}", fate.must),
        }
    }

    /// The feeder says that it ends, though it is not in memory.
    pub(crate) fn ends_unsent(&mut self, key: Key, outcome: Outcome, now: Timestamp) {
        let fate = self.fate(key);
        assert_eq!(fate.place, Place::Nowhere, "{key:?}");
        match outcome {
            Outcome::Expired => assert!(now >= fate.expires_at, "{key:?} expires early"),
            Outcome::Cancelled => {}
            _ => panic!("{key:?} ends as {outcome} and was never sent"),
        }
    }

    /// The provider took it. Twice is only right when an answer was never seen.
    pub(crate) fn took(&mut self, key: Key) -> bool {
        let fate = self.fate(key);
        fate.took += 1;
        let again = fate.took > 1;
        if again {
            let unseen = fate.lost || (fate.unknown && !fate.drop);
            assert!(unseen, "{key:?} was taken twice, and its answer was seen");
        }
        again
    }

    /// An outcome is durable: the first one, and only one.
    pub(crate) fn recorded(&mut self, key: Key, outcome: Outcome) {
        let fate = self.fate(key);
        let kept = *fate.outcome.get_or_insert(outcome);
        if kept == Outcome::Delivered {
            assert!(
                fate.took > 0,
                "{key:?} is delivered, and no provider has it"
            );
        }
    }

    pub(crate) fn cancel_acknowledged(&mut self, id: NotificationId) {
        self.cancelled.insert(id);
    }

    /// A change of the registry was carried out. Returns its number.
    pub(crate) fn changed(&mut self, app: usize, change: &Change, store: &Store) -> u64 {
        if let Some(address) = store.doubly_held() {
            panic!("two rows hold {}", address.expose());
        }
        self.changes += 1;
        let put = change.put.iter().map(|put| put.device.id);
        let gone = change.remove.iter().map(|gone| gone.id);
        for id in put.chain(gone) {
            let row = store.row(&change.app, id);
            let row = row.filter(|row| row.is_deliverable());
            self.versions.entry((app, id)).or_default().push(Version {
                change: self.changes,
                to: row.map(|row| (row.user.clone(), row.address.clone())),
                acknowledged: false,
            });
        }
        self.changes
    }

    /// Whoever asked for the change knows that it is done.
    pub(crate) fn acknowledged(&mut self, change: u64) {
        let versions = self.versions.values_mut().flatten();
        for version in versions.filter(|version| version.change == change) {
            version.acknowledged = true;
        }
    }
}

impl Fate {
    /// Not before its time, unless the next attempt could only come afterwards.
    fn expires_rightly(&self, key: Key, now: Timestamp) {
        let mut limit = self.expires_at;
        let mut latest = now;
        if let Must::Wait(_, most) = self.must {
            latest = latest.max(self.answered_at + most);
            if self.channel == Channel::Fcm {
                limit = limit.min(self.due_at + FCM_FOR);
            }
        }
        assert!(
            latest >= limit,
            "{key:?} expires at {now:?}, before {limit:?}"
        );
    }

    pub(crate) fn is_ready(&self, now: Timestamp) -> bool {
        match self.must {
            Must::Go => true,
            Must::Wait(_, most) => now >= self.answered_at + most,
            Must::End(_) => false,
        }
    }

    /// When it must be over at the latest, if nothing goes wrong from now on.
    pub(crate) fn over_by(&self) -> Timestamp {
        self.expires_at
    }
}

/// The channel a target is sent through.
fn channel(target: &Target) -> Channel {
    target.channel
}
