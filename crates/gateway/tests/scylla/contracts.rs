//! The four contracts on a cluster: their main flows, and clients that race for an address.

#[path = "../it/contracts/callers.rs"]
mod callers;
#[path = "../it/contracts/fire.rs"]
mod fire;
#[path = "../it/contracts/reserva.rs"]
mod reserva;
#[path = "../it/contracts/ring.rs"]
mod ring;
#[path = "../it/contracts/together.rs"]
mod together;

use callers::*;
