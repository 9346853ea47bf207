//! What this contract answers in its own words: `{"detail": "…"}`.

use http::StatusCode;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::problem::Problem;

/// The code of a fault that is told without the name of its field.
pub(super) const BLANK: &str = "blank";

/// What went wrong.
#[derive(Serialize, ToSchema)]
pub(super) struct ReservaError {
    /// One sentence for people; names every field that is not valid.
    #[schema(example = "Device not found")]
    detail: String,
}

/// See [`crate::dialect`]. What cannot be read is 422 here, like every other fault of a body.
pub(crate) fn worded(problem: &Problem) -> (StatusCode, Value) {
    let status = match problem.status() {
        StatusCode::BAD_REQUEST => StatusCode::UNPROCESSABLE_ENTITY,
        status => status,
    };
    let detail = match status {
        StatusCode::UNAUTHORIZED => "Authentication required".to_owned(),
        _ => problem.told(|fault| match fault.code {
            BLANK => fault.detail.clone(),
            _ => format!("{}: {}", fault.field, fault.detail),
        }),
    };
    (status, json!(ReservaError { detail }))
}
