//! What a request may not carry in HTTP/2.

use fanfare_types::Head;
use http::{HeaderName, HeaderValue, header};

use super::Forbidden;

/// Headers about a connection of HTTP/1.1 (RFC 9113, 8.2.2).
const OF_CONNECTIONS: [&str; 5] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "transfer-encoding",
    "upgrade",
];

pub(super) fn head(head: &Head) -> Result<(), Forbidden> {
    let mut fields = head.fields().iter();
    fields.try_for_each(|(name, value)| field(head, name, value))
}

pub(super) fn field(head: &Head, name: &HeaderName, value: &HeaderValue) -> Result<(), Forbidden> {
    if let Some(known) = OF_CONNECTIONS.iter().find(|known| name == **known) {
        return Err(Forbidden::Connection(known));
    }
    if name == header::TE && value != "trailers" {
        return Err(Forbidden::Te);
    }
    if name == header::HOST && value != head.authority().as_str() {
        return Err(Forbidden::Host);
    }
    Ok(())
}
