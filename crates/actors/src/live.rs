//! The notifications in memory, by id. Whoever works on one holds its `Arc`; a notification that only this map
//! holds and that is not complete has lost deliveries to a crash, and is read again from the journal.

use std::sync::Arc;

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use fanfare_types::{AppId, Live, NotificationId};

/// Cheap to clone. Bounded by permits: each entry has a delivery that holds one, or is being made or removed.
#[derive(Clone, Debug, Default)]
pub(crate) struct LiveBooks(Arc<DashMap<NotificationId, Arc<Live>>>);

impl LiveBooks {
    /// Enters a notification; `false` when it is there already.
    pub(crate) fn enter(&self, live: &Arc<Live>) -> bool {
        match self.0.entry(live.id) {
            Entry::Occupied(_) => false,
            Entry::Vacant(vacant) => {
                vacant.insert(live.clone());
                true
            }
        }
    }

    pub(crate) fn get(&self, app: &AppId, id: NotificationId) -> Option<Arc<Live>> {
        let live = self.0.get(&id)?;
        (live.app == *app).then(|| live.clone())
    }

    pub(crate) fn contains(&self, id: NotificationId) -> bool {
        self.0.contains_key(&id)
    }

    pub(crate) fn remove(&self, id: NotificationId) {
        self.0.remove(&id);
    }

    /// Removes what nobody works on any more. Returns how many of those were not complete.
    pub(crate) fn remove_orphans(&self) -> usize {
        let mut lost = 0;
        // Nobody can take a clone meanwhile: that needs the lock `retain` holds.
        self.0.retain(|_, live| {
            let orphan = Arc::strong_count(live) == 1;
            let complete = live.progress.counts().terminal() >= live.progress.recipients();
            lost += usize::from(orphan && !complete);
            !orphan
        });
        lost
    }
}

#[cfg(test)]
mod tests {
    use fanfare_types::message::Variables;
    use fanfare_types::{
        Counts, Lane, Message, OnUnknown, Options, Outcome, Priority, Progress, Timestamp,
    };

    use super::*;

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
            message: Message::default(),
            variables: Variables::new(),
            progress: Progress::new(1, Counts::default()),
        })
    }

    #[test]
    fn an_orphan_is_what_nobody_works_on() {
        let books = LiveBooks::default();
        let (held, lost, complete) = (live(1), live(2), live(3));
        assert!(books.enter(&held) && books.enter(&lost) && books.enter(&complete));
        assert!(!books.enter(&held));
        complete.progress.recording();
        complete.progress.ended(Outcome::Delivered);
        let ids = [lost.id, complete.id];
        drop((lost, complete));
        assert_eq!(books.remove_orphans(), 1);
        assert!(books.contains(held.id));
        assert!(!ids.iter().any(|id| books.contains(*id)));
    }

    #[test]
    fn another_app_sees_nothing() {
        let books = LiveBooks::default();
        let live = live(1);
        books.enter(&live);
        assert!(books.get(&AppId::new("news").unwrap(), live.id).is_none());
        assert!(books.get(&live.app, live.id).is_some());
    }
}
