//! The gate of a drain: accepts pass it while it is open, and whoever closes it waits for those inside.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{Error, Result};

/// More accepts than there can be at once: requests are bounded.
const PLACES: u32 = u32::MAX >> 3;

#[derive(Debug)]
pub(crate) struct Gate {
    places: Arc<Semaphore>,
    closed: AtomicBool,
}

/// One accept inside; dropped when it is over.
#[derive(Debug)]
pub(crate) struct Inside {
    _place: OwnedSemaphorePermit,
}

impl Gate {
    pub(crate) fn open() -> Self {
        Gate {
            places: Arc::new(Semaphore::new(PLACES as usize)),
            closed: AtomicBool::new(false),
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// # Errors
    /// [`Error::ShuttingDown`] when it is closed.
    pub(crate) fn enter(&self) -> Result<Inside> {
        // The place first: whoever closes sees it taken, or this sees the gate closed.
        let place = self.places.clone().try_acquire_owned();
        match place {
            Ok(place) if !self.is_closed() => Ok(Inside { _place: place }),
            _ => Err(Error::ShuttingDown),
        }
    }

    /// Lets nobody in any more, and returns when nobody is inside.
    pub(crate) async fn close(&self) {
        self.closed.store(true, Ordering::Release);
        // An error means that it was closed before.
        drop(self.places.acquire_many(PLACES).await);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn closing_waits_for_those_inside_and_lets_nobody_in() {
        let gate = Gate::open();
        let inside = gate.enter().unwrap();
        let mut closing = Box::pin(gate.close());
        assert!((&mut closing).now_or_never().is_none());
        assert!(matches!(gate.enter(), Err(Error::ShuttingDown)));
        drop(inside);
        closing.await;
        assert!(gate.enter().is_err() && gate.is_closed());
    }
}
