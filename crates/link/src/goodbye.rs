//! What a GOAWAY says, in a form that may be logged.

/// Most characters of a GOAWAY's debug data that are passed on.
const REASON_CHARS_MAX: usize = 200;
/// Longest word kept of it …
const WORD_MAX: usize = 40;
/// … and longest with a digit in it. Installation ids, the shortest addresses there are, have 22 characters.
const CODE_MAX: usize = 16;

/// A code's name and the debug data behind it, which has been escaped as Rust escapes bytes.
pub(crate) fn reason(code: &str, data: &str) -> String {
    let mut text = code.to_owned();
    if !data.is_empty() {
        text.push_str(": ");
        text.push_str(&without_secrets(&data.replace("\\\"", "\"")));
    }
    text.chars().take(REASON_CHARS_MAX).collect()
}

/// A peer's text for a log: a word that is long enough to be an address, a key or a token is left out.
fn without_secrets(text: &str) -> String {
    let ends = |c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ':'));
    let mut kept = String::with_capacity(text.len());
    for piece in text.split_inclusive(ends) {
        let (word, end) = piece.split_at(piece.find(ends).unwrap_or(piece.len()));
        let has_digit = word.bytes().any(|byte| byte.is_ascii_digit());
        let could_be_secret = word.len() > WORD_MAX || (word.len() > CODE_MAX && has_digit);
        kept.push_str(if could_be_secret { "…" } else { word });
        kept.push_str(end);
    }
    kept
}
