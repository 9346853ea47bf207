//! What the providers do to the gateway in one round.

use serde_json::{Value, json};

use super::chance::Chance;

/// Three faults for each provider, and whether one of them cuts connections with answers under way.
pub(super) fn draw(chance: &mut Chance) -> (Value, bool) {
    let mut rules = Vec::new();
    let mut closes = false;
    for (provider, busy) in [("apns", "ServiceUnavailable"), ("fcm", "UNAVAILABLE")] {
        for _ in 0..3 {
            let (rule, close) = fault(chance, provider, busy);
            rules.push(rule);
            closes |= close;
        }
    }
    (Value::Array(rules), closes)
}

fn fault(chance: &mut Chance, provider: &str, busy: &str) -> (Value, bool) {
    let every = 5 + chance.below(40);
    let when = json!({ "provider": provider, "every": every });
    let processed = chance.one_in(2);
    let (times, then, close) = match chance.below(8) {
        0 | 1 => {
            let delay = json!({ "min": 1, "max": 1 + chance.below(60) });
            let often = json!({ "provider": provider, "every": 1 + chance.below(4) });
            return (json!({ "when": often, "delay_ms": delay }), false);
        }
        2 => {
            let headers = json!({ "retry-after": "1" });
            let answer = json!({ "status": 503, "reason": busy, "headers": headers });
            (20, json!({ "answer": answer }), false)
        }
        3 => (3, json!({ "goaway": { "last": "before" } }), false),
        4 => (10, json!({ "silence": { "processed": processed } }), false),
        5 => (10, json!({ "reset": { "processed": processed } }), false),
        6 => (20, json!("refuse"), false),
        _ => (2, json!({ "close": { "processed": processed } }), true),
    };
    (json!({ "when": when, "times": times, "then": then }), close)
}
