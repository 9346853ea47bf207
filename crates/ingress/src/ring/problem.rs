//! What this contract answers in its own words: `{"success": false, "error": "…"}`.

use http::StatusCode;
use serde_json::{Value, json};

use crate::problem::Problem;

/// See [`crate::dialect`].
pub(crate) fn worded(problem: &Problem) -> (StatusCode, Value) {
    let error = match problem.status() {
        StatusCode::UNAUTHORIZED => "Not authenticated".to_owned(),
        StatusCode::INTERNAL_SERVER_ERROR => "Server error".to_owned(),
        _ => problem.sentence(),
    };
    let body = json!({"success": false, "error": error});
    (problem.status(), body)
}
