//! Golden requests for FCM.

use fanfare_providers::{Codec, fcm::Codec as Fcm};
use fanfare_types::{AddressKind, Channel, Delivery, Message, Options, Priority, Timestamp};
use serde_json::{Value, json};

use crate::support::{
    self, NOW, address, delivery, fcm, golden, live, message, options, token, variables,
};

fn codec() -> Codec {
    Codec::Fcm(Fcm::new("fcm.googleapis.com", "shop-1234").unwrap())
}

fn written(delivery: &Delivery) -> String {
    let request = codec().encode(delivery, Some(&token("Bearer ya29.x")), NOW);
    support::written(request.unwrap())
}

fn push(message: Message, options: Options, locale: Option<&str>) -> Delivery {
    let variables = variables(&[("name", "Ada \"the\" {{first}}"), ("n", "3")]);
    delivery(&live(message, options, variables), fcm(), locale)
}

fn body(codec: &mut Codec, delivery: &Delivery, now: Timestamp) -> Value {
    serde_json::from_slice(&codec.encode(delivery, None, now).unwrap().body).unwrap()
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
        "data": {"order": "42"}, "sound": "default", "badge": 3,
        "click_action": "https://shop.example.com/sale",
    }));
    golden("fcm/alert.txt", &written(&push(message, options(), None)));
}

#[test]
fn background() {
    let message = message(json!({"data": {"sync": "now"}}));
    golden(
        "fcm/background.txt",
        &written(&push(message, options(), None)),
    );
}

#[test]
fn localized() {
    let message = message(json!({
        "title": "Hello", "body": "World",
        "localized": {"de": {"title": "Hallo"}, "pt-BR": {"body": "Mundo"}},
    }));
    golden(
        "fcm/localized.txt",
        &written(&push(message, options(), Some("pt-BR"))),
    );
}

#[test]
fn variables_are_filled_before_the_text_becomes_json() {
    let message = message(json!({
        "title": "Hi {{name}}", "body": "\\{{n}} is {{ n }}", "data": {"count": "{{n}}"},
        "fcm": {"android": {"notification": {"tag": "t{{n}}"}}},
    }));
    golden(
        "fcm/variables.txt",
        &written(&push(message, options(), None)),
    );
}

#[test]
fn the_override_comes_last() {
    let message = message(json!({
        "title": "Hi", "body": "there", "data": {"a": "1", "b": "2"},
        "fcm": {
            "notification": {"body": null},
            "data": {"b": "3"},
            "android": {"ttl": "60.5s", "priority": "NORMAL", "notification": {"channel_id": "news"}},
            "apns": {"headers": {"apns-priority": "1"}, "payload": {"aps": {"thread-id": "news"}}},
            "webpush": {"headers": {"TTL": "0", "Topic": "news"}, "notification": {"icon": "/i.png"}},
            "fcm_options": {"analytics_label": "spring"},
        },
    }));
    golden(
        "fcm/override.txt",
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
    golden("fcm/collapse.txt", &written(&push(message, options, None)));
}

#[test]
fn installation_ids_go_by_their_own_name() {
    let live = live(message(json!({"title": "Hi"})), options(), variables(&[]));
    let fid = address(Channel::Fcm, AddressKind::Fid, "cX8vZ1abcdefghijklmnop");
    golden("fcm/fid.txt", &written(&delivery(&live, fid, None)));
}

#[test]
fn the_time_to_live_is_what_is_left_at_each_attempt() {
    let json = json!({"title": "Hi", "fcm": {"android": {"ttl": "1000s"}}});
    let delivery = push(message(json), options(), None);
    let mut codec = codec();
    let mut ttls = |passed: u64| {
        let body = body(&mut codec, &delivery, Timestamp(NOW.0 + passed));
        let message = &body["message"];
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (
            text(&message["android"]["ttl"]),
            text(&message["webpush"]["headers"]["TTL"]),
        )
    };
    let pair = |android: &str, web: &str| (android.to_owned(), web.to_owned());
    assert_eq!(ttls(0), pair("1000s", "3600"));
    assert_eq!(ttls(2_700_001), pair("899s", "899"));
    assert_eq!(ttls(9_999_999), pair("0s", "0"));

    let forever = Options {
        expires_at: Timestamp::MAX,
        ..options()
    };
    let delivery = push(message(json!({"title": "Hi"})), forever, None);
    let body = body(&mut self::codec(), &delivery, NOW);
    assert_eq!(body["message"]["android"]["ttl"], "2419200s");
}

#[test]
fn an_override_shortens_the_life_of_a_push_but_never_lengthens_it() {
    let expiration = |seconds: &str| {
        let headers = json!({"headers": {"apns-expiration": seconds}});
        let json = json!({"title": "Hi", "fcm": {
            "apns": headers,
            "android": {"ttl": "9999s"},
            "webpush": {"headers": {"TTL": "9999"}},
        }});
        let body = body(&mut codec(), &push(message(json), options(), None), NOW);
        assert_eq!(body["message"]["android"]["ttl"], "3600s");
        assert_eq!(body["message"]["webpush"]["headers"]["TTL"], "3600");
        let seconds = &body["message"]["apns"]["headers"]["apns-expiration"];
        seconds.as_str().unwrap().to_owned()
    };
    assert_eq!(expiration("0"), "0");
    assert_eq!(expiration("1705312860"), "1705312860");
    assert_eq!(expiration("1999999999"), "1705316400");
}

#[test]
fn an_address_with_quotes_stays_one_json_string() {
    let live = live(message(json!({"title": "Hi"})), options(), variables(&[]));
    let odd = r#"a","topic":"all\"#;
    let odd = address(Channel::Fcm, AddressKind::RegistrationToken, odd);
    let delivery = delivery(&live, odd, None);
    let body = body(&mut codec(), &delivery, NOW);
    assert_eq!(body["message"]["token"], delivery.address.expose());
    assert_eq!(body["message"].get("topic"), None);
}

#[test]
fn what_breaks_a_rule_once_rendered_is_refused_with_a_reason() {
    let long = "x".repeat(4097);
    assert_eq!(reason(json!({"body": long})), "payload_too_large");
    assert_eq!(reason(json!({"title": "{{who}}"})), "missing_variable");
    assert_eq!(reason(json!({"fcm": {"topic": "all"}})), "bad_override");
    assert_eq!(reason(json!({"fcm": {"android": 1}})), "bad_override");
    let ttl = json!({"android": {"ttl": "soon"}});
    assert_eq!(reason(json!({"fcm": ttl})), "bad_override");
}

#[test]
fn debug_shows_no_content() {
    let mut codec = codec();
    let delivery = push(message(json!({"title": "hush"})), options(), None);
    codec.encode(&delivery, None, NOW).unwrap();
    assert!(!format!("{codec:?}").contains("hush"));
}

#[test]
fn a_project_id_that_is_no_path_part_is_refused() {
    for project in ["", "a/b", "a b", "a?b"] {
        assert!(Fcm::new("fcm.googleapis.com", project).is_err());
    }
}
