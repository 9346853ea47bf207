//! The guard of one credential: suspects are held for a moment and marked only while they are few. A wrong key,
//! topic or environment makes every address look dead; then nothing held is marked, and the credential is
//! reported instead.

use std::collections::VecDeque;
use std::time::Duration;

use fanfare_types::Timestamp;

#[derive(Clone, Debug)]
pub struct Limits {
    /// How long a suspect is held before it is marked. Default 2 s.
    pub suspect_hold: Duration,
    /// The answers that count: those of this long. Default 10 min.
    pub window: Duration,
    /// Largest share of suspects among the answers of the window. Default 0.05. Above it nothing is marked.
    pub suspect_share_max: f64,
    /// Suspects that are never too many: up to this many in the window, and up to this many since the provider
    /// last accepted an address. Default 3.
    pub suspect_min: u64,
    /// Most suspects held at once, per credential. Default 1,000. At it further suspects are let go unmarked;
    /// the next push to them finds them again.
    pub held_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            suspect_hold: Duration::from_secs(2),
            window: Duration::from_secs(10 * 60),
            suspect_share_max: 0.05,
            suspect_min: 3,
            held_max: 1_000,
        }
    }
}

/// What a provider said of addresses since the last time.
#[derive(Debug)]
pub struct Answers<T> {
    /// Answers that show the credential works: accepted, or dead beyond doubt.
    pub sound: u64,
    /// Addresses that are dead unless the credential is wrong.
    pub suspects: Vec<T>,
}

/// What follows.
#[derive(Debug, PartialEq, Eq)]
pub struct Ruling<T> {
    /// Suspects to mark dead now.
    pub mark: Vec<T>,
    /// The credential turned suspicious, or sound again.
    pub turn: Option<Turn>,
    /// When to ask again, while any suspect is held.
    pub wake_at: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Too many suspects: the credential is wrong. `held` suspects were let go unmarked.
    Misconfigured { held: usize },
    /// Accepted answers brought the share down.
    Sound,
}

/// The window is kept as this many counts.
const SLICES: u32 = 20;

/// The answers and held suspects of one credential (app, channel, environment).
#[derive(Debug)]
pub struct Guard<T> {
    limits: Limits,
    slices: VecDeque<Slice>,
    held: VecDeque<(Timestamp, T)>,
    /// Suspects since the last sound answer, however long ago that was: a wrong key on a quiet app never
    /// fills a window, but it never gets a sound answer either.
    unproved: u64,
    tripped: bool,
}

#[derive(Debug)]
struct Slice {
    start: Timestamp,
    sound: u64,
    suspects: u64,
}

impl<T> Guard<T> {
    pub fn new(limits: Limits) -> Self {
        Guard {
            limits,
            slices: VecDeque::new(),
            held: VecDeque::new(),
            unproved: 0,
            tripped: false,
        }
    }

    /// Takes what a provider said, and decides about what is held.
    pub fn on_answers(&mut self, answers: Answers<T>, now: Timestamp) -> Ruling<T> {
        let suspects = u64::try_from(answers.suspects.len()).unwrap_or(u64::MAX);
        self.count(answers.sound, suspects, now);
        if answers.sound > 0 {
            self.unproved = 0;
        } else {
            self.unproved = self.unproved.saturating_add(suspects);
        }
        let due = now + self.limits.suspect_hold;
        let room = self.limits.held_max.saturating_sub(self.held.len());
        let held = answers.suspects.into_iter().take(room);
        self.held.extend(held.map(|suspect| (due, suspect)));
        self.on_time(now)
    }

    /// Decides about what is held.
    pub fn on_time(&mut self, now: Timestamp) -> Ruling<T> {
        self.forget(now);
        let too_many = self.too_many();
        let turn = match (self.tripped, too_many) {
            (false, true) => Some(Turn::Misconfigured {
                held: self.held.len(),
            }),
            (true, false) => Some(Turn::Sound),
            _ => None,
        };
        self.tripped = too_many;
        if too_many {
            self.held.clear();
        }
        let mut mark = Vec::new();
        while self.held.front().is_some_and(|(due, _)| *due <= now) {
            mark.extend(self.held.pop_front().map(|(_, suspect)| suspect));
        }
        let wake_at = self.held.front().map(|(due, _)| *due);
        Ruling {
            mark,
            turn,
            wake_at,
        }
    }

    /// Whether the credential is reported as misconfigured.
    pub fn is_tripped(&self) -> bool {
        self.tripped
    }

    fn count(&mut self, sound: u64, suspects: u64, now: Timestamp) {
        let length = self.limits.window / SLICES;
        let open = self
            .slices
            .back()
            .is_some_and(|slice| now.since(slice.start) < length);
        if !open {
            self.slices.push_back(Slice {
                start: now,
                sound: 0,
                suspects: 0,
            });
        }
        if let Some(slice) = self.slices.back_mut() {
            slice.sound += sound;
            slice.suspects += suspects;
        }
    }

    fn forget(&mut self, now: Timestamp) {
        let window = self.limits.window;
        while self
            .slices
            .front()
            .is_some_and(|slice| now.since(slice.start) > window)
        {
            self.slices.pop_front();
        }
    }

    fn too_many(&self) -> bool {
        let suspects: u64 = self.slices.iter().map(|slice| slice.suspects).sum();
        let sound: u64 = self.slices.iter().map(|slice| slice.sound).sum();
        let min = self.limits.suspect_min;
        let share = as_f64(suspects) / as_f64((suspects + sound).max(1));
        let flood = suspects > min && share > self.limits.suspect_share_max;
        flood || self.unproved > min
    }
}

fn as_f64(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
