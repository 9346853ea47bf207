//! The whole gateway against the provider simulators, over real sockets.

mod answers;
mod campaign_commands;
mod campaigns;
mod cleanup;
mod command_line;
mod contracts;
mod credentials;
mod devices;
mod devices_files;
mod disk;
mod door;
mod durability;
mod endings;
mod faults;
mod harness;
mod kill;
mod observed;
mod outside;
mod overload;
mod process;
mod reload;
mod scripted;
mod sending;
mod store_commands;
mod terminal;
