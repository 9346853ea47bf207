//! Credentials: what is signed verifies with the public key, and what is broken is said clearly.

use std::time::Duration;

use fanfare_providers::Error;
use fanfare_providers::apns::Signer;
use fanfare_providers::fcm::{ServiceAccount, read_token};
use fanfare_types::Secret;
use http::{HeaderValue, StatusCode};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_RSA_SHA256, RsaKeySize};
use serde_json::{Value, json};

use crate::support::NOW;

const TOKEN_URI: &str = "https://oauth2.googleapis.com/token";

/// The claims of a JWT whose signature holds, and its header.
fn verified(jwt: &str, algorithm: Algorithm, key: &DecodingKey) -> (Value, jsonwebtoken::Header) {
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    let data = jsonwebtoken::decode::<Value>(jwt, key, &validation).unwrap();
    (data.claims, data.header)
}

#[test]
fn a_provider_token_is_signed_with_the_key() {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let signer = Signer::new(key.serialize_pem().as_bytes(), "ABCDE12345", "TEAM567890").unwrap();
    let token = signer.sign(NOW).unwrap();
    assert!(token.expose().is_sensitive());
    let jwt = token.expose().to_str().unwrap().strip_prefix("bearer ");
    let public = DecodingKey::from_ec_pem(key.public_key_pem().as_bytes()).unwrap();
    let (claims, header) = verified(jwt.unwrap(), Algorithm::ES256, &public);
    assert_eq!(claims, json!({"iss": "TEAM567890", "iat": 1_705_312_800}));
    assert_eq!(header.kid.as_deref(), Some("ABCDE12345"));
    assert_eq!(header.typ, None);
}

#[test]
fn a_signer_is_only_made_of_what_can_sign() {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let pem = key.serialize_pem();
    let wrong_curve = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
    for (pem, key_id, team_id, what) in [
        (pem.as_str(), "short", "TEAM567890", "APNs key id"),
        (&pem, "ABCDE1234-", "TEAM567890", "APNs key id"),
        (&pem, "ABCDE12345", "", "APNs team id"),
        ("", "ABCDE12345", "TEAM567890", "APNs key"),
        ("not a key", "ABCDE12345", "TEAM567890", "APNs key"),
        (
            &key.public_key_pem(),
            "ABCDE12345",
            "TEAM567890",
            "APNs key",
        ),
        (
            &wrong_curve.serialize_pem(),
            "ABCDE12345",
            "TEAM567890",
            "APNs key",
        ),
    ] {
        match Signer::new(pem.as_bytes(), key_id, team_id) {
            Err(Error::Credential { what: found, .. }) => assert_eq!(found, what),
            other => panic!("{what}: {other:?}"),
        }
    }
}

fn account_file(key: &KeyPair) -> Value {
    json!({
        "type": "service_account",
        "project_id": "shop-1234",
        "private_key_id": "k1",
        "private_key": key.serialize_pem(),
        "client_email": "push@shop-1234.iam.gserviceaccount.com",
        "token_uri": TOKEN_URI,
    })
}

fn rsa_key() -> KeyPair {
    KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap()
}

#[test]
fn an_assertion_is_signed_with_the_key_and_hides_it() {
    let key = rsa_key();
    let account = ServiceAccount::parse(account_file(&key).to_string().as_bytes()).unwrap();
    assert_eq!(account.project_id(), "shop-1234");
    let request = account.token_request(NOW).unwrap();
    assert_eq!(request.uri, TOKEN_URI);
    let assertion = request
        .form
        .expose()
        .strip_prefix("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=")
        .unwrap();
    let public = DecodingKey::from_rsa_pem(key.public_key_pem().as_bytes()).unwrap();
    let (claims, header) = verified(assertion, Algorithm::RS256, &public);
    let expected = json!({
        "iss": "push@shop-1234.iam.gserviceaccount.com",
        "scope": "https://www.googleapis.com/auth/firebase.messaging",
        "aud": TOKEN_URI,
        "iat": 1_705_312_800,
        "exp": 1_705_316_400,
    });
    assert_eq!(claims, expected);
    assert_eq!(header.kid.as_deref(), Some("k1"));
    let shown = format!("{account:?} {request:?}");
    assert!(!shown.contains(assertion) && !shown.contains("PRIVATE"));
}

#[test]
fn every_missing_field_of_an_account_is_named() {
    let why = |file: &str| match ServiceAccount::parse(file.as_bytes()) {
        Err(Error::Credential { why, .. }) => why,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        why("{}"),
        "it has no client_email, private_key, token_uri, project_id"
    );
    assert_eq!(why("nonsense"), "it is not JSON");
    let mut file = account_file(&rsa_key());
    file["token_uri"] = json!("http://oauth2.googleapis.com/token");
    assert!(why(&file.to_string()).contains("token_uri"));
    file["token_uri"] = json!("");
    assert_eq!(why(&file.to_string()), "it has no token_uri");
    file["token_uri"] = json!(TOKEN_URI);
    file["private_key"] = json!("hush");
    let why = why(&file.to_string());
    assert!(why.contains("private_key") && !why.contains("hush"));
}

fn read(status: u16, body: &str) -> Result<(Secret<HeaderValue>, Duration), Error> {
    read_token(StatusCode::from_u16(status).unwrap(), body.as_bytes())
}

#[test]
fn an_access_token_and_its_lifetime_are_read() {
    for (expires_in, seconds) in [
        (r#","expires_in":3599"#, 3599),
        (r#","expires_in":"3599""#, 3599),
        (r#","expires_in":999999999999"#, 24 * 3600),
        (r#","expires_in":null"#, 3600),
        ("", 3600),
    ] {
        let body = format!(r#"{{"access_token":"ya29.x","token_type":"Bearer"{expires_in}}}"#);
        let (token, lifetime) = read(200, &body).unwrap();
        assert_eq!(token.expose(), "Bearer ya29.x");
        assert!(token.expose().is_sensitive());
        assert_eq!(lifetime, Duration::from_secs(seconds), "{body}");
    }
}

#[test]
fn the_status_of_the_token_endpoint_counts() {
    let refused = |word: &str| Error::TokenRefused(word.to_owned());
    let unavailable = |word: &str| Error::TokenUnavailable(word.to_owned());
    let body = r#"{"error":"invalid_grant","error_description":"hush"}"#;
    for (status, body, expected) in [
        (400, body, refused("invalid_grant")),
        (
            401,
            r#"{"error":"eyJhbGciOiJSUzI1NiJ9"}"#,
            refused("http_401"),
        ),
        (403, "<html>", refused("http_403")),
        (400, r#"{"error":{"status":"X"}}"#, refused("http_400")),
        (408, "", unavailable("http_408")),
        (429, "", unavailable("http_429")),
        (302, "", unavailable("http_302")),
        (500, r#"{"access_token":"x"}"#, unavailable("http_500")),
        (503, "<html>", unavailable("http_503")),
    ] {
        assert_eq!(read(status, body).unwrap_err(), expected);
    }
    for nonsense in [
        "",
        "<html>",
        "{}",
        r#"{"access_token":""}"#,
        r#"{"access_token":7}"#,
        r#"{"access_token":"a\nb"}"#,
        r#"{"access_token":"x","expires_in":0}"#,
        r#"{"access_token":"x","expires_in":-1}"#,
        r#"{"access_token":"x","expires_in":"soon"}"#,
    ] {
        let unavailable = matches!(read(200, nonsense), Err(Error::TokenUnavailable(_)));
        assert!(unavailable, "{nonsense}");
    }
}
