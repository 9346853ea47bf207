//! Every decision of Fanfare, pure: events in, effects (or answers) out.
//!
//! No I/O, no runtime, no clock and no ambient randomness: the time and random numbers are handed in, so
//! that everything here can be tested and simulated step by step. The shells in `actors` have the same names.

pub mod admission;
pub mod breaker;
pub mod campaign;
pub mod cleanup;
pub mod dispatch;
pub mod facts;
pub mod feeder;
pub mod fleet;
mod jitter;
pub mod lanes;
pub mod outcomes;
pub mod pacing;
pub mod pool;
pub mod ramp;
pub mod rate;
pub mod registration;
pub mod restart;
pub mod retry;
pub mod revocations;
pub mod steady;
pub mod token;
