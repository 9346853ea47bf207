//! The tree over the embedded store, with a stand-in for the pools that answers as it is told.

mod campaigns;
mod crash;
mod facts;
mod fleet;
mod flow;
mod panics;
mod reload;
mod rig;
mod tokens;
