//! The whole gateway against the provider simulators, over real sockets.

mod harness;
