//! What this contract answers in its own words.

use fanfare_actors::Error;
use fanfare_core::admission::Scope;
use fanfare_providers::Fault;
use http::StatusCode;

use crate::problem::Problem;

/// Why a change of a user's devices was not made. Changes wait for their user's turn, not for room for deliveries.
pub(super) fn refused(error: Error) -> Problem {
    let Error::Refused(refused) = error else {
        return error.into();
    };
    let (status, code, detail) = match refused.scope {
        Scope::App => (
            StatusCode::TOO_MANY_REQUESTS,
            "no_room_for_user",
            "as many changes of this user's devices wait as may; nothing was changed",
        ),
        Scope::Gateway | Scope::Lane | Scope::TooLarge => (
            StatusCode::SERVICE_UNAVAILABLE,
            "no_room",
            "the devices of as many users as may be are being changed now; nothing was changed",
        ),
    };
    Problem::new(status, code, detail).retry_after(refused.retry_after)
}

/// 400, with every fault.
pub(super) fn invalid(faults: Vec<Fault>) -> Problem {
    Problem::invalid(StatusCode::BAD_REQUEST, faults)
}
