//! The whole gateway against the provider simulators, over real sockets.

mod answers;
mod cleanup;
mod command_line;
mod contracts;
mod credentials;
mod devices;
mod door;
mod durability;
mod endings;
mod faults;
mod harness;
mod observed;
mod overload;
mod process;
mod reload;
mod sending;
