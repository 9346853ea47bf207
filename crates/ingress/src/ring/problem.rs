//! What this contract answers: `{"success": true}`, and in its own words what went wrong.

use http::StatusCode;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::problem::Problem;

/// It is done.
#[derive(Serialize, ToSchema)]
#[schema(as = RingDone)]
pub(super) struct Done {
    /// Always `true`.
    #[schema(example = true)]
    success: bool,
}

impl Done {
    pub(super) fn new() -> Self {
        Done { success: true }
    }
}

/// What went wrong.
#[derive(Serialize, ToSchema)]
pub(super) struct RingError {
    /// Always `false`.
    #[schema(example = false)]
    success: bool,
    /// One sentence for people; names every field that is not valid.
    #[schema(example = "Rate limit exceeded")]
    error: String,
}

/// See [`crate::dialect`].
pub(crate) fn worded(problem: &Problem) -> (StatusCode, Value) {
    let error = match problem.status() {
        StatusCode::UNAUTHORIZED => "Not authenticated".to_owned(),
        StatusCode::INTERNAL_SERVER_ERROR => "Server error".to_owned(),
        _ => problem.told(|fault| format!("Invalid {}: {}", fault.field, fault.detail)),
    };
    let success = false;
    (problem.status(), json!(RingError { success, error }))
}
