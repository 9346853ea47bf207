//! Golden requests for APNs.

use fanfare_providers::{Codec, apns};
use fanfare_types::{Delivery, Message, NotificationId, Options, Priority, Timestamp};
use serde_json::{Value, json};

use crate::support::{self, NOW, delivery, golden, ios, live, message, options, token, variables};

const HOST: &str = "api.push.apple.com";
const TOPIC: &str = "com.example.shop";

fn codec() -> Codec {
    Codec::Apns(apns::Codec::new(HOST, TOPIC).unwrap())
}

fn written(delivery: &Delivery) -> String {
    let request = codec().encode(delivery, Some(&token("bearer a.b.c")), NOW);
    support::written(request.unwrap())
}

fn push(message: Message, options: Options, locale: Option<&str>) -> Delivery {
    let variables = variables(&[("name", "Ada \"the\" {{first}}"), ("n", "3")]);
    delivery(&live(message, options, variables), ios(), locale)
}

fn reason(json: Value) -> String {
    let delivery = push(message(json), options(), None);
    let refused = codec().encode(&delivery, None, NOW).unwrap_err();
    refused.reason.as_str().to_owned()
}

#[test]
fn alert() {
    let message = message(json!({
        "title": "Sale", "body": "Half price", "image": "https://cdn.example.com/a.png",
        "data": {"order": "42"}, "sound": "default", "badge": 3, "click_action": "OPEN",
    }));
    golden("apns/alert.txt", &written(&push(message, options(), None)));
}

#[test]
fn background_has_priority_5_whatever_the_caller_wishes() {
    let message = message(json!({"data": {"sync": "now"}}));
    golden(
        "apns/background.txt",
        &written(&push(message, options(), None)),
    );
}

#[test]
fn localized_texts_replace_what_they_name() {
    let message = message(json!({
        "title": "Hello", "body": "World", "sound": "a.caf",
        "localized": {"de": {"title": "Hallo", "sound": "b.caf"}, "pt-BR": {"body": "Mundo"}},
    }));
    golden(
        "apns/localized.txt",
        &written(&push(message, options(), Some("de_AT"))),
    );
}

#[test]
fn variables_are_filled_before_the_text_becomes_json() {
    let message = message(json!({
        "title": "Hi {{name}}", "body": "\\{{n}} is {{ n }}", "data": {"count": "{{n}}"},
        "apns": {"aps": {"alert": {"title-loc-args": ["{{n}}"]}}},
    }));
    golden(
        "apns/variables.txt",
        &written(&push(message, options(), None)),
    );
}

#[test]
fn the_override_comes_last() {
    let message = message(json!({
        "title": "Call", "body": "Ada", "sound": "ring.caf", "data": {"a": "1", "b": "2"},
        "apns": {
            "headers": {"apns-push-type": "voip", "apns-priority": 5},
            "aps": {"sound": null, "thread-id": "calls", "alert": {"body": "Grace"}},
            "b": {"nested": true},
        },
    }));
    golden(
        "apns/override.txt",
        &written(&push(message, options(), None)),
    );
}

#[test]
fn collapse_key_and_normal_priority() {
    let options = Options {
        collapse_key: Some("score".to_owned()),
        priority: Priority::Normal,
        ..options()
    };
    let message = message(json!({"title": "1:0"}));
    golden("apns/collapse.txt", &written(&push(message, options, None)));
}

#[test]
fn a_certificate_needs_no_authorization() {
    let delivery = push(message(json!({"title": "Hi"})), options(), None);
    let request = codec().encode(&delivery, None, NOW).unwrap();
    golden("apns/certificate.txt", &support::written(request));
}

#[test]
fn the_topic_follows_the_push_type() {
    for (push_type, topic) in [
        ("alert", TOPIC.to_owned()),
        ("background", TOPIC.to_owned()),
        ("mdm", TOPIC.to_owned()),
        ("complication", format!("{TOPIC}.complication")),
        ("controls", format!("{TOPIC}.push-type.controls")),
        ("fileprovider", format!("{TOPIC}.pushkit.fileprovider")),
        ("liveactivity", format!("{TOPIC}.push-type.liveactivity")),
        ("location", format!("{TOPIC}.location-query")),
        ("pushtotalk", format!("{TOPIC}.voip-ptt")),
        ("voip", format!("{TOPIC}.voip")),
        ("widgets", format!("{TOPIC}.push-type.widgets")),
    ] {
        let json = json!({"data": {"a": "b"}, "apns": {"headers": {"apns-push-type": push_type}}});
        let delivery = push(message(json), options(), None);
        let request = codec().encode(&delivery, None, NOW).unwrap();
        let request = request.into_http().unwrap();
        assert_eq!(request.headers()["apns-topic"], topic.as_str());
        assert_eq!(request.headers()["apns-push-type"], push_type);
    }
}

#[test]
fn what_breaks_a_rule_once_rendered_is_refused_with_a_reason() {
    let text = |n: usize| "x".repeat(n);
    assert_eq!(reason(json!({"title": text(4096)})), "payload_too_large");
    assert_eq!(reason(json!({"title": "{{who}}"})), "missing_variable");
    assert_eq!(reason(json!({"title": "{{"})), "malformed_placeholder");
    assert_eq!(reason(json!({"apns": {"aps": 1}})), "bad_override");
    let headers = json!({"apns-push-type": "voip"});
    let voip = |n| json!({"title": text(n), "apns": {"headers": headers.clone()}});
    assert_eq!(reason(voip(5120)), "payload_too_large");
    let fits = push(message(voip(5000)), options(), None);
    assert!(codec().encode(&fits, None, NOW).is_ok());
}

#[test]
fn an_address_that_is_not_hex_never_reaches_the_path() {
    let live = live(message(json!({"title": "Hi"})), options(), variables(&[]));
    for value in ["", "ab/../cd", "ab?c", "zz"] {
        let mut delivery = delivery(&live, ios(), None);
        delivery.address = support::address(
            fanfare_types::Channel::IosPush,
            fanfare_types::AddressKind::RegistrationToken,
            value,
        );
        let refused = codec().encode(&delivery, None, NOW).unwrap_err();
        assert_eq!(refused.reason.as_str(), "unwritable_value");
    }
}

#[test]
fn a_text_that_a_locale_lacks_is_its_languages() {
    let json = json!({"title": "Hello", "body": "World",
        "localized": {"de": {"title": "Hallo", "body": "Welt"}, "de-CH": {"title": "Salü"}}});
    let live = live(message(json), options(), variables(&[]));
    let mut codec = codec();
    for (locale, title, text) in [
        ("de_CH", "Salü", "Welt"),
        ("de_AT", "Hallo", "Welt"),
        ("de_CH", "Salü", "Welt"),
        ("fr", "Hello", "World"),
    ] {
        let delivery = delivery(&live, ios(), Some(locale));
        let body = codec.encode(&delivery, None, NOW).unwrap().body;
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["aps"]["alert"], json!({"title": title, "body": text}));
    }
}

#[test]
fn deliveries_of_one_notification_and_locale_share_a_body() {
    let json = json!({"title": "Hi", "localized": {"de": {"title": "Hallo"}}});
    let live = live(message(json), options(), variables(&[]));
    let mut codec = codec();
    let mut body = |locale| {
        let delivery = delivery(&live, ios(), locale);
        codec.encode(&delivery, None, NOW).unwrap().body
    };
    let (first, german, again) = (body(None), body(Some("de")), body(None));
    assert_eq!(first.as_ptr(), again.as_ptr());
    assert_ne!(first, german);
}

#[test]
fn many_notifications_in_turn_keep_their_own_renderings() {
    let mut codec = codec();
    for round in 0..3 {
        for number in 0..20_u64 {
            let json = json!({"title": format!("number {number}")});
            let mut live = live(message(json), options(), variables(&[]));
            std::sync::Arc::get_mut(&mut live).unwrap().id =
                NotificationId::new(Timestamp(5), number);
            let request = codec.encode(&delivery(&live, ios(), None), None, NOW);
            let body: Value = serde_json::from_slice(&request.unwrap().body).unwrap();
            let expected = format!("number {number}");
            assert_eq!(body["aps"]["alert"]["title"], expected, "round {round}");
        }
    }
}

#[test]
fn debug_shows_no_content() {
    let mut codec = codec();
    let delivery = push(message(json!({"title": "hush"})), options(), None);
    codec.encode(&delivery, None, NOW).unwrap();
    assert!(!format!("{codec:?}").contains("hush"));
}

#[test]
fn endpoint_and_topic_are_checked_when_the_codec_is_made() {
    for (host, topic) in [
        ("", TOPIC),
        ("a b", TOPIC),
        ("user@host", TOPIC),
        ("https://host", TOPIC),
        (HOST, ""),
        (HOST, "com example"),
    ] {
        assert!(apns::Codec::new(host, topic).is_err(), "{host} {topic}");
    }
    assert!(apns::Codec::new("127.0.0.1:2197", TOPIC).is_ok());
}
