//! Campaigns: make, upload, steer, watch. For services.
//!
//! A body that is not JSON answers 400; every fault of a field answers 422, all at once.

mod audience;
mod docs;
mod filter;
mod list;
mod request;
mod rooms;
mod routes;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod stand_in;
mod view;

#[cfg(test)]
pub(crate) use request::faults_of;
pub(crate) use rooms::CampaignRooms;
pub(crate) use routes::routes;
