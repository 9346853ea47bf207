//! The tree over the embedded store, with a stand-in for the pools that answers as it is told.

mod crash;
mod facts;
mod flow;
mod rig;
mod tokens;
