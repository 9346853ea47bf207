//! Flow control (RFC 9113, sections 5.2 and 6.9): windows of what may be sent, and of what we let the peer send.

/// What a window is at most: 2^31-1.
pub(super) const WINDOW_MAX: u32 = (1 << 31) - 1;

/// What every window begins with.
pub(super) const WINDOW_FIRST: u32 = 65_535;

/// How much we may send. It may be below zero after the peer has lowered SETTINGS_INITIAL_WINDOW_SIZE (section 6.9.2).
#[derive(Clone, Copy, Debug)]
pub(super) struct SendWindow(i64);

/// A window beyond 2^31-1.
pub(super) struct Overflow;

impl SendWindow {
    pub(super) fn new(size: u32) -> Self {
        SendWindow(i64::from(size))
    }

    pub(super) fn available(self) -> usize {
        usize::try_from(self.0).unwrap_or(0)
    }

    pub(super) fn take(&mut self, count: usize) {
        self.0 -= count as i64;
    }

    pub(super) fn change(&mut self, by: i64) -> Result<(), Overflow> {
        self.0 += by;
        match self.0 > i64::from(WINDOW_MAX) {
            true => Err(Overflow),
            false => Ok(()),
        }
    }
}

/// How much the peer may send. What it has sent is given back in batches, half a window each.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReceiveWindow {
    size: u32,
    left: u32,
}

impl ReceiveWindow {
    pub(super) fn new(size: u32) -> Self {
        ReceiveWindow { size, left: size }
    }

    /// The peer has sent so many bytes. `Err` when it was allowed fewer.
    pub(super) fn take(&mut self, count: usize) -> Result<(), Overflow> {
        let left = usize::try_from(self.left).unwrap_or(usize::MAX);
        let left = left.checked_sub(count).ok_or(Overflow)?;
        self.left = u32::try_from(left).map_err(|_| Overflow)?;
        Ok(())
    }

    /// The increment that is due, if one is.
    pub(super) fn give_back(&mut self) -> Option<u32> {
        let taken = self.size - self.left;
        if taken < self.size.div_ceil(2) {
            return None;
        }
        self.left = self.size;
        Some(taken)
    }
}
