//! Reading a `DeviceTokenEditDto`, for a registration and for a change.

use fanfare_types::Timestamp;
use serde_json::json;

use super::*;
use crate::tests::device;

/// The request of the contract's own documentation.
fn seed() -> Value {
    json!({
        "id": "00000000-0000-0000-0000-000000000000", "isActive": true, "displayOrder": 0,
        "deviceId": "a1b2c3d4-device-uuid-from-os-keychain", "platform": 1,
        "token": "fcm-token-string-from-firebase-sdk",
    })
}

fn with(member: &str, value: Value) -> Value {
    let mut body = seed();
    body[member] = value;
    body
}

fn told<T>(read: Result<T, Vec<Fault>>) -> Result<T, Vec<(String, &'static str)>> {
    let pair = |fault: Fault| (fault.field, fault.code);
    read.map_err(|faults| faults.into_iter().map(pair).collect())
}

fn registered(body: Value) -> Result<Register, Vec<(String, &'static str)>> {
    told(registration(body, Some("acme".to_owned())))
}

/// A row of this contract, switched on.
fn row() -> Device {
    let mut row = device("ada", 1);
    row.device_key = Some("install".to_owned());
    let (kind, environment) = (AddressKind::RegistrationToken, Environment::Production);
    row.address = Address::new(Channel::Fcm, kind, environment, "t");
    row.platform = Platform::Android;
    row
}

fn updated(body: Value) -> Result<Patch, Vec<(String, &'static str)>> {
    told(update(body, &row()))
}

#[test]
fn the_request_of_the_seed_is_a_registration() {
    let command = registered(seed()).unwrap();
    let key = "a1b2c3d4-device-uuid-from-os-keychain";
    assert_eq!(command.device_key.as_deref(), Some(key));
    assert_eq!(
        command.address.expose(),
        "fcm-token-string-from-firebase-sdk"
    );
    assert_eq!(command.address.channel, Channel::Fcm);
    assert_eq!(command.address.kind, AddressKind::RegistrationToken);
    assert_eq!(command.platform, Some(Platform::Android));
    assert_eq!(command.tenant.as_deref(), Some("acme"));
    assert_eq!(command.meta.display_order, Some(0));
    assert_eq!(command.tags, None);
}

#[test]
fn platforms_are_numbers() {
    for (number, platform) in [
        (1, Platform::Android),
        (2, Platform::Ios),
        (3, Platform::Web),
    ] {
        let command = registered(with("platform", json!(number))).unwrap();
        assert_eq!(command.platform, Some(platform));
    }
    for (other, code) in [
        (json!(0), "out_of_range"),
        (json!(4), "out_of_range"),
        (json!(-1), "out_of_range"),
        (json!("Android"), "out_of_range"),
        (json!(1.5), "out_of_range"),
        (json!(true), "wrong_type"),
        (json!([1]), "wrong_type"),
    ] {
        let fault = registered(with("platform", other)).unwrap_err();
        assert_eq!(fault, [("platform".to_owned(), code)]);
    }
}

#[test]
fn what_a_registration_says_of_its_user_and_state_is_passed_over() {
    let mut body = with("isActive", json!(false));
    body["userId"] = json!("somebody-else");
    body["UserId"] = json!(7);
    body["tenantId"] = json!("other");
    body["id"] = json!("9C2D3E50-0000-0000-0000-000000000001");
    let expected = registered(seed()).unwrap();
    assert_eq!(
        format!("{:?}", registered(body).unwrap()),
        format!("{expected:?}")
    );
    let smallest = json!({"deviceId": "d", "platform": 3, "token": "t"});
    let command = registered(smallest).unwrap();
    assert_eq!(command.meta.display_order, None);
    let cased = json!({"DeviceId": "d", "PLATFORM": "3", "Token": "t", "IsActive": "True"});
    assert!(registered(cased).is_ok());
}

#[test]
fn every_fault_of_a_registration_is_told_at_once() {
    let body = json!({
        "id": "x", "isActive": "yes", "displayOrder": 1e10, "deviceId": null, "platform": null, "token": null
    });
    let expected = [
        ("deviceId", "null"),
        ("platform", "null"),
        ("token", "null"),
        ("id", "malformed"),
        ("isActive", "wrong_type"),
        ("displayOrder", "out_of_range"),
    ];
    let expected = expected.map(|(field, code)| (field.to_owned(), code));
    assert_eq!(registered(body).unwrap_err(), expected);
    assert_eq!(registered(json!({})).unwrap_err().len(), 3);
    for body in [json!(null), json!([]), json!("x")] {
        assert_eq!(registered(body).unwrap_err()[0].0, "body");
    }
}

#[test]
fn a_device_id_is_plain_and_bounded() {
    for fits in ["d", "A-z_09", &"d".repeat(128)] {
        assert!(registered(with("deviceId", json!(fits))).is_ok(), "{fits}");
    }
    // Among them a Cyrillic а, a full-width ａ, a combining accent, a zero-width joiner and a line break.
    for odd in [
        "",
        " ",
        "a b",
        "\u{430}",
        "\u{ff41}",
        "a\u{301}",
        "a\u{200d}b",
        "a\n",
        "a'--",
        &"d".repeat(129),
    ] {
        let fault = registered(with("deviceId", json!(odd))).unwrap_err();
        assert_eq!(fault, [("deviceId".to_owned(), "malformed")], "{odd}");
    }
    let fault = registered(with("deviceId", json!(7))).unwrap_err();
    assert_eq!(fault, [("deviceId".to_owned(), "wrong_type")]);
}

#[test]
fn a_token_fits_to_the_byte() {
    let token = |token: String| registered(with("token", json!(token)));
    assert!(token("t".to_owned()).is_ok());
    assert!(token("t".repeat(4096)).is_ok());
    let code = |token: Result<Register, Vec<(String, &'static str)>>| token.unwrap_err()[0].1;
    assert_eq!(code(token(String::new())), "malformed");
    assert_eq!(code(token("t".repeat(4097))), "too_long");
    assert_eq!(code(token("t".repeat(1 << 20))), "too_long");
    assert_eq!(code(token("a b".to_owned())), "malformed");
    assert_eq!(code(token("tök".to_owned())), "malformed");
    assert_eq!(code(registered(with("token", json!({})))), "wrong_type");
}

#[test]
fn a_change_leaves_what_it_does_not_say() {
    let same = [
        json!({}),
        json!({"isActive": null, "deviceId": null, "token": null, "platform": null}),
    ];
    for body in same {
        let patch = updated(body).unwrap();
        assert_eq!(format!("{patch:?}"), format!("{:?}", Patch::default()));
    }
    let id = row().id.to_string().to_uppercase();
    let body = json!({
        "id": id, "isActive": false, "displayOrder": -3, "deviceId": "other", "platform": 2, "token": "new"
    });
    let patch = updated(body).unwrap();
    assert_eq!(patch.status, Some(Status::Inactive));
    assert_eq!(patch.display_order, Some(Some(-3)));
    assert_eq!(patch.device_key.as_deref(), Some("other"));
    assert_eq!(patch.platform, Some(Platform::Ios));
    assert_eq!(patch.address.unwrap().expose(), "new");
}

#[test]
fn a_change_is_of_the_device_in_the_path() {
    let other = DeviceId::new(Timestamp(1), 1).to_string();
    for id in [other.as_str(), "9c2d3e50-0000-0000-0000-000000000001"] {
        let fault = updated(json!({ "id": id })).unwrap_err();
        assert_eq!(fault, [("id".to_owned(), "not_allowed")]);
    }
    assert!(updated(json!({"id": "00000000-0000-0000-0000-000000000000"})).is_ok());
    let hex = row().id.0.to_hex();
    assert_eq!(updated(json!({ "id": hex })).unwrap_err()[0].1, "malformed");
}

#[test]
fn a_form_that_changes_nothing_takes_nothing_away() {
    // A device of another contract: no id of its install, no platform, and a provider that said it is gone.
    let mut foreign = device("ada", 1);
    foreign.status = Status::Invalid;
    foreign.platform = Platform::Unknown;
    let form = json!({
        "id": foreign.id.to_string(), "isActive": false, "displayOrder": 0, "deviceId": "", "platform": 0,
        "token": foreign.address.expose(),
    });
    let patch = update(form, &foreign).unwrap();
    assert_eq!((patch.status, patch.device_key), (None, None));
    assert_eq!(patch.platform, Some(Platform::Unknown));
    assert_eq!(patch.address, Some(foreign.address));
    let emptied = updated(json!({"deviceId": ""})).unwrap_err();
    assert_eq!(emptied, [("deviceId".to_owned(), "malformed")]);
}

#[test]
fn a_new_token_is_one_of_the_devices_own_channel() {
    let apple = device("ada", 1);
    let fault = told(update(json!({"token": "fcm-token"}), &apple)).unwrap_err();
    assert_eq!(fault, [("token".to_owned(), "malformed")]);
    let patch = update(json!({"token": "AB".repeat(32)}), &apple).unwrap();
    let address = patch.address.unwrap();
    assert_eq!(
        (address.channel, address.expose()),
        (Channel::IosPush, "ab".repeat(32).as_str())
    );
}
