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

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}
