//! The notifications in memory, by id. Each knows the deliveries that a crash dropped. Whoever works on one holds its
//! `Arc`; a notification that only this map holds and that is not complete is read again from the journal.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use fanfare_types::{AppId, Live, NotificationId, OnLoss};

use crate::feeder::FeederHandle;
use crate::fleet::FleetHandle;

/// Cheap to clone. Bounded by permits: each entry has a delivery that holds one, or is being made or removed.
#[derive(Clone)]
pub(crate) struct LiveBooks {
    entries: Arc<DashMap<NotificationId, Arc<Live>>>,
    /// Something was lost since the last look.
    has_losses: Arc<AtomicBool>,
    on_loss: OnLoss,
    fleet: FleetHandle,
}

/// What was lost of notifications in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Losses {
    /// So many are to be read again.
    pub(crate) lost: usize,
    /// Others are when nobody works on them any more, which nobody tells.
    pub(crate) is_waiting: bool,
}

impl LiveBooks {
    /// The feeder is told of losses.
    pub(crate) fn new(feeder: FeederHandle, fleet: FleetHandle) -> Self {
        let has_losses = Arc::new(AtomicBool::new(false));
        let flag = has_losses.clone();
        let on_loss = move || {
            // Once for a crash, however many deliveries go with it.
            if !flag.swap(true, Ordering::AcqRel) {
                feeder.look_for_lost();
            }
        };
        LiveBooks {
            entries: Arc::default(),
            has_losses,
            on_loss: Arc::new(on_loss),
            fleet,
        }
    }

    /// Enters a notification; `false` when it is there already.
    pub(crate) fn enter(&self, live: &Arc<Live>) -> bool {
        match self.entries.entry(live.id) {
            Entry::Occupied(_) => false,
            Entry::Vacant(vacant) => {
                live.progress.losses().tell(self.on_loss.clone());
                vacant.insert(live.clone());
                true
            }
        }
    }

    /// Of one whose slot is another node's by now the store knows better.
    pub(crate) fn get(&self, app: &AppId, id: NotificationId) -> Option<Arc<Live>> {
        let live = self.entries.get(&id)?;
        (live.app == *app && !live.hold.is_lost()).then(|| live.clone())
    }

    pub(crate) fn contains(&self, id: NotificationId) -> bool {
        self.entries.contains_key(&id)
    }

    pub(crate) fn remove(&self, id: NotificationId) {
        self.entries.remove(&id);
    }

    /// Removes what nobody works on any more. Returns how many notifications have lost deliveries that are to be read
    /// again: those of the removed that were not complete, and those that others still work on. What is another node's
    /// by now is that one's to read; when its slot has come back, it is read again once nobody here works on it.
    pub(crate) fn lost(&self) -> Losses {
        let (mut lost, mut is_waiting) = (0, false);
        // Nobody can take a clone meanwhile: that needs the lock `retain` holds.
        self.entries.retain(|_, live| {
            let orphan = Arc::strong_count(live) == 1;
            let complete = live.progress.counts().terminal() >= live.progress.recipients();
            let is_lost = match (orphan, live.hold.is_lost()) {
                (true, false) => !complete,
                (true, true) => !complete && self.is_back(live),
                (false, false) => !live.progress.losses().is_empty(),
                (false, true) => {
                    is_waiting |= !complete && self.is_back(live);
                    false
                }
            };
            lost += usize::from(is_lost);
            !orphan
        });
        Losses { lost, is_waiting }
    }

    /// Whether its slot is this node's again, under another hold.
    fn is_back(&self, live: &Live) -> bool {
        self.fleet.hold(live.hold.slot).is_some()
    }

    /// Removes what nobody works on any more of slots that are another node's.
    pub(crate) fn forget_lost(&self) {
        // Nobody can take a clone meanwhile: that needs the lock `retain` holds.
        self.entries.retain(|_, live| {
            let is_others = live.hold.is_lost() && self.fleet.hold(live.hold.slot).is_none();
            !is_others || Arc::strong_count(live) > 1
        });
    }

    /// Whose notifications are in memory of slots that were lost.
    pub(crate) fn apps_with_lost(&self) -> HashSet<AppId> {
        let lost = self.entries.iter().filter(|entry| entry.hold.is_lost());
        lost.map(|entry| entry.app.clone()).collect()
    }

    /// Whether something was lost since this was asked last.
    pub(crate) fn has_new_losses(&self) -> bool {
        self.has_losses.swap(false, Ordering::AcqRel)
    }

    /// The notifications that have lost deliveries.
    pub(crate) fn with_losses(&self) -> Vec<Arc<Live>> {
        let lost = self.entries.iter();
        let lost =
            lost.filter(|entry| !entry.hold.is_lost() && !entry.progress.losses().is_empty());
        lost.map(|entry| entry.value().clone()).collect()
    }
}

impl fmt::Debug for LiveBooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LiveBooks({})", self.entries.len())
    }
}

#[cfg(test)]
mod tests {
    use fanfare_types::message::Variables;
    use fanfare_types::{
        Counts, Hold, Lane, Message, OnUnknown, Options, Outcome, Priority, Progress, Timestamp,
    };

    use super::*;
    use crate::slot::Slot;

    fn live(id: u64) -> Arc<Live> {
        Arc::new(Live {
            id: NotificationId::new(Timestamp(1), id),
            app: AppId::new("shop").unwrap(),
            created_at: Timestamp(1),
            options: Options {
                priority: Priority::High,
                collapse_key: None,
                lane: Lane::Urgent,
                on_unknown: OnUnknown::Retry,
                expires_at: Timestamp(2),
                send_at: None,
            },
            message: Message::default().into(),
            variables: Variables::new().into(),
            progress: Progress::new(1, Counts::default()),
            run: None,
            hold: Hold::new(fanfare_types::Slot::of_shard(0)),
        })
    }

    #[test]
    fn an_orphan_is_what_nobody_works_on() {
        let books = LiveBooks::new(FeederHandle::new(Slot::empty()), FleetHandle::alone());
        let (held, lost, complete) = (live(1), live(2), live(3));
        assert!(books.enter(&held) && books.enter(&lost) && books.enter(&complete));
        assert!(!books.enter(&held));
        complete.progress.recording(1);
        complete.progress.ended(Outcome::Delivered, 1);
        let ids = [lost.id, complete.id];
        drop((lost, complete));
        let lost = Losses {
            lost: 1,
            is_waiting: false,
        };
        assert_eq!(books.lost(), lost);
        assert!(books.contains(held.id));
        assert!(!ids.iter().any(|id| books.contains(*id)));
    }

    #[test]
    fn another_app_sees_nothing() {
        let books = LiveBooks::new(FeederHandle::new(Slot::empty()), FleetHandle::alone());
        let live = live(1);
        books.enter(&live);
        assert!(books.get(&AppId::new("news").unwrap(), live.id).is_none());
        assert!(books.get(&live.app, live.id).is_some());
    }
}
