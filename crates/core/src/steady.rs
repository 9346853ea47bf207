//! Steady: the gateway's time. It starts at what the machine's clock says and goes on with a clock that cannot be
//! set; when the machine's clock is set, it follows slowly, and never jumps.
//!
//! So an hour is an hour, or at worst a hundredth more or less, for everything that waits: retries, pauses, expiry,
//! provider tokens. Why the machine's clock is followed at all, and no faster: docs/adr/0016-a-clock-that-does-not-jump.md.

use std::time::Duration;

use fanfare_types::Timestamp;

/// A hundredth of what passes is made good: an hour in a hundred hours, a second in less than two minutes.
const SLOWNESS: u64 = 100;

/// A difference to what was expected that counts as the clock having been set, in microseconds.
const SET_MIN: u64 = 1_000_000;

/// The machine's clock is looked at so often.
const LOOK_EVERY: u64 = 1_000_000;

const MILLI: u64 = 1_000;

/// Times are in microseconds: since 1970, or since whenever the steady clock began.
#[derive(Clone, Debug)]
pub struct Steady {
    /// What the steady clock said at the last look …
    uptime: u64,
    /// … and what time it was then.
    now: u64,
    /// How far the machine's clock was ahead of that.
    behind: i64,
}

/// The machine's clock was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Set {
    /// Forward, or (negative) back, by so many milliseconds.
    pub by_ms: i64,
    /// How far it is ahead of the gateway's time now, in milliseconds.
    pub ahead_ms: i64,
}

impl Steady {
    /// Begins with the machine's time. `uptime` is what a clock says that no one can set.
    pub fn new(uptime: Duration, wall: Timestamp) -> Self {
        Steady {
            uptime: micros(uptime),
            now: wall.as_millis().saturating_mul(MILLI),
            behind: 0,
        }
    }

    pub fn now(&self, uptime: Duration) -> Timestamp {
        Timestamp(self.at(micros(uptime)).0 / MILLI)
    }

    /// Whether it is time to look at the machine's clock.
    pub fn wants_look(&self, uptime: Duration) -> bool {
        micros(uptime).saturating_sub(self.uptime) >= LOOK_EVERY
    }

    /// A look at the machine's clock. Tells when it was set.
    pub fn on_look(&mut self, uptime: Duration, wall: Timestamp) -> Option<Set> {
        let uptime = micros(uptime).max(self.uptime);
        let (now, expected) = self.at(uptime);
        let behind = difference(wall.as_millis().saturating_mul(MILLI), now);
        let by = behind.saturating_sub(expected);
        *self = Steady {
            uptime,
            now,
            behind,
        };
        (by.unsigned_abs() >= SET_MIN).then_some(Set {
            by_ms: by / 1_000,
            ahead_ms: behind / 1_000,
        })
    }

    /// The time, and how far behind it is still.
    fn at(&self, uptime: u64) -> (u64, i64) {
        let passed = uptime.saturating_sub(self.uptime);
        let made_good = (passed / SLOWNESS).min(self.behind.unsigned_abs());
        let signed = i64::try_from(made_good).unwrap_or(i64::MAX);
        let now = self.now.saturating_add(passed);
        match self.behind >= 0 {
            true => (now.saturating_add(made_good), self.behind - signed),
            false => (now.saturating_sub(made_good), self.behind + signed),
        }
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn difference(one: u64, other: u64) -> i64 {
    let size = i64::try_from(one.abs_diff(other)).unwrap_or(i64::MAX);
    if one >= other { size } else { -size }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: Timestamp = Timestamp(1_700_000_000_000);
    const HOUR: i64 = 3_600_000;

    /// A machine whose clock can be set.
    struct Machine {
        steady: Steady,
        uptime: Duration,
        /// What its clock is off by, in milliseconds.
        off: i64,
        told: Vec<Set>,
    }

    impl Machine {
        fn new() -> Self {
            let uptime = Duration::from_secs(77);
            Machine {
                steady: Steady::new(uptime, START),
                uptime,
                off: 0,
                told: Vec::new(),
            }
        }

        /// Really passed since the start, in milliseconds.
        fn real(&self) -> u64 {
            (self.uptime - Duration::from_secs(77)).as_millis() as u64
        }

        fn pass(&mut self, time: Duration) {
            self.uptime += time;
            if self.steady.wants_look(self.uptime) {
                let wall = Timestamp((START.0 + self.real()).saturating_add_signed(self.off));
                self.told.extend(self.steady.on_look(self.uptime, wall));
            }
        }

        fn pass_seconds(&mut self, seconds: u64) {
            for _ in 0..seconds {
                self.pass(Duration::from_secs(1));
            }
        }

        /// Passed by the gateway's time since the start, in milliseconds.
        fn passed(&self) -> u64 {
            self.steady.now(self.uptime).since(START).as_millis() as u64
        }
    }

    #[test]
    fn while_nobody_sets_the_clock_it_is_the_machines_time() {
        let mut machine = Machine::new();
        for millis in [1, 999, 1_000, 60_001, 86_400_000] {
            machine.pass(Duration::from_millis(millis));
            assert_eq!(machine.passed(), machine.real());
        }
        assert!(machine.told.is_empty());
    }

    #[test]
    fn an_hour_forward_or_back_changes_no_wait_by_more_than_a_hundredth() {
        for off in [HOUR, -HOUR] {
            let mut machine = Machine::new();
            machine.pass_seconds(10);
            machine.off = off;
            machine.pass_seconds(1_000);
            let set = Set {
                by_ms: off,
                ahead_ms: off,
            };
            assert_eq!(machine.told, [set], "told once");
            let expected = 1_010_000_i64 + off.signum() * 10_000;
            let wrong = expected - machine.passed() as i64;
            assert!(wrong.abs() <= 20, "{off}: {wrong} ms");
        }
    }

    #[test]
    fn what_is_set_to_rights_again_leaves_nothing_behind() {
        let mut machine = Machine::new();
        machine.off = HOUR;
        machine.pass_seconds(60);
        machine.off = 0;
        machine.pass_seconds(120);
        assert_eq!(machine.told.len(), 2);
        assert_eq!(machine.told[1].by_ms, -HOUR);
        assert_eq!(machine.passed(), machine.real());
    }

    #[test]
    fn a_second_is_made_good_in_two_minutes_and_an_hour_in_a_hundred() {
        for (off, seconds) in [
            (1_000, 110),
            (-1_000, 110),
            (HOUR, 370_000),
            (-HOUR, 370_000),
        ] {
            let mut machine = Machine::new();
            machine.off = off;
            machine.pass_seconds(seconds);
            let wrong = machine.passed() as i64 - machine.real() as i64 - off;
            assert_eq!(wrong, 0, "{off}");
        }
    }

    #[test]
    fn nonsense_does_not_stop_it() {
        let mut machine = Machine::new();
        for wall in [0, u64::MAX, 1] {
            machine.uptime += Duration::from_secs(1);
            machine.steady.on_look(machine.uptime, Timestamp(wall));
        }
        let wrong = machine.passed().abs_diff(machine.real());
        assert!(wrong <= machine.real() / 100 + 1, "{wrong}");
    }

    proptest! {
        #[test]
        fn it_never_goes_back(steps in proptest::collection::vec((0..5_000_u64, -2 * HOUR..2 * HOUR, any::<bool>()), 1..100)) {
            let mut machine = Machine::new();
            let mut before = machine.passed();
            for (millis, off, set) in steps {
                if set {
                    machine.off = off;
                }
                machine.pass(Duration::from_millis(millis));
                let now = machine.passed();
                prop_assert!(now >= before);
                prop_assert!(now - before <= millis + millis / 100 + 2);
                before = now;
            }
        }
    }
}
