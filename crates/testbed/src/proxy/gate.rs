//! What may pass now.

use std::collections::HashMap;
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

/// What is wrong with a way.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    Delay(Duration),
    Hang,
    Cut,
}

/// The fault of a way, and the sockets that a cut closes.
pub(super) struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    fault: Fault,
    /// Both ends of each connection, by its number.
    sockets: HashMap<u64, Vec<TcpStream>>,
}

impl Gate {
    pub(super) fn new() -> Gate {
        let state = State {
            fault: Fault::None,
            sockets: HashMap::new(),
        };
        Gate {
            state: Mutex::new(state),
            changed: Condvar::new(),
        }
    }

    pub(super) fn is_cut(&self) -> bool {
        self.state.lock().fault == Fault::Cut
    }

    /// A cut closes what is open.
    pub(super) fn set(&self, fault: Fault) {
        let mut state = self.state.lock();
        state.fault = fault;
        if fault == Fault::Cut {
            state.sockets.drain().for_each(|(_, pair)| close(&pair));
        }
        self.changed.notify_all();
    }

    /// Takes note of a socket, so that it can be closed; false when the way is cut.
    pub(super) fn admit(&self, link: u64, socket: TcpStream) -> bool {
        let mut state = self.state.lock();
        if state.fault == Fault::Cut {
            return false;
        }
        state.sockets.entry(link).or_default().push(socket);
        true
    }

    /// Closes a connection.
    pub(super) fn end(&self, link: u64) {
        let pair = self.state.lock().sockets.remove(&link);
        close(&pair.unwrap_or_default());
    }

    /// Waits until a request may pass; false when it never may.
    pub(super) fn request(&self) -> bool {
        let mut state = self.state.lock();
        while state.fault == Fault::Hang {
            self.changed.wait(&mut state);
        }
        state.fault != Fault::Cut
    }

    /// Waits until an answer may pass that came at `came`; false when it never may.
    pub(super) fn answer(&self, came: Instant) -> bool {
        let mut state = self.state.lock();
        loop {
            let left = match state.fault {
                Fault::None => return true,
                Fault::Cut => return false,
                Fault::Hang => Duration::MAX,
                Fault::Delay(by) => by.saturating_sub(came.elapsed()),
            };
            if left.is_zero() {
                return true;
            }
            match Instant::now().checked_add(left) {
                Some(due) => drop(self.changed.wait_until(&mut state, due)),
                None => self.changed.wait(&mut state),
            }
        }
    }
}

fn close(pair: &[TcpStream]) {
    for socket in pair {
        // It may be closed from the other side already.
        let _closed = socket.shutdown(Shutdown::Both);
    }
}
