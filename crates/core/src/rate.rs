//! How often somebody may ask: so many times within any window of time, for each key of a bounded table.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::Hash;
use std::time::Duration;

use fanfare_types::Timestamp;

/// What a [`Limiter`] allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Requests of one key within any `window`, at least 1.
    pub per_window: usize,
    pub window: Duration,
    /// Keys remembered, at least 1. At it, the key that asked longest ago and is not at its limit is forgotten, and
    /// may ask up to `per_window` times anew; one at its limit is forgotten only when its window is over, or when
    /// every key there is at its limit.
    pub keys_max: usize,
}

/// Ten a minute, of ten thousand.
impl Default for Limits {
    fn default() -> Self {
        Limits {
            per_window: 10,
            window: Duration::from_secs(60),
            keys_max: 10_000,
        }
    }
}

/// The requests of the last window, exactly: no more than `per_window` pass within any window, however they fall.
#[derive(Debug)]
pub struct Limiter<K> {
    limits: Limits,
    keys: HashMap<K, Asked>,
    /// Whom to forget first, among those below their limit and those at it.
    below: BTreeMap<Place, K>,
    at_limit: BTreeMap<Place, K>,
    places: u64,
}

/// When a key last asked and passed; the number tells keys of one millisecond apart.
type Place = (Timestamp, u64);

#[derive(Debug)]
struct Asked {
    /// When it passed, oldest first; `per_window` entries at most.
    at: VecDeque<Timestamp>,
    place: Place,
}

impl<K: Clone + Eq + Hash> Limiter<K> {
    pub fn new(limits: Limits) -> Self {
        Limiter {
            limits,
            keys: HashMap::new(),
            below: BTreeMap::new(),
            at_limit: BTreeMap::new(),
            places: 0,
        }
    }

    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Lets a request pass and counts it, or says how long to wait until one may pass. A request that has to wait
    /// is not counted.
    ///
    /// # Errors
    /// The time to wait.
    pub fn on_request(&mut self, key: &K, now: Timestamp) -> Result<(), Duration> {
        let most = self.most();
        let mut at = match self.keys.get_mut(key) {
            None => VecDeque::new(),
            Some(asked) => {
                let window = self.limits.window;
                while asked.at.front().is_some_and(|first| now >= *first + window) {
                    asked.at.pop_front();
                }
                if asked.at.len() >= most
                    && let Some(first) = asked.at.front()
                {
                    return Err((*first + window).since(now));
                }
                let asked = self.forget(key);
                asked.map(|asked| asked.at).unwrap_or_default()
            }
        };
        self.make_room(now);
        at.push_back(now);
        self.remember(key.clone(), at, now);
        Ok(())
    }

    /// Keys remembered now.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    fn most(&self) -> usize {
        self.limits.per_window.max(1)
    }

    fn remember(&mut self, key: K, at: VecDeque<Timestamp>, now: Timestamp) {
        self.places += 1;
        let place = (now, self.places);
        let order = match at.len() >= self.most() {
            true => &mut self.at_limit,
            false => &mut self.below,
        };
        order.insert(place, key.clone());
        self.keys.insert(key, Asked { at, place });
    }

    fn forget(&mut self, key: &K) -> Option<Asked> {
        let asked = self.keys.remove(key)?;
        self.below.remove(&asked.place);
        self.at_limit.remove(&asked.place);
        Some(asked)
    }

    fn make_room(&mut self, now: Timestamp) {
        while self.keys.len() >= self.limits.keys_max.max(1) {
            let over = |(last, _): &Place| now >= *last + self.limits.window;
            let first = |order: &BTreeMap<Place, K>| {
                order
                    .first_key_value()
                    .map(|(place, key)| (*place, key.clone()))
            };
            let limited = first(&self.at_limit);
            let passed = limited.clone().filter(|(place, _)| over(place));
            match passed.or_else(|| first(&self.below)).or(limited) {
                Some((_, key)) => drop(self.forget(&key)),
                None => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn limiter(per_window: usize, keys_max: usize) -> Limiter<u32> {
        Limiter::new(Limits {
            per_window,
            window: MINUTE,
            keys_max,
        })
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp(1_000_000 + seconds * 1_000)
    }

    #[test]
    fn the_one_too_many_is_told_when_to_come_back_and_passes_then() {
        let mut limiter = limiter(3, 10);
        for second in [0, 10, 20] {
            assert_eq!(limiter.on_request(&1, at(second)), Ok(()));
        }
        let wait = |seconds| Err(Duration::from_secs(seconds));
        assert_eq!(limiter.on_request(&1, at(30)), wait(30));
        assert_eq!(
            limiter.on_request(&1, at(59)),
            wait(1),
            "asking in vain costs nothing"
        );
        assert_eq!(
            limiter.on_request(&2, at(59)),
            Ok(()),
            "others have their own"
        );
        assert_eq!(limiter.on_request(&1, at(60)), Ok(()));
        assert_eq!(limiter.on_request(&1, at(60)), wait(10));
    }

    #[test]
    fn whoever_is_at_the_limit_is_forgotten_last() {
        let mut limiter = limiter(2, 3);
        for _ in 0..2 {
            assert_eq!(limiter.on_request(&1, at(0)), Ok(()));
        }
        // However many others come, the first key still has to wait.
        for key in 100..1_000 {
            assert_eq!(limiter.on_request(&key, at(1)), Ok(()));
            assert!(limiter.len() <= 3);
        }
        assert!(limiter.on_request(&1, at(2)).is_err());
        // Once its window is over it is the first to go.
        assert_eq!(limiter.on_request(&2, at(61)), Ok(()));
        assert!(!limiter.keys.contains_key(&1));
        // When all are at their limit the one that asked longest ago goes.
        let mut full = self::limiter(1, 2);
        for key in 1..=3 {
            assert_eq!(full.on_request(&key, at(key.into())), Ok(()));
        }
        assert!(full.on_request(&2, at(4)).is_err() && full.on_request(&3, at(4)).is_err());
        assert_eq!(full.on_request(&1, at(4)), Ok(()));
    }

    proptest! {
        #[test]
        fn no_window_ever_holds_more_than_the_limit(
            per_window in 1..6usize,
            steps in proptest::collection::vec((0..4u32, 0..40u64), 1..200),
        ) {
            let mut limiter = limiter(per_window, 4);
            let (mut second, mut passed) = (0, Vec::new());
            for (key, pause) in steps {
                second += pause;
                match limiter.on_request(&key, at(second)) {
                    Ok(()) => passed.push((key, second)),
                    Err(wait) => {
                        prop_assert!(wait > Duration::ZERO && wait <= MINUTE);
                        // Told truly: then, and not before, one passes.
                        let recent = passed.iter().filter(|(other, at)| *other == key && second < at + 60);
                        prop_assert_eq!(recent.count(), per_window);
                    }
                }
                let recent = passed.iter().filter(|(other, at)| *other == key && second < at + 60);
                prop_assert!(recent.count() <= per_window);
                prop_assert_eq!(limiter.keys.len(), limiter.below.len() + limiter.at_limit.len());
            }
        }
    }
}
