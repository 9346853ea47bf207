//! What this contract answers in its own words: `{"detail": "…"}`.

use http::StatusCode;
use serde_json::{Value, json};

use crate::problem::Problem;

/// See [`crate::dialect`]. What cannot be read is 422 here, like every other fault of a body.
pub(crate) fn worded(problem: &Problem) -> (StatusCode, Value) {
    let status = match problem.status() {
        StatusCode::BAD_REQUEST => StatusCode::UNPROCESSABLE_ENTITY,
        status => status,
    };
    let detail = match status {
        StatusCode::UNAUTHORIZED => "Authentication required".to_owned(),
        _ => problem.sentence(),
    };
    (status, json!({"detail": detail}))
}
