//! The door: every fault at once, with its field and code; and nothing it lets through fails to encode.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fanfare_providers::door::{FAULTS_MAX, FIELD_BYTES_MAX};
use fanfare_providers::{Codec, apns, check_address, check_message, fcm};
use fanfare_types::{AddressKind, Channel, Options, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{self, NOW, delivery, ios, live, message, options, variables};

fn faults(json: Value) -> Vec<(String, &'static str)> {
    let variables = variables(&[("name", "Ada"), ("long", &"x".repeat(3000))]);
    check_message(&message(json), &variables, &options())
        .into_iter()
        .map(|fault| (fault.field, fault.code))
        .collect()
}

#[track_caller]
fn check(json: Value, expected: &[(&str, &str)]) {
    let found = faults(json);
    let found: Vec<_> = found
        .iter()
        .map(|(field, code)| (field.as_str(), *code))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn good_messages_pass_and_encode() {
    for json in [
        json!({"title": "Hi {{name}}"}),
        json!({"data": {"sync": "now"}}),
        json!({"badge": 0}),
        json!({"title": "Hi", "body": "there", "image": "https://cdn.example.com/{{name}}.png",
            "localized": {"de": {"title": "Hallo"}, "zh-Hant-TW": {"title": "嗨"}}}),
        json!({"title": "Hi", "apns": {"headers": {"apns-priority": "1"}, "aps": {"sound": {"critical": 1}}}}),
        json!({"title": "Hi", "data": {"a": "b"},
            "apns": {"aps": {"alert": null}, "headers": {"apns-push-type": "background"}}}),
        json!({"fcm": {"android": {"ttl": "3.5s", "direct_boot_ok": true}, "notification": null}}),
        json!({"body": "x".repeat(3900)}),
    ] {
        check(json.clone(), &[]);
        let variables = variables(&[("name", "Ada")]);
        let live = live(message(json), options(), variables);
        let apns = apns::Codec::new("api.push.apple.com", "com.example").unwrap();
        let fcm = fcm::Codec::new("fcm.googleapis.com", "shop").unwrap();
        for (mut codec, address) in [
            (Codec::Apns(apns), ios()),
            (Codec::Fcm(fcm), support::fcm()),
        ] {
            let delivery = delivery(&live, address, Some("de"));
            assert!(codec.encode(&delivery, None, NOW).is_ok());
        }
    }
}

#[test]
fn every_fault_is_reported_at_once() {
    check(
        json!({
            "title": "{{who}} and {{name}}", "body": "{{", "image": "http://a.example/x.png",
            "data": {"from": "a", "google.x": "b", "aps": "c", "": "d", "ok": "{{x y}}"},
            "localized": {"de": {"title": "{{wer}}"}, "pt_BR": {"title": "oi"}},
            "apns": {"headers": {"apns-topic": "x"}},
            "fcm": {"token": "x"},
        }),
        &[
            ("message.title", "missing_variable"),
            ("message.body", "malformed_placeholder"),
            ("message.image", "malformed"),
            ("message.data.", "empty"),
            ("message.data.aps", "reserved"),
            ("message.data.from", "reserved"),
            ("message.data.google.x", "reserved"),
            ("message.data.ok", "malformed_placeholder"),
            ("message.localized.pt_BR", "malformed"),
            ("message.localized.de.title", "missing_variable"),
            ("message.apns.headers.apns-topic", "not_allowed"),
            ("message.fcm.token", "not_allowed"),
        ],
    );
}

#[test]
fn a_message_with_nothing_in_it_is_empty() {
    let empty = &[("message", "empty")];
    check(json!({}), empty);
    check(json!({"title": "", "click_action": "OPEN"}), empty);
    check(json!({"apns": {}}), empty);
    check(json!({"localized": {"de": {"title": "Hallo"}}}), empty);
}

#[test]
fn all_missing_variables_of_a_text_are_named() {
    let faults = check_message(
        &message(json!({"title": "{{b}} {{a}} {{b}}"})),
        &variables(&[]),
        &options(),
    );
    assert_eq!(faults[0].detail, "no value for a, b");
}

#[test]
fn reserved_data_keys() {
    for key in [
        "from",
        "From",
        "message_type",
        "collapse_key",
        "gcm",
        "gcm.n.e",
        "google",
        "GOOGLE.c.a",
        "aps",
    ] {
        let field = format!("message.data.{key}");
        check(json!({"data": {key: "x"}}), &[(&field, "reserved")]);
    }
    let image = "https://a.example/x.png";
    check(json!({"data": {"image": "x"}}), &[]);
    check(
        json!({"title": "Hi", "image": image, "data": {"image": "x"}}),
        &[("message.data.image", "reserved")],
    );
}

#[test]
fn sizes_are_measured_for_each_provider_and_locale() {
    // 4096 bytes fit FCM, which counts keys and values, but not APNs, which counts the JSON.
    check(
        json!({"body": "x".repeat(4092)}),
        &[("message", "too_large")],
    );
    check(
        json!({"body": "x".repeat(4097)}),
        &[("message", "too_large"), ("message", "too_large")],
    );
    check(
        json!({"body": "ok", "localized": {"de": {"body": "x".repeat(4080)}, "fr": {"body": "ok"}}}),
        &[("message.localized.de", "too_large")],
    );
    check(
        json!({"body": "{{long}}{{long}}"}),
        &[("message", "too_large"), ("message", "too_large")],
    );
    check(
        json!({"title": "Hi", "fcm": {"apns": {"payload": {"x": "x".repeat(4096)}}}}),
        &[("message", "too_large")],
    );
    let endless = "{{long}}".repeat(1000);
    check(
        json!({"title": endless}),
        &[("message", "too_large"), ("message", "too_large")],
    );
    check(
        json!({"title": "Hi", "image": endless}),
        &[
            ("message.image", "too_long"),
            ("message", "too_large"),
            ("message", "too_large"),
        ],
    );
}

#[test]
fn a_locale_is_measured_with_what_its_language_gives() {
    check(
        json!({"title": "Hi", "localized": {
            "de": {"title": "x".repeat(2000)}, "de-CH": {"body": "x".repeat(3000)}}}),
        &[
            ("message.localized.de-CH", "too_large"),
            ("message.localized.de-CH", "too_large"),
        ],
    );
}

#[test]
fn locales_are_well_formed_and_few() {
    for locale in ["", "d", "de_DE", "de-", "1a", "deutschland", "de-DE-x!"] {
        let field = format!("message.localized.{locale}");
        check(
            json!({"title": "Hi", "localized": {locale: {}}}),
            &[(&field, "malformed")],
        );
    }
    check(
        json!({"title": "Hi", "localized": {"DE": {}, "de": {}}}),
        &[("message.localized.de", "duplicate")],
    );
    let many: serde_json::Map<_, _> = (0..201)
        .map(|number| (format!("de-{number}"), json!({})))
        .collect();
    check(
        json!({"title": "Hi", "localized": many}),
        &[("message.localized", "too_many")],
    );
}

#[test]
fn images_are_https_and_short() {
    let check_image = |image: &str, code| {
        check(
            json!({"title": "Hi", "image": image}),
            &[("message.image", code)],
        );
    };
    for image in [
        "http://a.example/x",
        "/x.png",
        "https://",
        "https://u:p@a.example/",
        "data:image/png,x",
    ] {
        check_image(image, "malformed");
    }
    check_image(
        &format!("https://a.example/{}", "x".repeat(2040)),
        "too_long",
    );
}

#[test]
fn the_apns_override_keeps_apples_rules() {
    let headers = |headers: Value, extra: Value| {
        let mut json = json!({"data": {"a": "b"}, "apns": {"headers": headers}});
        json.as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        json
    };
    let priority = ("message.apns.headers.apns-priority", "not_allowed");
    check(
        headers(json!({"apns-priority": 10}), json!({})),
        &[priority],
    );
    check(
        headers(json!({"apns-priority": "1"}), json!({})),
        &[priority],
    );
    check(headers(json!({"apns-priority": "5"}), json!({})), &[]);
    check(
        headers(
            json!({"apns-push-type": "background"}),
            json!({"title": "Hi"}),
        ),
        &[("message.apns.headers.apns-push-type", "not_allowed")],
    );
    check(
        headers(
            json!({"apns-priority": 7, "apns-push-type": "loud", "x": 1}),
            json!({}),
        ),
        &[
            ("message.apns.headers.apns-priority", "malformed"),
            ("message.apns.headers.apns-push-type", "malformed"),
            ("message.apns.headers.x", "unknown"),
        ],
    );
    check(
        json!({"title": "Hi", "apns": {"aps": {"badge": "1", "sound": 1, "alert": [], "thread-id": 1, "new": 1}}}),
        &[
            ("message.apns.aps.alert", "wrong_type"),
            ("message.apns.aps.badge", "wrong_type"),
            ("message.apns.aps.sound", "wrong_type"),
            ("message.apns.aps.thread-id", "wrong_type"),
        ],
    );
    check(
        json!({"title": "Hi", "apns": {"aps": "x", "headers": []}}),
        &[
            ("message.apns.aps", "wrong_type"),
            ("message.apns.headers", "wrong_type"),
        ],
    );
    check(
        json!({"title": "Hi", "apns": {"aps": null}}),
        &[("message.apns.aps", "not_allowed")],
    );
    check(
        json!({"title": "Hi", "apns": {"aps": {"alert": {"title-loc-args": ["ok", "{{who}}"]}}}}),
        &[(
            "message.apns.aps.alert.title-loc-args.1",
            "missing_variable",
        )],
    );
}

#[test]
fn the_fcm_override_keeps_googles_rules() {
    for target in ["token", "fid", "topic", "condition"] {
        let field = format!("message.fcm.{target}");
        check(
            json!({"title": "Hi", "fcm": {target: "x"}}),
            &[(&field, "not_allowed")],
        );
    }
    check(
        json!({"title": "Hi", "fcm": {
            "data": {"a": 1, "from": "x"},
            "android": {"ttl": "soon", "priority": "URGENT", "data": {"gcm.x": "y"}},
            "apns": {"headers": {"apns-priority": 5}, "payload": {"aps": 1}},
            "webpush": {"headers": {"TTL": "later"}},
            "extra": 1,
            "notification": [],
        }}),
        &[
            ("message.fcm.data.a", "wrong_type"),
            ("message.fcm.notification", "wrong_type"),
            ("message.fcm.extra", "unknown"),
            ("message.fcm.apns.headers.apns-priority", "wrong_type"),
            ("message.fcm.apns.payload.aps", "wrong_type"),
            ("message.fcm.data.from", "reserved"),
            ("message.fcm.android.data.gcm.x", "reserved"),
            ("message.fcm.android.ttl", "malformed"),
            ("message.fcm.webpush.headers.TTL", "malformed"),
            ("message.fcm.android.priority", "malformed"),
        ],
    );
    // Only known once it is filled: rendering has the last word.
    check(
        json!({"title": "Hi", "fcm": {"android": {"ttl": "{{name}}"}}}),
        &[("message", "not_allowed")],
    );
}

#[test]
fn options_are_checked_with_the_message() {
    let codes = |change: &dyn Fn(&mut Options)| {
        let mut options = options();
        change(&mut options);
        check_message(&message(json!({"title": "Hi"})), &variables(&[]), &options)
            .into_iter()
            .map(|fault| (fault.field, fault.code))
            .collect::<Vec<_>>()
    };
    let key = |key: &str| {
        let key = key.to_owned();
        codes(&move |options| options.collapse_key = Some(key.clone()))
    };
    let fault = |code| vec![("collapse_key".to_owned(), code)];
    assert_eq!(key(&"k".repeat(64)), []);
    assert_eq!(key(""), fault("empty"));
    assert_eq!(key("a b~"), []);
    assert_eq!(key(&"k".repeat(65)), fault("too_long"));
    assert_eq!(key("für"), fault("malformed"));
    assert_eq!(key("a\u{7f}"), fault("malformed"));
    assert_eq!(key("a\r\nb"), fault("malformed"));
    assert_eq!(key(" a"), fault("malformed"));
    let late = codes(&|options| options.send_at = Some(Timestamp(NOW.0 + 3_600_000)));
    assert_eq!(late, [("send_at".to_owned(), "never_sent")]);
}

#[test]
fn addresses_have_the_shape_of_their_channel() {
    let fits = |channel, kind, value: &str| check_address(channel, kind, value).is_none();
    let (token, fid) = (AddressKind::RegistrationToken, AddressKind::Fid);
    for (digits, good) in [
        (30, false),
        (32, true),
        (33, false),
        (64, true),
        (400, true),
        (402, false),
    ] {
        assert_eq!(
            fits(Channel::IosPush, token, &"a".repeat(digits)),
            good,
            "{digits}"
        );
    }
    assert!(!fits(Channel::IosPush, token, &"g".repeat(64)));
    assert!(!fits(Channel::IosPush, fid, &"a".repeat(64)));
    for (value, good) in [
        ("x", true),
        ("abc:APA91b_-%~", true),
        ("", false),
        ("a b", false),
        ("ü", false),
        (&"x".repeat(4096), true),
        (&"x".repeat(4097), false),
    ] {
        assert_eq!(fits(Channel::Fcm, token, value), good);
    }
    for (value, good) in [
        ("cX8vZ1abcdefghijklmno_", true),
        ("cX8vZ1abcdefghijklmno", false),
        ("cX8vZ1abcdefghijklmno:", false),
    ] {
        assert_eq!(fits(Channel::Fcm, fid, value), good);
    }
}

#[test]
fn subscriptions_have_an_endpoint_and_two_keys() {
    let mut point = vec![4];
    point.resize(65, 7);
    let encoded = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let subscription = |endpoint: &str, p256dh: &str, auth: &str| {
        json!({"endpoint": endpoint, "expirationTime": null, "keys": {"p256dh": p256dh, "auth": auth}})
            .to_string()
    };
    let why = |value: &str| check_address(Channel::WebPush, AddressKind::RegistrationToken, value);
    let (key, auth) = (encoded(&point), encoded(&[1; 16]));
    let endpoint = "https://updates.push.services.mozilla.com/wpush/v2/x";
    assert_eq!(why(&subscription(endpoint, &key, &auth)), None);
    assert_eq!(
        why(&subscription(endpoint, &key, &format!("{auth}=="))),
        None
    );
    for bad in [
        subscription("http://push.example/x", &key, &auth),
        subscription("x", &key, &auth),
        subscription(endpoint, &encoded(&point[..64]), &auth),
        subscription(endpoint, &encoded(&[1; 65]), &auth),
        subscription(endpoint, "", &auth),
        subscription(endpoint, &key, &encoded(&[1; 15])),
        subscription(endpoint, &key, "!!!!"),
        json!({"endpoint": endpoint}).to_string(),
        endpoint.to_owned(),
        subscription(&format!("{endpoint}{}", "x".repeat(4096)), &key, &auth),
    ] {
        assert!(why(&bad).is_some(), "{bad}");
    }
}

#[test]
fn the_report_is_bounded_whatever_is_wrong() {
    let data: serde_json::Map<_, _> = (0..1000)
        .map(|number| (format!("google{number}{}", "ü".repeat(500)), json!("x")))
        .collect();
    let found = faults(json!({ "data": data }));
    assert_eq!(found.len(), FAULTS_MAX);
    assert!(
        found
            .iter()
            .all(|(field, _)| field.len() <= FIELD_BYTES_MAX)
    );
}

/// Small JSON with the names and values that rules are about.
fn odd_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        Just(json!("{{name}}")),
        Just(json!("{{")),
        Just(json!("HIGH")),
        Just(json!("5s")),
        Just(json!("background")),
        Just(json!("voip")),
        any::<u8>().prop_map(|number| json!(number)),
        "[a-z0-9]{0,3}".prop_map(|text| json!(text)),
    ];
    let names = prop::sample::select(vec![
        "aps",
        "alert",
        "sound",
        "badge",
        "headers",
        "apns-push-type",
        "apns-priority",
        "apns",
        "payload",
        "android",
        "ttl",
        "priority",
        "notification",
        "data",
        "from",
        "webpush",
        "TTL",
        "title",
        "token",
        "fcm_options",
        "apns-expiration",
        "x",
    ]);
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop::collection::btree_map(names.clone().prop_map(str::to_owned), inner, 0..4)
            .prop_map(|members| json!(members))
    })
}

fn odd_object() -> impl Strategy<Value = Value> {
    odd_json().prop_map(|value| {
        if value.is_object() {
            value
        } else {
            json!({"x": value})
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]
    #[test]
    fn what_passes_the_door_encodes_for_every_provider(
        title in prop::option::of("[a-z{} \\\\]{0,12}"),
        size in prop_oneof![Just(0_usize), 4000..4200_usize],
        german in prop::option::of("[a-z{}]{0,8}"),
        overrides in prop::collection::btree_map(prop_oneof!["apns", "fcm"], odd_object(), 0..3),
    ) {
        let mut json = json!({"data": {"a": "b"}, "body": "x".repeat(size)});
        let members = json.as_object_mut().unwrap();
        members.extend(title.map(|title| ("title".to_owned(), json!(title))));
        members.extend(german.map(|title| ("localized".to_owned(), json!({"de": {"title": title}}))));
        members.extend(overrides);
        let message = message(json);
        let variables = variables(&[("name", "Ada")]);
        if check_message(&message, &variables, &options()).is_empty() {
            let live = live(message, options(), variables);
            for locale in [None, Some("de")] {
                let request = |mut codec: Codec, address| {
                    codec.encode(&delivery(&live, address, locale), None, NOW)
                };
                let apns = apns::Codec::new("api.push.apple.com", "com.example").unwrap();
                let request_to_apns = request(Codec::Apns(apns), ios());
                prop_assert!(request_to_apns.is_ok(), "{:?}", request_to_apns);
                let fcm = fcm::Codec::new("fcm.googleapis.com", "shop").unwrap();
                let request_to_fcm = request(Codec::Fcm(fcm), support::fcm());
                prop_assert!(request_to_fcm.is_ok(), "{:?}", request_to_fcm);
                let body: Value = serde_json::from_slice(&request_to_fcm.unwrap().body).unwrap();
                prop_assert_eq!(&body["message"]["token"], "a:b_c-d");
            }
        }
    }
}
