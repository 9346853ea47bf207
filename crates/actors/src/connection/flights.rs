//! Pushes under way on a connection, by the key their link knows them under.

use std::sync::Arc;

use fanfare_core::pool::Job;
use fanfare_core::token::Generation;
use fanfare_link::Request;
use fanfare_types::Live;
use tokio::time::Instant;

/// One push under way. The notification's books count it as in flight for as long as this lives, once
/// [`Flights::enter`] has entered it there.
pub(super) struct Flight {
    /// Empty only inside [`Flight::land`].
    job: Option<Job>,
    /// The books have it.
    is_entered: bool,
    /// The provider token it carries.
    pub(super) token: Generation,
    pub(super) handed_at: Instant,
}

impl Flight {
    pub(super) fn new(job: Job, token: Generation, handed_at: Instant) -> Self {
        Flight {
            job: Some(job),
            is_entered: false,
            token,
            handed_at,
        }
    }

    /// It came back: `landed` takes it from the books.
    pub(super) fn land(mut self, landed: &mut Landed) -> Job {
        let job = self.job.take().expect("taken here only, and here it ends");
        if self.is_entered {
            landed.add(&job.delivery.live);
        }
        job
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if let Some(job) = self.job.as_ref().filter(|_| self.is_entered) {
            job.delivery.live.progress.came_back(1);
        }
    }
}

/// Flights that landed, not yet taken from their notifications' books: those of one notification, which mostly come
/// one after the other, by one step. At the latest when this is dropped.
#[derive(Default)]
pub(super) struct Landed {
    live: Option<Arc<Live>>,
    count: u64,
}

impl Landed {
    fn add(&mut self, live: &Arc<Live>) {
        if !self.live.as_ref().is_some_and(|of| Arc::ptr_eq(of, live)) {
            self.tell();
            self.live = Some(live.clone());
        }
        self.count += 1;
    }

    fn tell(&mut self) {
        if let Some(live) = self.live.take() {
            live.progress.came_back(std::mem::take(&mut self.count));
        }
    }
}

impl Drop for Landed {
    fn drop(&mut self) {
        self.tell();
    }
}

/// A slab: keys are small and used again. Bounded by the streams the pool reckons with.
#[derive(Default)]
pub(super) struct Flights {
    places: Vec<Option<Flight>>,
    free: Vec<u32>,
}

impl Flights {
    pub(super) fn insert(&mut self, flight: Flight) -> u32 {
        if let Some(key) = self.free.pop() {
            self.places[key as usize] = Some(flight);
            return key;
        }
        let key = u32::try_from(self.places.len()).expect("fewer streams than 2^31 (RFC 9113)");
        self.places.push(Some(flight));
        key
    }

    /// Enters these in their notifications' books; those of one, which mostly come one after the other, by one step.
    pub(super) fn enter(&mut self, requests: &[Request]) {
        let mut rest = requests;
        while let Some(live) = rest.first().and_then(|first| self.live(first)) {
            let is_its =
                |request: &&Request| self.live(request).is_some_and(|of| Arc::ptr_eq(of, live));
            let count = rest.iter().take_while(is_its).count();
            live.progress.handed_over(count as u64);
            let (entered, others) = rest.split_at(count);
            for request in entered {
                if let Some(Some(flight)) = self.places.get_mut(request.key as usize) {
                    flight.is_entered = true;
                }
            }
            rest = others;
        }
    }

    fn live(&self, request: &Request) -> Option<&Arc<Live>> {
        let flight = self.places.get(request.key as usize)?.as_ref()?;
        flight.job.as_ref().map(|job| &job.delivery.live)
    }

    /// `None` for a key that is not under way.
    pub(super) fn remove(&mut self, key: u32) -> Option<Flight> {
        let flight = self.places.get_mut(key as usize)?.take()?;
        self.free.push(key);
        Some(flight)
    }

    pub(super) fn drain(&mut self) -> Vec<Flight> {
        self.free.clear();
        self.places.drain(..).flatten().collect()
    }
}
