//! Outcomes: journals how deliveries ended, in batches, and tells the reaper of dead addresses.

use fanfare_types::{Finished, Verdict};

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct OutcomesHandle {}

/// A delivery that has ended, and the verdict it ended on (`None` when it never reached a provider).
#[derive(Debug)]
pub struct Ending {
    pub finished: Finished,
    pub verdict: Option<Verdict>,
}

impl OutcomesHandle {
    /// Takes deliveries that have ended. Each must be given exactly once; its live books are closed here.
    pub fn ended(&self, batch: Vec<Ending>) {
        let _ = batch;
        todo!("the flow room")
    }
}
