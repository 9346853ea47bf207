//! What this contract answers in its own words.

use fanfare_providers::Fault;
use http::StatusCode;

use crate::problem::Problem;

/// 400, with every fault.
pub(super) fn invalid(faults: Vec<Fault>) -> Problem {
    Problem::invalid(StatusCode::BAD_REQUEST, faults)
}
