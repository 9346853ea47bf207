//! Pushes under way on a connection, by the key their link knows them under.

use fanfare_core::pool::Job;
use fanfare_core::token::Generation;
use tokio::time::Instant;

/// One push under way. The notification's books count it as in flight for as long as this lives.
pub(super) struct Flight {
    /// Empty only inside `land`.
    job: Option<Job>,
    /// The provider token it carries.
    pub(super) token: Generation,
    pub(super) handed_at: Instant,
}

impl Flight {
    pub(super) fn new(job: Job, token: Generation, handed_at: Instant) -> Self {
        job.delivery.live.progress.handed_over();
        Flight {
            job: Some(job),
            token,
            handed_at,
        }
    }

    pub(super) fn land(mut self) -> Job {
        let job = self.job.take().expect("taken here only, and here it ends");
        job.delivery.live.progress.came_back();
        job
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if let Some(job) = &self.job {
            job.delivery.live.progress.came_back();
        }
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
