//! Campaigns: make, upload, steer, watch. For services.
//!
//! A body that is not JSON answers 400; every fault of a field answers 422, all at once.

mod audience;
mod deliveries;
mod docs;
mod events;
mod filter;
mod list;
mod preview;
mod request;
mod rooms;
mod routes;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod stand_in;
mod upload;
mod view;

pub(crate) use events::Looks;
#[cfg(test)]
pub(crate) use request::faults_of;
pub(crate) use rooms::CampaignRooms;
pub(crate) use routes::routes;
pub(crate) use upload::{ROUTE as UPLOAD, Turns};
