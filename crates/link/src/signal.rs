//! Who woke the driver. Response streams are woken by the connection while the driver polls it, hundreds in a
//! turn; each sets one bit, and the driver polls only these, without scheduling itself anew.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::task::{Context, Wake, Waker};

use futures_util::task::AtomicWaker;

/// The wake-ups of one driver. Those that come during its turn only leave their mark: [`Signal::end`] tells
/// whether another turn is due. Sequential consistency makes either the mark or the end of the turn seen.
pub(crate) struct Signal {
    task: AtomicWaker,
    in_turn: AtomicBool,
    /// The inbox, the timer or [`crate::Sender::close`].
    turn: AtomicBool,
    connection: AtomicBool,
    /// A bit for each slot.
    slots: Box<[AtomicU64]>,
}

impl Signal {
    pub(crate) fn new(slots: usize) -> Arc<Self> {
        Arc::new(Signal {
            task: AtomicWaker::new(),
            in_turn: AtomicBool::new(false),
            turn: AtomicBool::new(false),
            connection: AtomicBool::new(false),
            slots: (0..slots.div_ceil(64)).map(|_| AtomicU64::new(0)).collect(),
        })
    }

    pub(crate) fn begin(&self, cx: &Context<'_>) {
        self.task.register(cx.waker());
        self.in_turn.store(true, SeqCst);
    }

    /// Forgets earlier wake-ups by the inbox or the timer: both are polled after this call.
    pub(crate) fn clear_turn(&self) {
        self.turn.store(false, SeqCst);
    }

    /// Forgets earlier wake-ups by the connection, which is polled after this call.
    pub(crate) fn clear_connection(&self) {
        self.connection.store(false, SeqCst);
    }

    /// Ends the turn; `true` when something woke the driver in it and has not been looked at.
    pub(crate) fn end(&self) -> bool {
        self.in_turn.store(false, SeqCst);
        self.turn.load(SeqCst)
            || self.connection.load(SeqCst)
            || self.slots.iter().any(|word| word.load(SeqCst) != 0)
    }

    /// Asks for a turn.
    pub(crate) fn raise(&self) {
        self.turn.store(true, SeqCst);
        self.wake_task();
    }

    /// How many words of marks there are, 64 slots each.
    pub(crate) fn words(&self) -> usize {
        self.slots.len()
    }

    /// Takes the marks of word `index`.
    pub(crate) fn take_word(&self, index: usize) -> u64 {
        // Most words are empty most of the time, and a load is cheaper than a swap.
        match self.slots[index].load(SeqCst) {
            0 => 0,
            _ => self.slots[index].swap(0, SeqCst),
        }
    }

    fn wake_task(&self) {
        if !self.in_turn.load(SeqCst) {
            self.task.wake();
        }
    }

    pub(crate) fn turn_waker(self: &Arc<Self>) -> Waker {
        Waker::from(Arc::new(TurnWaker(self.clone())))
    }

    pub(crate) fn connection_waker(self: &Arc<Self>) -> Waker {
        Waker::from(Arc::new(ConnectionWaker(self.clone())))
    }

    pub(crate) fn slot_waker(self: &Arc<Self>, slot: usize) -> Waker {
        Waker::from(Arc::new(SlotWaker(self.clone(), slot)))
    }
}

struct TurnWaker(Arc<Signal>);

impl Wake for TurnWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.raise();
    }
}

struct ConnectionWaker(Arc<Signal>);

impl Wake for ConnectionWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.connection.store(true, SeqCst);
        self.0.wake_task();
    }
}

struct SlotWaker(Arc<Signal>, usize);

impl Wake for SlotWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.slots[self.1 / 64].fetch_or(1 << (self.1 % 64), SeqCst);
        self.0.wake_task();
    }
}
