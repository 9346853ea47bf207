//! Uploading the recipients of a campaign: a stream of any size, in constant memory, and never half an audience.
//!
//! A block of rows is appended, durably, before more is read, so that a fast client waits for the store. What breaks
//! off stays incomplete, and goes on at the end of the last row that was acknowledged (see docs/adr/0025).

mod head;
mod reader;
mod receive;
mod route;
mod row;
mod split;
mod table;
mod turns;

pub(crate) use route::{ROUTE, routes};
pub(crate) use turns::Turns;
