//! HTTP/2 frames as the other side of a session sees them (RFC 9113, 4.1), written anew so that both sides do not share
//! an error.

/// Frame kinds in the order of their numbers.
pub(crate) const KINDS: [&str; 10] = [
    "DATA",
    "HEADERS",
    "PRIORITY",
    "RST_STREAM",
    "SETTINGS",
    "PUSH_PROMISE",
    "PING",
    "GOAWAY",
    "WINDOW_UPDATE",
    "CONTINUATION",
];

pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    pub(crate) fn new(kind: u8, flags: u8, stream: u32, payload: Vec<u8>) -> Self {
        Frame {
            kind,
            flags,
            stream,
            payload,
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        KINDS.get(usize::from(self.kind)).copied().unwrap_or("?")
    }

    /// With its head, in bytes.
    pub(crate) fn length(&self) -> usize {
        9 + self.payload.len()
    }

    pub(crate) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = (self.payload.len() as u32).to_be_bytes()[1..].to_vec();
        bytes.extend([self.kind, self.flags]);
        bytes.extend(self.stream.to_be_bytes());
        bytes.extend(&self.payload);
        bytes
    }
}

/// The whole frames at the start of `bytes`; what is left is cut short.
pub(crate) fn frames(mut bytes: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    while let Some((head, rest)) = bytes.split_first_chunk::<9>() {
        let [a, b, c, kind, flags, stream @ ..] = *head;
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        let Some((payload, after)) = rest.split_at_checked(length) else {
            break;
        };
        let stream = u32::from_be_bytes(stream) & 0x7fff_ffff;
        frames.push(Frame::new(kind, flags, stream, payload.to_vec()));
        bytes = after;
    }
    frames
}
