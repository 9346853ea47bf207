//! The JWT door: nobody comes in whose token does not hold.
//!
//! An input is a line of JOSE header and the claims behind it. They are shown signed with the app's own secret (the
//! hardest case: everything but the signature has to be judged), with that signature spoilt, and the input itself is
//! shown as a token.

use fanfare_ingress::fuzzing::{Door, NOW};
use http::{HeaderMap, Method, StatusCode, Uri};
use serde_json::{Map, Value};

use crate::door;

/// Clocks may differ by this many seconds.
const LEEWAY: f64 = 60.0;

/// See the module.
pub fn run(input: &[u8]) {
    let _ = is_good(input);
}

/// As [`run`]; whether the claims come in with the right signature.
pub fn is_good(input: &[u8]) -> bool {
    let (header, claims) = match input.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&input[..end], &input[end + 1..]),
        None => (input, &[][..]),
    };
    door::with(|door| {
        let token = door::signed(header, claims);
        let is_good = comes_in(door, &token);
        if is_good {
            holds(header, claims).unwrap_or_else(|why| panic!("{why}, and comes in"));
        }
        let spoilt = token.trim_end_matches(|c| c != '.');
        assert!(!comes_in(door, spoilt), "without a signature");
        let other = door::signed(header, b"{}");
        let swapped = format!("{spoilt}{}", other.rsplit('.').next().unwrap_or_default());
        assert!(
            claims == b"{}" || !comes_in(door, &swapped),
            "with another's signature"
        );
        let raw = String::from_utf8_lossy(input);
        assert!(!comes_in(door, &raw), "a text that nobody signed");
        is_good
    })
}

fn comes_in(door: &Door, token: &str) -> bool {
    let mut headers = HeaderMap::new();
    door::bearer(&mut headers, token);
    let path = Uri::from_static("/v1/devices");
    let answer = door::ask(door, Method::GET, path, headers, Vec::new());
    door::check(&answer);
    match answer.status() {
        StatusCode::OK => true,
        StatusCode::UNAUTHORIZED => false,
        other => panic!("a token is good or it is not: {other}"),
    }
}

/// What a token must say at least, read once more and by another hand.
fn holds(header: &[u8], claims: &[u8]) -> Result<(), &'static str> {
    let header: Map<String, Value> = serde_json::from_slice(header).map_err(|_| "no header")?;
    let claims: Map<String, Value> = serde_json::from_slice(claims).map_err(|_| "no claims")?;
    if header.get("alg").and_then(Value::as_str) != Some("HS256") {
        return Err("another algorithm");
    }
    if header.contains_key("crit") && !header["crit"].is_null() {
        return Err("extensions that must be understood");
    }
    let now = NOW.as_millis() as f64 / 1000.0;
    match claims.get("exp").and_then(Value::as_f64) {
        Some(exp) if exp + LEEWAY > now => {}
        _ => return Err("expired"),
    }
    match claims.get("nbf").map(Value::as_f64) {
        None => {}
        Some(Some(nbf)) if nbf - LEEWAY <= now => {}
        _ => return Err("not valid yet"),
    }
    let issuer = claims.get("iss");
    let listed = issuer
        .and_then(Value::as_array)
        .is_some_and(|list| list.iter().any(is_issuer));
    if !issuer.is_some_and(is_issuer) && !listed {
        return Err("another issuer");
    }
    match claims.get("sub") {
        Some(Value::String(user)) if (1..=128).contains(&user.len()) => Ok(()),
        Some(Value::Number(_)) => Ok(()),
        _ => Err("no user"),
    }
}

fn is_issuer(value: &Value) -> bool {
    value.as_str() == Some(door::ISSUER)
}
