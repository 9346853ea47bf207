//! What an answer's fields say, and whether they may stand in a message at all (RFC 9113, sections 8.1 to 8.3).

use http::{HeaderMap, HeaderValue, StatusCode, header};

/// Reads the fields of one header block, head or trailers.
#[derive(Default)]
pub(super) struct Fields {
    is_trailers: bool,
    pub(super) status: Option<StatusCode>,
    pub(super) declared: Option<u64>,
    /// `retry-after` and `date` of an answer that is no success.
    pub(super) headers: HeaderMap,
    /// A field has come that is no pseudo-header field: none of those may follow.
    has_regular: bool,
    malformed: bool,
}

impl Fields {
    pub(super) fn new(is_trailers: bool) -> Self {
        Fields {
            is_trailers,
            ..Fields::default()
        }
    }

    pub(super) fn field(&mut self, name: &[u8], value: &[u8]) {
        if name.first() == Some(&b':') {
            return self.pseudo(name, value);
        }
        self.has_regular = true;
        if !is_name(name) || !is_value(value) {
            self.malformed = true;
            return;
        }
        match name {
            b"content-length" => self.length(value),
            b"retry-after" => self.keep(header::RETRY_AFTER, value),
            b"date" => self.keep(header::DATE, value),
            b"te" => self.malformed |= value != b"trailers",
            // Section 8.2.2.
            b"connection" | b"proxy-connection" | b"keep-alive" | b"transfer-encoding"
            | b"upgrade" => self.malformed = true,
            _ => {}
        }
    }

    /// A message's head: exactly one status. Trailers: none.
    pub(super) fn is_malformed(&self) -> bool {
        self.malformed || self.status.is_none() != self.is_trailers
    }

    fn pseudo(&mut self, name: &[u8], value: &[u8]) {
        let status = StatusCode::from_bytes(value).ok();
        let is_right = name == b":status" && status.is_some();
        if !is_right || self.status.is_some() || self.has_regular || self.is_trailers {
            self.malformed = true;
        }
        self.status = status;
    }

    fn length(&mut self, value: &[u8]) {
        let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
        let length = std::str::from_utf8(value).ok().and_then(|v| v.parse().ok());
        if !digits || length.is_none() || self.declared.is_some_and(|said| Some(said) != length) {
            self.malformed = true;
        }
        if !self.is_trailers {
            self.declared = length;
        }
    }

    fn keep(&mut self, name: header::HeaderName, value: &[u8]) {
        let is_wanted = self.status.is_some_and(|status| !status.is_success());
        if is_wanted
            && !self.is_trailers
            && let Ok(value) = HeaderValue::from_bytes(value)
        {
            self.headers.append(name, value);
        }
    }
}

/// Section 8.2.1: neither control characters nor blanks, capitals, colons or anything beyond ASCII.
fn is_name(name: &[u8]) -> bool {
    let may = |byte: &u8| matches!(byte, 0x21..=0x39 | 0x3b..=0x40 | 0x5b..=0x7e);
    !name.is_empty() && name.iter().all(may)
}

/// Section 8.2.1: neither NUL, CR or LF, nor blanks at its ends.
fn is_value(value: &[u8]) -> bool {
    let is_blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    !is_blank(value.first())
        && !is_blank(value.last())
        && !value.iter().any(|byte| matches!(byte, 0 | b'\r' | b'\n'))
}
