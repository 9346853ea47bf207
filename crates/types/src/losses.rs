//! Deliveries of a notification that a crash dropped before they had ended.
//!
//! The journal still has them. Whoever brings work from it into memory is told at once, and knows which.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// Told that something was lost; must return at once, since it is called while a delivery is dropped.
pub type OnLoss = Arc<dyn Fn() + Send + Sync>;

/// The ordinals that were lost and not brought back yet. Bounded by the notification's recipients.
#[derive(Default)]
pub struct Losses {
    ordinals: Mutex<Vec<u32>>,
    on_loss: OnceLock<OnLoss>,
}

impl Losses {
    /// Whom to tell; the first one stays.
    pub fn tell(&self, on_loss: OnLoss) {
        // Set already: by whoever entered the notification first.
        drop(self.on_loss.set(on_loss));
    }

    /// These were lost (again).
    pub fn add(&self, ordinals: impl IntoIterator<Item = u32>) {
        self.lock().extend(ordinals);
        if let Some(tell) = self.on_loss.get() {
            tell();
        }
    }

    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Takes what was lost, in ascending order; whoever takes it brings it back.
    pub fn take(&self) -> Vec<u32> {
        let mut taken = std::mem::take(&mut *self.lock());
        taken.sort_unstable();
        taken
    }

    fn lock(&self) -> MutexGuard<'_, Vec<u32>> {
        // A list of numbers is whole whatever panicked.
        self.ordinals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Losses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Losses({})", self.lock().len())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn a_loss_is_told_and_taken_once() {
        let losses = Losses::default();
        losses.add([5]);
        let told = Arc::new(AtomicUsize::new(0));
        let tell = told.clone();
        losses.tell(Arc::new(move || {
            tell.fetch_add(1, Ordering::Relaxed);
        }));
        losses.add([3, 4]);
        assert_eq!(told.load(Ordering::Relaxed), 1);
        assert_eq!(losses.take(), [3, 4, 5]);
        assert!(losses.is_empty());
    }
}
