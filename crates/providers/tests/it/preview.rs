//! What a device would get, and messages whose variables come later.

use fanfare_providers::{
    Preview, Previewed, Refused, asked_variables, check_open_message, preview,
};
use fanfare_types::{Channel, Message, MissingVariable, Outcome};
use serde_json::json;

use crate::support::{NOW, message, options, variables};

fn shown(
    message: &Message,
    missing_variable: MissingVariable,
    channel: Channel,
) -> Result<Previewed, Refused> {
    preview(&Preview {
        message,
        variables: &variables(&[("name", "you"), ("shop", "Ours")]),
        own: Some(&variables(&[("name", "Ada")])),
        missing_variable,
        options: &options(),
        channel,
        locale: Some("de-AT"),
        now: NOW,
    })
}

fn greeting() -> Message {
    message(
        json!({"title": "Hi {{name}}", "body": "{{shop}}", "apns": {"headers": {"apns-push-type": "voip"}},
        "localized": {"de": {"title": "Hallo {{name}}"}}}),
    )
}

#[test]
fn apns_gets_headers_and_payload_without_address_and_token() {
    let shown = shown(&greeting(), MissingVariable::Fail, Channel::IosPush).unwrap();
    let alert = json!({"title": "Hallo Ada", "body": "Ours"});
    assert_eq!(shown.payload["aps"]["alert"], alert);
    let headers: Vec<_> = shown
        .headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    let expiration = format!("apns-expiration: {}", options().expires_at.as_seconds());
    assert_eq!(
        headers,
        [
            &expiration,
            "apns-priority: 10",
            "apns-push-type: voip",
            "apns-topic: <topic>.voip"
        ]
    );
    assert!(!format!("{shown:?}").contains("Ada"));
}

#[test]
fn fcm_gets_its_request_with_a_place_for_the_token() {
    let shown = shown(&greeting(), MissingVariable::Fail, Channel::Fcm).unwrap();
    let message = &shown.payload["message"];
    assert_eq!(message["token"], "<token>");
    assert_eq!(message["notification"]["title"], "Hallo Ada");
    assert_eq!(message["android"]["ttl"], "3600s");
    assert_eq!(shown.headers["content-type"], "application/json");
}

#[test]
fn a_variable_without_a_value_ends_as_the_campaign_says() {
    let message = message(json!({"title": "Hi {{who}}"}));
    let end = |missing| {
        let refused = shown(&message, missing, Channel::IosPush).unwrap_err();
        (refused.outcome, refused.reason.as_str().to_owned())
    };
    let reason = "missing_variable".to_owned();
    assert_eq!(
        end(MissingVariable::Fail),
        (Outcome::Rejected, reason.clone())
    );
    assert_eq!(end(MissingVariable::Skip), (Outcome::Cancelled, reason));
    let empty = shown(&message, MissingVariable::Empty, Channel::Fcm).unwrap();
    assert_eq!(empty.payload["message"]["notification"]["title"], "Hi ");
}

#[test]
fn what_nothing_is_sent_to_has_no_preview() {
    let refused = shown(&greeting(), MissingVariable::Fail, Channel::WebPush).unwrap_err();
    assert_eq!(refused.outcome, Outcome::Failed);
    assert_eq!(refused.reason.as_str(), "no_credential");
}

#[test]
fn all_placeholders_of_a_message_are_found() {
    let message = message(json!({
        "title": "{{a}} {{b}}", "body": "\\{{no}}", "image": "https://x.example/{{c}}", "sound": "{{d}}",
        "click_action": "{{e}}", "data": {"{{no}}": "{{f}}"}, "localized": {"de": {"title": "{{g}}", "body": "{{"}},
        "apns": {"x": ["{{h}}", {"y": "{{ i }}"}]}, "fcm": {"data": {"z": "{{j}}"}}, "web_push": {"w": "{{k}}"},
    }));
    let asked: Vec<_> = asked_variables(&message).into_iter().collect();
    assert_eq!(
        asked,
        ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"]
    );
}

#[test]
fn an_open_message_lacks_values_and_may_have_no_other_fault() {
    let shared = variables(&[("shop", "Ours")]);
    let faults = |json| {
        let found = check_open_message(&message(json), &shared, &options());
        found
            .into_iter()
            .map(|fault| format!("{} {}", fault.field, fault.code))
            .collect::<Vec<_>>()
    };
    let good = json!({"title": "Hi {{name}}", "image": "https://x.example/{{id}}.png", "body": "{{shop}}",
        "fcm": {"android": {"ttl": "{{ttl}}"}}});
    assert_eq!(faults(good), Vec::<String>::new());
    let bad = json!({"title": "{{name}}", "body": "{{", "image": "http://x.example/{{shop}}",
        "data": {"x": "x".repeat(5000)}});
    assert_eq!(
        faults(bad),
        [
            "message.body malformed_placeholder",
            "message.image malformed",
        ]
    );
    let large = json!({"title": "{{name}}", "data": {"x": "x".repeat(5000)}});
    assert_eq!(faults(large), ["message too_large", "message too_large"]);
}
