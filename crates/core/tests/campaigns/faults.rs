//! What dies, and what goes with it.

use fanfare_types::Delivery;

use crate::world::{Ended, Op, World};

impl World {
    /// Somebody crashes.
    pub(crate) fn crash(&mut self) {
        match self.dice.below(6) {
            0 => self.process_dies(),
            1 => self.child_dies(),
            2 => self.supervisor_dies(),
            3 => self.outcomes_die(),
            4 => {
                self.seen.pool_crashes += 1;
                let flying = std::mem::take(&mut self.flying);
                self.in_doubt(&flying);
                let waiting = std::mem::take(&mut self.waiting);
                drop((flying, waiting));
            }
            _ => {
                // On its way to a pool that is not there.
                let at = self.dice.below(self.waiting.len() + 1);
                drop(self.waiting.split_off(at));
            }
        }
    }

    /// What was sent and is not recorded may be sent again.
    fn in_doubt(&mut self, deliveries: &[Delivery]) {
        for delivery in deliveries {
            let recipient = self.recipient(delivery);
            *self.doubt.entry(recipient).or_default() += 1;
        }
    }

    fn endings_in_doubt(&mut self, endings: Vec<Ended>) {
        let endings: Vec<_> = endings.into_iter().map(|ended| ended.delivery).collect();
        self.in_doubt(&endings);
    }

    fn child_dies(&mut self) {
        if self.child.take().is_some() {
            self.seen.child_crashes += 1;
            self.mail.clear();
            self.wants_look = true;
        }
    }

    /// With its campaigns.
    fn supervisor_dies(&mut self) {
        if let Some(entry) = &self.entry {
            entry.run.withdraw();
        }
        self.sweep();
        self.child_dies();
        self.wants_look = true;
    }

    /// The actor with its buffer, and the write under way when that panics.
    fn outcomes_die(&mut self) {
        self.seen.outcome_crashes += 1;
        let buffer = std::mem::take(&mut self.buffer);
        self.endings_in_doubt(buffer);
        let is_record = |op: &Op| matches!(op, Op::Record(_));
        let at = self.tasks.iter().position(|task| is_record(&task.op));
        if let Some(at) = at
            && self.dice.once_in(2)
        {
            let task = self.tasks.swap_remove(at);
            if let Op::Record(endings) = task.op {
                // The store may have been quicker than the panic.
                if task.is_done || self.dice.once_in(2) {
                    self.record(&endings);
                }
                self.endings_in_doubt(endings);
            }
        }
        self.is_writing = self.tasks.iter().any(|task| is_record(&task.op));
    }

    /// kill -9: of the writes under way some are durable.
    pub(crate) fn process_dies(&mut self) {
        self.seen.process_crashes += 1;
        for task in std::mem::take(&mut self.tasks) {
            let is_durable = !task.is_done && self.dice.once_in(2);
            if is_durable {
                drop(self.run_op(&task.op));
            }
            if let Op::Record(endings) = task.op {
                self.endings_in_doubt(endings);
            }
        }
        let flying = std::mem::take(&mut self.flying);
        self.in_doubt(&flying);
        let buffer = std::mem::take(&mut self.buffer);
        self.endings_in_doubt(buffer);
        self.start_anew();
    }

    /// An empty memory.
    pub(crate) fn start_anew(&mut self) {
        self.waiting.clear();
        self.child = None;
        self.entry = None;
        self.mail.clear();
        self.timers.clear();
        self.is_writing = false;
        self.is_draining = false;
        self.is_quiet = false;
        self.flip = None;
        self.wants_look = true;
    }
}
