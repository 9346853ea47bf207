//! Outcomes: when a buffer of endings is journaled. One write is under way at a time; the next buffer fills
//! meanwhile and follows at once, so that a busy gateway writes large batches and an idle one writes soon.

/// What the shell does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    Wait,
    /// Call [`Buffer::on_timer`] after `flush_after`.
    SetTimer,
    /// Write what [`Buffer::take`] gives.
    Flush,
}

/// Endings that wait for the journal. Bounded by the permits they hold.
#[derive(Debug)]
pub struct Buffer<T> {
    items: Vec<T>,
    flush_count: usize,
    writing: bool,
    timing: bool,
}

impl<T> Buffer<T> {
    /// `flush_count` endings are written without waiting for the timer.
    pub fn new(flush_count: usize) -> Self {
        Buffer {
            items: Vec::new(),
            flush_count,
            writing: false,
            timing: false,
        }
    }

    pub fn on_items(&mut self, items: impl IntoIterator<Item = T>) -> Next {
        self.items.extend(items);
        if self.writing || self.items.is_empty() {
            Next::Wait
        } else if self.items.len() >= self.flush_count {
            Next::Flush
        } else if self.timing {
            Next::Wait
        } else {
            self.timing = true;
            Next::SetTimer
        }
    }

    pub fn on_timer(&mut self) -> Next {
        self.timing = false;
        self.flush_if_any()
    }

    /// The write ended; what came meanwhile follows at once.
    pub fn on_written(&mut self) -> Next {
        self.writing = false;
        self.flush_if_any()
    }

    /// What to write now.
    pub fn take(&mut self) -> Vec<T> {
        self.writing = true;
        // As many are likely to come again.
        let next = Vec::with_capacity(self.items.len());
        std::mem::replace(&mut self.items, next)
    }

    pub fn is_writing(&self) -> bool {
        self.writing
    }

    /// Nothing waits and nothing is being written.
    pub fn is_idle(&self) -> bool {
        self.items.is_empty() && !self.writing
    }

    fn flush_if_any(&self) -> Next {
        if self.writing || self.items.is_empty() {
            Next::Wait
        } else {
            Next::Flush
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_wait_for_the_timer_and_many_do_not() {
        let mut buffer = Buffer::new(3);
        assert_eq!(buffer.on_items([]), Next::Wait);
        assert_eq!(buffer.on_items([1]), Next::SetTimer);
        assert_eq!(buffer.on_items([2]), Next::Wait);
        assert_eq!(buffer.on_timer(), Next::Flush);
        assert_eq!(buffer.take(), [1, 2]);
        assert_eq!(buffer.on_items([3, 4, 5]), Next::Wait);
        assert_eq!(buffer.on_timer(), Next::Wait);
        assert!(!buffer.is_idle());
        assert_eq!(buffer.on_written(), Next::Flush);
        assert_eq!(buffer.take(), [3, 4, 5]);
        assert_eq!(buffer.on_written(), Next::Wait);
        assert!(buffer.is_idle());
        assert_eq!(buffer.on_items([6, 7, 8]), Next::Flush);
    }
}
