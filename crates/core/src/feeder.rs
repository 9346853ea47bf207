//! Feeder: when the journal is walked for work to bring into memory. One walk at a time; it starts when the
//! earliest scheduled notification is due, or when somebody found that work was lost to a crash.

use std::time::Duration;

use fanfare_types::{NotificationId, Timestamp, ids::Id96};

#[derive(Clone, Debug)]
pub struct Limits {
    /// Notifications read from the journal in one call. Default 16.
    pub page: usize,
    /// Deliveries that take permits and are handed on together. Default 64.
    pub batch_max: usize,
    /// How long work waits before it asks for permits again. Default 20 ms.
    pub room_poll: Duration,
    /// Longest sleep, whatever is scheduled: the clock's pace may change. Default 60 s.
    pub sleep_max: Duration,
    /// Wait after a walk that the store broke off. Default 1 s.
    pub retry_delay: Duration,
    /// Deliveries lost to a crash are read again after this long: whom they go to may be starting again. Default
    /// 20 ms.
    pub lost_delay: Duration,
    /// How often they are looked for without being told. Default 30 s.
    pub lost_every: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            page: 16,
            batch_max: 64,
            room_poll: Duration::from_millis(20),
            sleep_max: Duration::from_secs(60),
            retry_delay: Duration::from_secs(1),
            lost_delay: Duration::from_millis(20),
            lost_every: Duration::from_secs(30),
        }
    }
}

/// What the shell does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    Wait,
    /// Walk the journal, and come back with [`Feeder::on_walked`].
    Walk,
    /// Call [`Feeder::on_wake`] at this instant.
    WakeAt(Timestamp),
}

#[derive(Debug)]
pub struct Feeder {
    limits: Limits,
    walking: bool,
    /// When there is something to feed.
    wanted: Option<Timestamp>,
    timer: Option<Timestamp>,
}

impl Feeder {
    pub fn new(limits: Limits) -> Self {
        Feeder {
            limits,
            walking: false,
            wanted: None,
            timer: None,
        }
    }

    /// There is, or will be, something to feed at `at`.
    pub fn on_wanted(&mut self, at: Timestamp, now: Timestamp) -> Next {
        self.want(at);
        self.next(now)
    }

    /// Deliveries were lost to a crash.
    pub fn on_lost(&mut self, now: Timestamp) -> Next {
        self.on_wanted(now + self.limits.lost_delay, now)
    }

    pub fn on_wake(&mut self, now: Timestamp) -> Next {
        self.timer = None;
        self.next(now)
    }

    /// A walk ended: with the next scheduled time, or `Err` when the store broke it off.
    pub fn on_walked(&mut self, next_due: Result<Option<Timestamp>, ()>, now: Timestamp) -> Next {
        self.walking = false;
        match next_due {
            Ok(None) => {}
            Ok(Some(at)) => self.want(at),
            Err(()) => self.want(now + self.limits.retry_delay),
        }
        self.next(now)
    }

    fn want(&mut self, at: Timestamp) {
        self.wanted = Some(self.wanted.map_or(at, |wanted| wanted.min(at)));
    }

    fn next(&mut self, now: Timestamp) -> Next {
        match self.wanted {
            _ if self.walking => Next::Wait,
            None => Next::Wait,
            Some(at) if at <= now => {
                self.walking = true;
                self.wanted = None;
                Next::Walk
            }
            Some(at) => self.sleep_until(at.min(now + self.limits.sleep_max)),
        }
    }

    fn sleep_until(&mut self, at: Timestamp) -> Next {
        if self.timer.is_some_and(|timer| timer <= at) {
            return Next::Wait;
        }
        self.timer = Some(at);
        Next::WakeAt(at)
    }
}

/// Where a walk passes again, because of what it met and could not take in: from the earliest of these on.
#[derive(Debug, Default)]
pub struct Again {
    from: Option<Option<NotificationId>>,
}

impl Again {
    /// This one is to be met again. A pass may meet ones that are earlier than those of the pass before it, which
    /// were not due then.
    pub fn meet(&mut self, id: NotificationId) {
        let from = just_before(id);
        self.from = Some(self.from.map_or(from, |known| known.min(from)));
    }

    /// The cursor of the next pass, if one is needed; it is forgotten here.
    pub fn take(&mut self) -> Option<Option<NotificationId>> {
        self.from.take()
    }
}

/// The cursor just before a notification, so that a walk from there meets it again.
pub fn just_before(id: NotificationId) -> Option<NotificationId> {
    let mut bytes = id.0.0;
    for byte in bytes.iter_mut().rev() {
        let (less, borrow) = byte.overflowing_sub(1);
        *byte = less;
        if !borrow {
            return Some(NotificationId(Id96(bytes)));
        }
    }
    None
}

/// The ordinals out of `0..count` that are not in `done` (ascending).
pub fn remaining(count: u32, done: &[u32]) -> Vec<u32> {
    (0..count)
        .filter(|ordinal| done.binary_search(ordinal).is_err())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: fn(u64) -> Timestamp = Timestamp;

    #[test]
    fn it_walks_when_due_and_one_at_a_time() {
        let mut feeder = Feeder::new(Limits::default());
        assert_eq!(feeder.on_wanted(T(0), T(10)), Next::Walk);
        assert_eq!(feeder.on_wanted(T(10), T(10)), Next::Wait);
        assert_eq!(feeder.on_walked(Ok(Some(T(500))), T(20)), Next::Walk);
        assert_eq!(
            feeder.on_walked(Ok(Some(T(500))), T(30)),
            Next::WakeAt(T(500))
        );
        assert_eq!(feeder.on_wanted(T(700), T(40)), Next::Wait);
        assert_eq!(feeder.on_wanted(T(300), T(40)), Next::WakeAt(T(300)));
        assert_eq!(feeder.on_wake(T(300)), Next::Walk);
        assert_eq!(
            feeder.on_walked(Ok(Some(T(500))), T(310)),
            Next::WakeAt(T(500))
        );
    }

    #[test]
    fn it_sleeps_no_longer_than_the_limit_and_tries_again_after_a_failure() {
        let mut feeder = Feeder::new(Limits::default());
        assert_eq!(
            feeder.on_wanted(T(9_000_000), T(0)),
            Next::WakeAt(T(60_000))
        );
        assert_eq!(feeder.on_wake(T(60_000)), Next::WakeAt(T(120_000)));
        assert_eq!(feeder.on_wanted(T(60_000), T(60_000)), Next::Walk);
        assert_eq!(
            feeder.on_walked(Err(()), T(60_000)),
            Next::WakeAt(T(61_000))
        );
        assert_eq!(feeder.on_walked(Ok(None), T(60_500)), Next::Wait);
    }

    #[test]
    fn what_was_lost_is_read_again_a_little_later() {
        let mut feeder = Feeder::new(Limits::default());
        assert_eq!(feeder.on_lost(T(100)), Next::WakeAt(T(120)));
        assert_eq!(feeder.on_lost(T(110)), Next::Wait);
        assert_eq!(feeder.on_wake(T(120)), Next::Walk);
        assert_eq!(feeder.on_lost(T(121)), Next::Wait);
        assert_eq!(feeder.on_walked(Ok(None), T(150)), Next::Walk);
    }

    fn id(low: u8) -> NotificationId {
        NotificationId(Id96([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, low]))
    }

    #[test]
    fn a_walk_passes_again_from_the_earliest_it_left() {
        let mut again = Again::default();
        assert_eq!(again.take(), None);
        again.meet(id(7));
        again.meet(id(8));
        // Scheduled before these were accepted, and due only now.
        again.meet(id(3));
        again.meet(id(7));
        assert_eq!(again.take(), Some(Some(id(2))));
        assert_eq!(again.take(), None);
        again.meet(id(7));
        again.meet(NotificationId(Id96([0; 12])));
        again.meet(id(8));
        assert_eq!(again.take(), Some(None), "from the first on");
    }

    #[test]
    fn the_cursor_before_an_id() {
        assert_eq!(just_before(id(5)), Some(id(4)));
        let borrowed = just_before(id(0)).unwrap();
        assert_eq!(borrowed.0.0[10..], [0, 255]);
        assert_eq!(just_before(NotificationId(Id96([0; 12]))), None);
    }

    #[test]
    fn what_remains_is_what_is_not_done() {
        assert_eq!(remaining(5, &[0, 3]), [1, 2, 4]);
        assert!(remaining(2, &[0, 1]).is_empty());
    }
}
