//! The failures of this contract in the OpenAPI document.

use serde::Serialize;
use utoipa::{IntoResponses, OpenApi, ToSchema};

/// What the endpoints' own documentation names and does not bring along.
#[derive(OpenApi)]
#[openapi(components(schemas(Failure)))]
pub(super) struct Schemas;

/// The envelope of a failure.
#[derive(Serialize, ToSchema)]
#[schema(as = DeviceTokenFailure)]
pub(super) struct Failure {
    /// Always `false`.
    #[schema(example = false)]
    pub(super) succeeded: bool,
    /// What is wrong, for people; every fault of the request, each with its field.
    #[schema(example = "deviceId: is required; platform: must be a whole number from 1 to 3")]
    pub(super) message: String,
    /// Always `null`.
    #[schema(value_type = Option<Object>)]
    pub(super) data: Option<()>,
}

macro_rules! failures {
    ($(#[$doc:meta])* $name:ident { $($kind:ident = $status:literal $description:literal;)+ }) => {
        $(#[$doc])*
        #[derive(IntoResponses)]
        #[expect(dead_code, reason = "documents answers that `worded` gives")]
        pub(super) enum $name {$(
            #[response(status = $status, description = $description)]
            $kind(Failure),
        )+}
    };
}

failures! {
    /// Of requests without a body.
    Reading {
        Malformed = 400 "What the path or the query has is not of the form it should have.";
        Unauthorized = 401 "No credential, one that does not hold, or an API key.";
        Forbidden = 403 "The JWT does not carry the endpoint's permission.";
        NotFound = 404 "There is no such device in the caller's tenant; or the app does not serve this contract.";
        Internal = 500 "A fault of the gateway.";
        Unavailable = 503 "Not now; `Retry-After` says when.";
    }
}

failures! {
    /// Of requests with a body.
    Asking {
        Malformed = 400 "The body cannot be read, or is not valid: every fault is in the message.";
        Unauthorized = 401 "No credential, one that does not hold, or an API key.";
        Forbidden = 403 "The JWT does not carry the endpoint's permission.";
        NotFound = 404 "There is no such device in the caller's tenant; or the app does not serve this contract.";
        TooLarge = 413 "The body is too large.";
        Unsupported = 415 "The credential is a cookie, and the body is not declared as JSON.";
        Internal = 500 "A fault of the gateway.";
        Unavailable = 503 "Not now; `Retry-After` says when.";
    }
}

failures! {
    /// Beside those of [`Asking`], of requests that change something.
    Changing {
        Busy = 429 "As many changes of the user's devices wait as may; `Retry-After` says when to come back.";
    }
}
