//! The contracts of older registries on the wire: what their tests share.

mod callers;
mod client;
mod device_token;
mod fire;
mod native;
mod reserva;
mod ring;
mod together;

use callers::*;
