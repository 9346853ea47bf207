//! Forms: what a recipient's own variables make of a message that was rendered once.

use std::sync::Arc;

use fanfare_providers::{Codec, Refused, apns, fcm};
use fanfare_types::message::Variables;
use fanfare_types::{
    CampaignId, Delivery, Live, Message, MissingVariable, Options, Outcome, Pace, Run,
};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::support::{self, NOW, delivery, ios, message, options, token, variables};

fn codecs() -> [Codec; 2] {
    let apns = apns::Codec::new("api.push.apple.com", "com.example").unwrap();
    let fcm = fcm::Codec::new("fcm.googleapis.com", "shop").unwrap();
    [Codec::Apns(apns), Codec::Fcm(fcm)]
}

/// A chunk of a campaign.
fn chunk(
    message: &Arc<Message>,
    shared: &Arc<Variables>,
    options: Options,
    missing: MissingVariable,
) -> Arc<Live> {
    let mut live = support::live(Message::default(), options, Variables::new());
    let chunk = Arc::get_mut(&mut live).unwrap();
    chunk.message = message.clone();
    chunk.variables = shared.clone();
    chunk.run = Some(Run::new(CampaignId::new(NOW, 1), missing, Pace::new(None)));
    live
}

fn to(live: &Arc<Live>, codec: &Codec, locale: Option<&str>, own: Option<Variables>) -> Delivery {
    let address = match codec {
        Codec::Apns(_) => ios(),
        Codec::Fcm(_) => support::fcm(),
    };
    let mut delivery = delivery(live, address, locale);
    delivery.variables = own.map(Arc::new);
    delivery
}

/// Path, headers and body as they are written.
fn sent(codec: &mut Codec, delivery: &Delivery) -> Result<(String, String), Refused> {
    let request = codec.encode(delivery, Some(&token("bearer a")), NOW)?;
    let request = request.into_http().unwrap();
    let head = format!("{} {:?}", request.uri(), request.headers());
    let body = String::from_utf8(request.into_body().to_vec()).unwrap();
    Ok((head, body))
}

/// A form, filled, against a rendering with the same values that nobody shares.
fn compare(
    message: &Arc<Message>,
    shared: &Arc<Variables>,
    recipients: &[Variables],
    missing: MissingVariable,
) {
    let filled = chunk(message, shared, options(), missing);
    for mut codec in codecs() {
        for own in recipients {
            for locale in [None, Some("de-AT"), Some("fr")] {
                let form = to(&filled, &codec, locale, Some(own.clone()));
                let found = sent(&mut codec, &form);
                let mut all = (**shared).clone();
                all.extend(
                    own.iter()
                        .map(|(name, value)| (name.clone(), value.clone())),
                );
                let anew = chunk(message, &Arc::new(all), options(), missing);
                let anew = to(&anew, &codec, locale, None);
                assert_eq!(found, sent(&mut codec, &anew));
            }
        }
    }
}

#[test]
fn a_form_is_filled_as_if_rendered_anew() {
    let message = Arc::new(message(json!({
        "title": "Hi {{name}}, {{ name }}", "body": "\\{{{{n}} \u{10fffd}{{n}}\u{10fffd}", "sound": "{{s}}.caf",
        "image": "https://cdn.example.com/{{n}}", "click_action": "{{link}}", "badge": 2,
        "data": {"{\u{10fffd}0}": "{{n}}", "plain": "\"{\u{10fffd}0}\u{10fffd}"},
        "localized": {"de": {"title": "Hallo {{name}}", "click_action": "https://x.example/{{n}}"}},
        "apns": {"aps": {"thread-id": "{{n}}", "badge": null}, "list": ["{{n}}", 1, {"x": "{{name}}"}]},
        "fcm": {"android": {"notification": {"tag": "t{{n}}"}, "ttl": "60s"}, "notification": {"body": null}},
    })));
    let shared = Arc::new(variables(&[("n", "0"), ("s", "default"), ("link", "OPEN")]));
    let recipients = [
        variables(&[("name", "Ada")]),
        variables(&[
            ("name", "\"Ada\"\n\u{1}\\ \u{7f} {{n}}"),
            ("n", "\u{10fffd}{1}"),
        ]),
        variables(&[("name", ""), ("link", "https://shop.example/a?b=c")]),
        variables(&[("name", "{\u{10fffd}1}"), ("link", "http://shop.example")]),
        variables(&[("n", "nobody")]),
        variables(&[("name", &"é".repeat(2_000))]),
        variables(&[("name", &"x".repeat(40_000))]),
    ];
    for missing in [
        MissingVariable::Fail,
        MissingVariable::Skip,
        MissingVariable::Empty,
    ] {
        compare(&message, &shared, &recipients, missing);
    }
}

#[test]
fn what_headers_and_times_say_may_depend_on_the_recipient() {
    for json in [
        json!({"title": "Hi", "apns": {"headers": {"apns-push-type": "{{kind}}", "apns-priority": "{{n}}"}}}),
        json!({"title": "Hi", "fcm": {"android": {"ttl": "{{n}}s"}, "webpush": {"headers": {"TTL": "{{n}}"}}}}),
        json!({"title": "Hi", "fcm": {"apns": {"headers": {"apns-expiration": "{{n}}"}}}}),
        json!({"title": "{{n}}", "body": "{{"}),
        json!({"title": "{{n}}", "apns": {"aps": "{{kind}}"}, "fcm": {"apns": "{{kind}}"}}),
    ] {
        let shared = Arc::new(variables(&[("kind", "voip")]));
        let recipients = [
            variables(&[("n", "5")]),
            variables(&[("n", "10"), ("kind", "alert")]),
            variables(&[("n", "soon"), ("kind", "none")]),
            variables(&[]),
        ];
        compare(
            &Arc::new(message(json)),
            &shared,
            &recipients,
            MissingVariable::Fail,
        );
    }
}

#[test]
fn chunks_of_a_campaign_share_what_was_rendered() {
    let message = Arc::new(message(json!({"title": "Sale {{n}}"})));
    let shared = Arc::new(variables(&[("n", "1")]));
    let mut apns = codecs().into_iter().next().unwrap();
    let mut body = |message| {
        let live = chunk(message, &shared, options(), MissingVariable::Fail);
        let delivery = to(&live, &apns, None, None);
        apns.encode(&delivery, None, NOW).unwrap().body
    };
    let first = body(&message);
    assert_eq!(first.as_ptr(), body(&message).as_ptr());
    assert_ne!(first.as_ptr(), body(&Arc::new((*message).clone())).as_ptr());
}

#[test]
fn other_options_of_one_message_are_not_mixed_up() {
    let message = Arc::new(message(json!({"title": "Sale"})));
    let shared = Arc::new(Variables::new());
    let mut apns = codecs().into_iter().next().unwrap();
    for (collapse, hours) in [(None, 1), (Some("a"), 1), (Some("b"), 2), (None, 1)] {
        let options = Options {
            collapse_key: collapse.map(str::to_owned),
            expires_at: NOW + std::time::Duration::from_secs(3600 * hours),
            ..options()
        };
        let live = chunk(&message, &shared, options, MissingVariable::Fail);
        let delivery = to(&live, &apns, None, None);
        let request = apns.encode(&delivery, None, NOW).unwrap();
        let request = request.into_http().unwrap();
        let header = |name| {
            request
                .headers()
                .get(name)
                .map(|value| value.to_str().unwrap())
        };
        assert_eq!(header("apns-collapse-id"), collapse);
        let expiration = (NOW.as_seconds() + 3600 * hours).to_string();
        assert_eq!(header("apns-expiration"), Some(expiration.as_str()));
    }
}

#[test]
fn a_recipient_without_a_value_ends_as_the_campaign_says() {
    let message = Arc::new(message(json!({"title": "Hi {{name}}"})));
    let shared = Arc::new(Variables::new());
    for mut codec in codecs() {
        for own in [None, Some(variables(&[("other", "x")]))] {
            for (missing, outcome) in [
                (MissingVariable::Fail, Outcome::Rejected),
                (MissingVariable::Skip, Outcome::Cancelled),
            ] {
                let live = chunk(&message, &shared, options(), missing);
                let delivery = to(&live, &codec, None, own.clone());
                let refused = codec.encode(&delivery, None, NOW).unwrap_err();
                assert_eq!(refused.outcome, outcome);
                assert_eq!(refused.reason.as_str(), "missing_variable");
            }
            let live = chunk(&message, &shared, options(), MissingVariable::Empty);
            let delivery = to(&live, &codec, None, own.clone());
            assert!(sent(&mut codec, &delivery).unwrap().1.contains("Hi \""));
        }
    }
}

fn text() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "{{a}}",
        "{{ b }}",
        "{{c.d}}",
        "\\{{",
        "x",
        "\"",
        "\\",
        "\u{10fffd}",
        "{",
        "é\n",
        "https://x.example/",
        "{{",
    ]);
    prop::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat())
}

fn raw() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        text().prop_map(Value::from),
        Just(json!(1)),
        Just(Value::Null)
    ];
    let name = prop::sample::select(vec![
        "aps",
        "alert",
        "title",
        "badge",
        "android",
        "notification",
        "apns",
        "payload",
        "headers",
        "webpush",
        "ttl",
        "TTL",
        "apns-expiration",
        "apns-push-type",
        "apns-priority",
        "data",
        "x",
    ]);
    leaf.prop_recursive(4, 12, 4, move |inner| {
        let members = prop::collection::vec((name.clone(), inner.clone()), 0..4);
        prop_oneof![
            3 => members.prop_map(|members| {
                Value::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
            }),
            1 => prop::collection::vec(inner, 0..3).prop_map(Value::Array),
        ]
    })
}

fn any_message() -> impl Strategy<Value = Message> {
    let texts = || {
        prop::collection::btree_map(
            prop::sample::select(vec!["title", "body", "image", "sound", "click_action"]),
            text(),
            0..5,
        )
    };
    let raws = prop::collection::btree_map(prop::sample::select(vec!["apns", "fcm"]), raw(), 0..3);
    (texts(), texts(), text(), raws).prop_map(|(base, german, data, raws)| {
        let object = |texts: std::collections::BTreeMap<&str, String>| -> Map<String, Value> {
            texts
                .into_iter()
                .map(|(name, text)| (name.to_owned(), text.into()))
                .collect()
        };
        let mut json = object(base);
        json.insert("localized".into(), json!({"de": object(german)}));
        json.insert("data".into(), json!({"k": data}));
        for (name, raw) in raws.into_iter().filter(|(_, raw)| raw.is_object()) {
            json.insert(name.to_owned(), raw);
        }
        serde_json::from_value(Value::Object(json)).expect("a message")
    })
}

fn values() -> impl Strategy<Value = Variables> {
    let name = prop::sample::select(vec!["a", "b", "c.d"]);
    let value = prop_oneof![
        8 => text(),
        1 => Just("voip".to_owned()),
        1 => Just("10".to_owned()),
        1 => (0_usize..5_000).prop_map(|n| "\"".repeat(n)),
    ];
    prop::collection::btree_map(name.prop_map(str::to_owned), value, 0..4)
        .prop_map(|values| values.into_iter().collect())
}

proptest! {
    #[test]
    fn whatever_the_message_a_form_is_what_rendering_anew_makes(
        message in any_message(),
        shared in values(),
        recipients in prop::collection::vec(values(), 1..4),
        missing in prop::sample::select(MissingVariable::ALL),
    ) {
        compare(&Arc::new(message), &Arc::new(shared), &recipients, missing);
    }
}
