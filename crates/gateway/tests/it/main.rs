//! The whole gateway against the provider simulators, over real sockets.

mod cleanup;
mod command_line;
mod contracts;
mod credentials;
mod devices;
mod door;
mod durability;
mod faults;
mod harness;
mod observed;
mod overload;
mod process;
mod sending;
