//! What this contract answers in its own words: the envelope, on failures too.

use http::StatusCode;
use serde_json::{Value, json};

use crate::problem::Problem;

/// See [`crate::dialect`].
pub(crate) fn worded(problem: &Problem) -> (StatusCode, Value) {
    let body = json!({"succeeded": false, "message": problem.sentence(), "data": null});
    (problem.status(), body)
}
