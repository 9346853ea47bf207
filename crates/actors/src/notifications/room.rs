//! Room for an accept: taken at once, or waited for a little. Whoever finds the gateway full gets in as soon as
//! enough pushes have ended and it is their turn, and whoever asks again without pause is slowed instead of costing those
//! who were accepted their time.
//!
//! Of all who wait one looks for all, so that room that came wakes those whom it is for and nobody else.

use std::convert::Infallible;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fanfare_core::admission::{Answer, Place, Refused, Turn, Waiting, Wanted};
use fanfare_types::Permits;
use tokio::sync::oneshot;
use tokio::time::sleep;

use super::Parts;
use crate::{Error, Result};

/// How often room is looked for while somebody waits. What comes free meanwhile is little beside what the budgets hold.
const LOOK_EVERY: Duration = Duration::from_millis(5);

type Caller = oneshot::Sender<std::result::Result<Permits, Refused>>;

/// Who waits for room.
pub(crate) struct Room {
    waiting: Mutex<Waiting<Caller>>,
    /// Held by the one who looks; the next one takes over when it has its answer or goes away.
    looking: tokio::sync::Mutex<()>,
}

impl Room {
    /// At most so many wait at once.
    pub(crate) fn new(waiting_max: usize) -> Self {
        Room {
            waiting: Mutex::new(Waiting::new(waiting_max)),
            looking: tokio::sync::Mutex::default(),
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting<Caller>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Comes back with the room, or with why there is none: at `wanted.until`, or before when too many wait, when there never
/// will be any, or when the gateway drains.
pub(super) async fn take(parts: &Parts, wanted: Wanted, turn: Turn) -> Result<Permits> {
    let app = wanted.app.clone();
    let (caller, mut answered) = oneshot::channel();
    let _place = Waits::new(parts, wanted, turn, caller);
    let room = tokio::select! {
        biased;
        room = &mut answered => room,
        never = look(parts) => match never {},
    };
    // Nobody is forgotten without an answer.
    room.map_err(|_| Error::ShuttingDown)?.map_err(|refused| {
        parts.telemetry.refused(&app, refused.scope.label());
        Error::Refused(refused)
    })
}

/// Looks for all who wait, one caller at a time.
async fn look(parts: &Parts) -> Infallible {
    let _alone = parts.room.looking.lock().await;
    loop {
        sleep(LOOK_EVERY).await;
        let mut answers = Vec::new();
        if parts.gate.is_closed() {
            parts.room.waiting().close(&mut answers);
        } else {
            let now = parts.clock.now();
            let admission = &parts.admission;
            parts.room.waiting().look(admission, now, &mut answers);
        }
        tell(answers);
    }
}

fn tell(answers: Vec<Answer<Caller>>) {
    for Answer { who, room } in answers {
        // The room of one that went away comes back.
        drop(who.send(room));
    }
}

/// One of those that wait; it leaves on drop, also when its caller goes away.
struct Waits<'a> {
    room: &'a Room,
    place: Place,
}

impl<'a> Waits<'a> {
    fn new(parts: &'a Parts, wanted: Wanted, turn: Turn, caller: Caller) -> Self {
        let mut answers = Vec::new();
        let (room, now) = (&parts.room, parts.clock.now());
        let place =
            room.waiting()
                .arrive(wanted, turn, caller, &parts.admission, now, &mut answers);
        tell(answers);
        Waits { room, place }
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.room.waiting().leave(self.place);
    }
}

impl fmt::Debug for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Room({} waiting)", self.waiting().len())
    }
}
