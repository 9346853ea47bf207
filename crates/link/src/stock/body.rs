//! Request bodies on their way through `h2`, and whether it still holds them.
//!
//! `h2` queues a body and writes it as the peer's windows allow, but does not tell when. It drops the body once it is
//! written whole, so a body leaves a mark when it is dropped: a request whose time is over while its body is still
//! held cannot have been processed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use bytes::{Buf, Bytes};

/// A bit for each slot whose body is held. Only the task of the connection reads and writes it.
pub(crate) struct Bodies(Box<[AtomicU64]>);

pub(crate) struct Body {
    bytes: Bytes,
    bodies: Arc<Bodies>,
    slot: usize,
}

impl Bodies {
    pub(crate) fn new(slots: usize) -> Arc<Self> {
        let words = (0..slots.div_ceil(64)).map(|_| AtomicU64::new(0));
        Arc::new(Bodies(words.collect()))
    }

    /// The body of the request in `slot`. One that was there before and is dropped only later makes this one look
    /// written, too, which is the safe side.
    pub(crate) fn hold(self: &Arc<Self>, slot: usize, bytes: Bytes) -> Body {
        self.0[slot / 64].fetch_or(1 << (slot % 64), Relaxed);
        Body {
            bytes,
            bodies: self.clone(),
            slot,
        }
    }

    /// Whether some of the body in `slot` has surely not been written.
    pub(crate) fn is_held(&self, slot: usize) -> bool {
        self.0[slot / 64].load(Relaxed) & (1 << (slot % 64)) != 0
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        self.bodies.0[self.slot / 64].fetch_and(!(1 << (self.slot % 64)), Relaxed);
    }
}

impl Buf for Body {
    fn remaining(&self) -> usize {
        self.bytes.len()
    }

    fn chunk(&self) -> &[u8] {
        &self.bytes
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
    }
}
