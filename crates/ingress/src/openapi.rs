//! The OpenAPI 3.1 document: its frame here, its paths and schemas beside the handlers.

use utoipa::openapi::OpenApi;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{OpenApi as _, ToResponse};

use crate::api;
use crate::problem::{FieldFault, Problem};

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Fanfare",
        description = "A push gateway: registers devices and delivers notifications over APNs, FCM and Web Push.\n\n\
            Errors are problem documents (RFC 9457) with a stable `code` and one entry for each invalid field. \
            A member that is not needed may be left out or `null`; a PATCH clears with `null`.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    tags(
        (name = "Notifications", description = "Send, follow and cancel. For services."),
        (name = "Campaigns", description = "One message to an audience of any size: make, upload, steer, watch. For services."),
        (name = "Devices", description = "The registry's native contract. For users, and for services on behalf of users. \
            An app that switched the contract off answers 404 here."),
        (name = "Ring", description = "The Ring contract of the registry. For users. Errors are `{\"success\": false, \"error\": …}`."),
        (name = "Reserva", description = "The Reserva contract of the registry. For staff and customers, by the JWT's `user_type`. \
            Errors are `{\"detail\": …}`."),
        (name = "DeviceToken", description = "The registry's DeviceToken contract, for an admin console and for apps. Each \
            endpoint asks for a permission in the JWT's permissions claim, and shows and changes rows of the caller's \
            tenant alone. Failures come in the envelope of its other answers."),
        (name = "Operations", description = "Health, readiness, metrics, figures."),
    ),
    components(
        schemas(Problem, FieldFault),
        responses(Malformed, Unauthorized, Forbidden, NotFound, ImpossibleInState, TooLarge, UnsupportedMediaType, Invalid, Busy, Unavailable),
    ),
)]
struct Frame;

/// The document without its paths.
pub(crate) fn frame() -> OpenApi {
    let mut document = Frame::openapi();
    let components = document.components.get_or_insert_default();
    let bearer = |description: &str| {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer);
        SecurityScheme::Http(scheme.description(Some(description)).build())
    };
    let cookie = ApiKeyValue::with_description(
        "session",
        "The same JWT in the cookie that the app's configuration names.",
    );
    components.add_security_scheme(
        "service_key",
        bearer("A service's API key, `ffk_<app>_<40 base62 characters>`."),
    );
    components.add_security_scheme("user_jwt", bearer("A JWT of one of the app's users."));
    components.add_security_scheme(
        "user_cookie",
        SecurityScheme::ApiKey(ApiKey::Cookie(cookie)),
    );
    document
}

/// The whole document, as JSON.
pub(crate) fn text() -> String {
    let document = api::documented().into_openapi();
    document
        .to_json()
        .expect("a document of strings can be written as JSON")
}

macro_rules! problems {
    ($($(#[$doc:meta])* $name:ident = $description:literal;)+) => {$(
        $(#[$doc])*
        #[derive(ToResponse)]
        #[response(description = $description, content_type = "application/problem+json")]
        #[expect(dead_code, reason = "documents an answer that `Problem` gives")]
        pub(crate) struct $name(Problem);
    )+};
}

problems! {
    /// 400.
    Malformed = "The body is not JSON, or not UTF-8; for devices, also every field fault.";
    /// 401.
    Unauthorized = "No credential, or one that does not hold.";
    /// 403.
    Forbidden = "This kind of caller may not do this; agent API keys always get `agent_forbidden`.";
    /// 404.
    NotFound = "There is no such thing in this app, or it is not the caller's.";
    /// 409.
    ImpossibleInState = "The campaign cannot do this from where it is; `state` says where that is.";
    /// 413.
    TooLarge = "The body is too large.";
    /// 415.
    UnsupportedMediaType = "The credential is a cookie, and the body is not declared as JSON.";
    /// 422.
    Invalid = "Well-formed, but not valid: every fault is listed.";
    /// 429.
    Busy = "The app, or the user, has as much under way as it may; `Retry-After` says when to come back.";
    /// 503.
    Unavailable = "Not now; `Retry-After` says when.";
}
