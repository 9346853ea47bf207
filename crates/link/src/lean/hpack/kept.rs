//! Runs of the heads in use, as long as they hold.

use std::sync::Arc;

use fanfare_types::Head;

use super::run::Run;

/// Heads whose runs are kept: the messages that a connection sends in turn. Beyond it they are written anew.
pub(super) const HEADS_MAX: usize = 128;

/// Until when a run holds.
#[derive(Clone, Copy)]
pub(super) struct Until {
    /// The table's state that it was written in.
    pub(super) era: u64,
    /// The block from which on it may be written better.
    pub(super) block: u64,
}

#[derive(Default)]
pub(super) struct Kept {
    heads: Vec<KeptHead>,
    /// Where the last one was found: the next is the same, or the one behind it when messages take turns.
    last: usize,
}

struct KeptHead {
    /// Held, so that its place in memory stays its name.
    head: Arc<Head>,
    whole: bool,
    run: Run,
    until: Until,
}

impl Kept {
    /// The run of the head, if it holds in this era and block.
    pub(super) fn find(
        &mut self,
        head: &Arc<Head>,
        whole: bool,
        era: u64,
        block: u64,
    ) -> Option<&Run> {
        let at = self.place(head, whole)?;
        self.last = at;
        let kept = &self.heads[at];
        (kept.until.era == era && block < kept.until.block).then_some(&kept.run)
    }

    /// Keeps a run, in the place of the head's former one or of the one behind the last found: where messages take turns,
    /// that one's turn is the longest ago. Gives back a run whose memory may be used.
    pub(super) fn keep(&mut self, head: &Arc<Head>, whole: bool, run: Run, until: Until) -> Run {
        let kept = KeptHead {
            head: head.clone(),
            whole,
            run,
            until,
        };
        let at = match self.place(head, whole) {
            Some(at) => at,
            None if self.heads.len() < HEADS_MAX => {
                self.last = self.heads.len();
                self.heads.push(kept);
                return Run::default();
            }
            None => (self.last + 1) % HEADS_MAX,
        };
        self.last = at;
        std::mem::replace(&mut self.heads[at], kept).run
    }

    fn place(&self, head: &Arc<Head>, whole: bool) -> Option<usize> {
        let is_it = |kept: &KeptHead| Arc::ptr_eq(&kept.head, head) && kept.whole == whole;
        let (before, from) = self.heads.split_at(self.last.min(self.heads.len()));
        match from.iter().position(is_it) {
            Some(at) => Some(before.len() + at),
            None => before.iter().position(is_it),
        }
    }
}
