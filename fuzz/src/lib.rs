//! Fuzz targets: what strangers send (callers of the API, and whatever answers in a provider's place), and what
//! must hold whatever it is.
//!
//! Each target is a plain function of bytes that panics when a rule is broken. `cargo fuzz` runs them without end
//! (see CONTRIBUTING.md); `tests/bounded.rs` runs them in every test run, over the corpus and seeded mutations of
//! it. The corpora are text, so that a person can read and add to them; bytes are in it as hexadecimal digits.

pub mod answers;
pub mod bodies;
mod campaigns;
mod door;
mod frames;
pub mod headers;
pub mod hpack;
pub mod jwt;
pub mod mutation;
pub mod session;
pub mod uploads;
mod written;

/// A target: it panics when the input shows that a rule does not hold.
pub type Target = fn(&[u8]);

/// All targets, by the names of their corpora.
pub const TARGETS: [(&str, Target); 7] = [
    ("answers", answers::run),
    ("bodies", bodies::run),
    ("headers", headers::run),
    ("hpack", hpack::run),
    ("jwt", jwt::run),
    ("session", session::run),
    ("uploads", uploads::run),
];

/// The lines of a head up to an empty line, and the body behind it.
fn head_and_body(input: &[u8]) -> (Vec<&[u8]>, &[u8]) {
    let mut head = Vec::new();
    let mut rest = input;
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let (line, after) = rest.split_at(end);
        rest = &after[1..];
        if line.is_empty() {
            return (head, rest);
        }
        head.push(line);
    }
    (head, rest)
}

/// The headers in lines as `name: value`; lines that cannot be one are passed over.
fn headers_in(lines: &[&[u8]]) -> http::HeaderMap {
    let header = |line: &&[u8]| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = line.split_at(colon);
        let name = http::HeaderName::from_bytes(name).ok()?;
        let value = http::HeaderValue::from_bytes(value[1..].trim_ascii()).ok()?;
        Some((name, value))
    };
    let mut headers = http::HeaderMap::new();
    for (name, value) in lines.iter().filter_map(header) {
        headers.append(name, value);
    }
    headers
}

/// The bytes of a line of hexadecimal digits; whatever is no digit is passed over, and a `#` begins a comment.
fn bytes_in(line: &[u8]) -> Vec<u8> {
    let digits = line.iter().take_while(|byte| **byte != b'#');
    let digits = digits.filter_map(|byte| char::from(*byte).to_digit(16));
    let digits: Vec<u8> = digits.map(|digit| digit as u8).collect();
    digits
        .chunks_exact(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}
