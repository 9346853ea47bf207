//! What goes wrong on a connection: error codes (RFC 9113, section 7), and the fault that ends it (section 5.4.1).

use std::fmt;

/// An error code of RST_STREAM and GOAWAY.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Code(pub(crate) u32);

impl Code {
    pub(crate) const NO_ERROR: Code = Code(0x0);
    pub(crate) const PROTOCOL_ERROR: Code = Code(0x1);
    pub(crate) const FLOW_CONTROL_ERROR: Code = Code(0x3);
    pub(crate) const STREAM_CLOSED: Code = Code(0x5);
    pub(crate) const FRAME_SIZE_ERROR: Code = Code(0x6);
    pub(crate) const REFUSED_STREAM: Code = Code(0x7);
    pub(crate) const CANCEL: Code = Code(0x8);
    pub(crate) const COMPRESSION_ERROR: Code = Code(0x9);
    pub(crate) const ENHANCE_YOUR_CALM: Code = Code(0xb);

    const NAMES: [&'static str; 14] = [
        "NO_ERROR",
        "PROTOCOL_ERROR",
        "INTERNAL_ERROR",
        "FLOW_CONTROL_ERROR",
        "SETTINGS_TIMEOUT",
        "STREAM_CLOSED",
        "FRAME_SIZE_ERROR",
        "REFUSED_STREAM",
        "CANCEL",
        "COMPRESSION_ERROR",
        "CONNECT_ERROR",
        "ENHANCE_YOUR_CALM",
        "INADEQUATE_SECURITY",
        "HTTP_1_1_REQUIRED",
    ];
}

/// The name in the standard, or the number of one that is not in it.
impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = usize::try_from(self.0)
            .ok()
            .and_then(|n| Self::NAMES.get(n));
        match name {
            Some(name) => f.write_str(name),
            None => write!(f, "code {:#x}", self.0),
        }
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A connection error: GOAWAY with this code, and the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) code: Code,
    /// For the log.
    pub(crate) why: &'static str,
}

impl Fault {
    pub(super) const fn new(code: Code, why: &'static str) -> Self {
        Fault { code, why }
    }

    pub(super) const fn protocol(why: &'static str) -> Self {
        Fault::new(Code::PROTOCOL_ERROR, why)
    }

    pub(super) const fn size(why: &'static str) -> Self {
        Fault::new(Code::FRAME_SIZE_ERROR, why)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.why)
    }
}
