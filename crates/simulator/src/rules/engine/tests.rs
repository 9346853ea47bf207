use super::super::{Reaction, Rule};
use super::*;

fn rules(json: &str) -> Result<Rules, String> {
    let parsed: Vec<Rule> = serde_json::from_str(json).map_err(|error| error.to_string())?;
    let rules = Rules::new(4, false, false);
    rules.set(parsed).map_err(|error| error.to_string())?;
    Ok(rules)
}

fn fires(rules: &Rules, address: &str, times: usize) -> Vec<bool> {
    (0..times)
        .map(|_| {
            rules
                .find(Stage::Request, Provider::Apns, address)
                .is_some()
        })
        .collect()
}

#[test]
fn counts_after_the_plain_conditions() {
    let script =
        rules(r#"[{"when": {"address_prefix": "AB", "skip": 1, "every": 2, "first": 4}}]"#)
            .unwrap();
    assert_eq!(fires(&script, "cd", 3), [false; 3]);
    assert_eq!(
        fires(&script, "abcd", 7),
        [false, false, true, false, true, false, false]
    );
    assert_eq!(script.state()[0].seen, 7);
    assert_eq!(script.state()[0].fired, 2);
}

#[test]
fn the_first_that_applies_wins_and_times_are_exact() {
    let script = rules(r#"[{"times": 2, "then": "refuse"}, {"then": {"streams": 3}}]"#).unwrap();
    let reactions: Vec<Reaction> = (0..3)
        .map(|_| {
            script
                .find(Stage::Request, Provider::Fcm, "")
                .unwrap()
                .reaction()
                .clone()
        })
        .collect();
    assert_eq!(
        reactions,
        [Reaction::Refuse, Reaction::Refuse, Reaction::Streams(3)]
    );
    assert!(script.find(Stage::Connection, Provider::Fcm, "").is_none());
}

#[test]
fn chance_is_repeatable_and_fair() {
    let json = r#"[{"when": {"probability": 0.25, "seed": 7}}]"#;
    let draw = || fires(&rules(json).unwrap(), "", 4000);
    let lots = draw();
    assert_eq!(lots, draw());
    let share = lots.iter().filter(|&&lot| lot).count();
    assert!((900..1100).contains(&share), "{share}");
}

#[test]
fn time_windows_and_spans() {
    let when = When {
        from_ms: Some(10),
        until_ms: Some(20),
        ..When::default()
    };
    let holds = |ms| when.holds(Provider::Apns, "", Duration::from_millis(ms));
    assert_eq!([9, 10, 19, 20].map(holds), [false, true, true, false]);
    let span = Span::Range { min: 5, max: 7 };
    let drawn: std::collections::BTreeSet<_> = (0..100)
        .map(|count| span.draw(lot(1, count)).as_millis())
        .collect();
    assert_eq!(drawn.into_iter().collect::<Vec<_>>(), [5, 6, 7]);
}

#[test]
fn nonsense_is_refused_and_changes_nothing() {
    for (json, fault) in [
        (r#"[{"when": {"every": 0}}]"#, "every"),
        (r#"[{"when": {"probability": 2}}]"#, "probability"),
        (r#"[{"when": {"colour": 1}}]"#, "colour"),
        (r#"[{"then": {"answer": {"status": 99}}}]"#, "status"),
        (
            r#"[{"then": {"answer": {"status": 200, "headers": {"a b": ""}}}}]"#,
            "header name",
        ),
        (r#"[{"then": "hang"}]"#, "on: connection"),
        (r#"[{"on": "connection", "then": "refuse"}]"#, "on: request"),
        (
            r#"[{"on": "connection", "when": {"address": "a"}, "then": "freeze"}]"#,
            "address",
        ),
        (
            r#"[{"on": "connection", "then": {"certificate": "expired"}}]"#,
            "certificates",
        ),
        (r#"[{"delay_ms": {"min": 2, "max": 1}}]"#, "min"),
        ("[{}, {}, {}, {}, {}]", "limit is 4"),
    ] {
        let refused = rules(json)
            .err()
            .unwrap_or_else(|| panic!("{json} was taken"));
        assert!(refused.contains(fault), "{json}: {refused}");
    }
    let script = rules(r#"[{"name": "kept"}]"#).unwrap();
    assert!(
        script
            .set(vec![Rule {
                times: Some(1),
                then: Reaction::Hang,
                ..Rule::default()
            }])
            .is_err()
    );
    assert_eq!(script.state()[0].rule.name.as_deref(), Some("kept"));
}

#[test]
fn every_reaction_has_a_stable_spelling() {
    for json in [
        r#""pass""#,
        r#"{"answer":{"status":410,"reason":"Unregistered","timestamp":{"from_now_ms":-5}}}"#,
        r#"{"silence":{"processed":true}}"#,
        r#"{"reset":{"code":"INTERNAL_ERROR","processed":false}}"#,
        r#""refuse""#,
        r#"{"goaway":{"code":"ENHANCE_YOUR_CALM","debug":"x","last":"before","abrupt":false}}"#,
        r#"{"streams":1}"#,
        r#"{"window":0}"#,
        r#"{"close":{"after":"headers","processed":false}}"#,
        r#""freeze""#,
        r#""hang""#,
        r#"{"certificate":"wrong_name"}"#,
    ] {
        let reaction: Reaction = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&reaction).unwrap(), json);
    }
}

#[test]
fn the_fast_mode_takes_no_rules() {
    let rules = Rules::new(4, false, true);
    let refused = rules.set(vec![Rule::default()]).unwrap_err();
    assert!(refused.to_string().contains("fast mode"), "{refused}");
    assert!(rules.set(Vec::new()).is_ok() && !rules.any());
}
