//! Credentials that hold, and all those that do not.

use std::time::Duration;

use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderMap, HeaderValue};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PublicKeyData};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::config::AppDoor;
use crate::tests::{AGENT, NOW, OTHER, SERVICE, app, config, jwt, jwt_door, user};

fn bearer(token: &str) -> HeaderMap {
    let value = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
    HeaderMap::from_iter([(AUTHORIZATION, value)])
}

fn cookie(text: &str) -> HeaderMap {
    HeaderMap::from_iter([(COOKIE, HeaderValue::from_str(text).unwrap())])
}

/// `app:who`, or the code of the refusal.
async fn who(doors: &Doors, headers: HeaderMap) -> String {
    match doors.authenticate(&headers, NOW).await {
        Ok(Caller {
            app,
            who: Who::Key(kind),
        }) => format!("{}:{kind:?}", app.id),
        Ok(Caller {
            app,
            who: Who::User { id, tenant },
        }) => {
            format!("{}:{id}:{}", app.id, tenant.unwrap_or_default())
        }
        Err(problem) => problem.code.to_owned(),
    }
}

fn doors(apps: &[AppDoor]) -> Doors {
    Doors::new(apps).unwrap()
}

fn two_apps() -> Doors {
    doors(&config().apps)
}

/// One app that names no issuer.
fn lone(door: JwtDoor) -> Doors {
    doors(&[app("shop", &[], door)])
}

#[tokio::test]
async fn keys_name_their_app_and_kind() {
    let doors = two_apps();
    assert_eq!(who(&doors, bearer(SERVICE)).await, "shop:Service");
    assert_eq!(who(&doors, bearer(AGENT)).await, "shop:Agent");
    assert_eq!(who(&doors, bearer(OTHER)).await, "news:Service");
    let lower = HeaderMap::from_iter([(
        AUTHORIZATION,
        HeaderValue::from_str(&format!("bearer  {SERVICE} ")).unwrap(),
    )]);
    assert_eq!(who(&doors, lower).await, "shop:Service");
}

#[tokio::test]
async fn a_wrong_key_is_wrong_and_nothing_more() {
    let doors = two_apps();
    let mut answers = Vec::new();
    let other_secret = SERVICE.replace("0123", "3210");
    let wrong_app = SERVICE.replace("shop", "nope");
    let other_app = SERVICE.replace("shop", "news").replace("ABCD", "ABCE");
    let malformed = [
        "ffk_",
        "ffk_shop",
        "ffk_shop_short",
        "ffk_shop_01234_6789abcdefghijklmnopqrstuvwxyzABCDE",
    ];
    for key in malformed
        .into_iter()
        .chain([&*other_secret, &*wrong_app, &*other_app])
    {
        let problem = doors.authenticate(&bearer(key), NOW).await.unwrap_err();
        answers.push(serde_json::to_string(&problem).unwrap());
    }
    assert!(answers[0].contains("invalid_api_key"));
    answers.dedup();
    assert_eq!(
        answers.len(),
        1,
        "every wrong key gets the same answer: {answers:?}"
    );
}

#[tokio::test]
async fn a_users_jwt_holds_by_header_and_by_cookie() {
    let doors = two_apps();
    let token = user("ada");
    assert_eq!(who(&doors, bearer(&token)).await, "shop:ada:acme");
    assert_eq!(
        who(&doors, cookie(&format!("a=b; session=\"{token}\"; c=d"))).await,
        "shop:ada:acme"
    );
    assert_eq!(
        who(&doors, cookie(&format!("other={token}"))).await,
        "missing_credentials"
    );
    // A header counts before a cookie, even a wrong one; a proxy's own scheme is passed over.
    let mut both = cookie(&format!("session={token}"));
    both.insert(AUTHORIZATION, HeaderValue::from_static("Bearer nonsense"));
    assert_eq!(who(&doors, both.clone()).await, "invalid_token");
    both.insert(AUTHORIZATION, HeaderValue::from_static("Basic eDp5"));
    assert_eq!(who(&doors, both).await, "shop:ada:acme");
    // Two apps of one site: the cookie that holds counts.
    let expired = jwt(
        "news-secret",
        &json!({"sub": "n", "exp": 1, "iss": "https://id.news.example"}),
    );
    let two = cookie(&format!("session={expired}; session={token}"));
    assert_eq!(who(&doors, two).await, "shop:ada:acme");
    assert_eq!(
        who(&doors, cookie(&format!("session={expired}"))).await,
        "token_expired"
    );
}

#[tokio::test]
async fn only_the_keys_of_the_app_that_is_named_verify() {
    let doors = two_apps();
    let exp = NOW.as_seconds() + 60;
    let of =
        |secret: &str, issuer: &str| jwt(secret, &json!({"sub": "u", "exp": exp, "iss": issuer}));
    for (secret, issuer, expected) in [
        ("shop-secret", "https://id.shop.example", "shop:u:"),
        ("news-secret", "https://id.news.example", "news:u:"),
        ("news-secret", "https://id.shop.example", "invalid_token"),
        ("shop-secret", "https://id.else.example", "invalid_token"),
    ] {
        assert_eq!(who(&doors, bearer(&of(secret, issuer))).await, expected);
    }
    let without = jwt("shop-secret", &json!({"sub": "u", "exp": exp}));
    assert_eq!(who(&doors, bearer(&without)).await, "invalid_token");
    assert_eq!(
        who(&lone(jwt_door("shop-secret", None)), bearer(&without)).await,
        "shop:u:"
    );
}

#[tokio::test]
async fn one_issuer_of_two_apps_is_told_apart_by_audience() {
    let door = |audience: Option<&str>| JwtDoor {
        audience: audience.map(str::to_owned),
        ..jwt_door("same", Some("https://id.example"))
    };
    let doors = doors(&[
        app("a", &[], door(Some("aud-a"))),
        app("b", &[], door(Some("aud-b"))),
    ]);
    let token = |aud: Value| {
        let exp = NOW.as_seconds() + 60;
        bearer(&jwt(
            "same",
            &json!({"sub": "u", "exp": exp, "iss": "https://id.example", "aud": aud}),
        ))
    };
    assert_eq!(who(&doors, token(json!("aud-a"))).await, "a:u:");
    assert_eq!(who(&doors, token(json!(["x", "aud-b"]))).await, "b:u:");
    assert_eq!(
        who(&doors, token(json!(["aud-a", "aud-b"]))).await,
        "invalid_token",
        "ambiguous"
    );
    assert_eq!(who(&doors, token(json!("x"))).await, "invalid_token");
    assert_eq!(who(&doors, token(Value::Null)).await, "invalid_token");
}

#[tokio::test]
async fn times_count_with_a_minutes_leeway() {
    let doors = lone(jwt_door("s", None));
    let now = NOW.as_seconds();
    for (claims, expected) in [
        (json!({"sub": "u", "exp": now + 1}), "shop:u:"),
        (json!({"sub": "u", "exp": now - 59}), "shop:u:"),
        (json!({"sub": "u", "exp": now - 60}), "token_expired"),
        (json!({"sub": "u", "exp": now as f64 + 0.5}), "shop:u:"),
        (json!({"sub": "u"}), "invalid_token"),
        (json!({"sub": "u", "exp": null}), "invalid_token"),
        (json!({"sub": "u", "exp": "tomorrow"}), "invalid_token"),
        (json!({"sub": "u", "exp": -1}), "invalid_token"),
        (json!({"sub": "u", "exp": 1e300}), "invalid_token"),
        (
            json!({"sub": "u", "exp": now + 9, "nbf": now + 60}),
            "shop:u:",
        ),
        (
            json!({"sub": "u", "exp": now + 90, "nbf": now + 61}),
            "token_not_yet_valid",
        ),
        (
            json!({"sub": "u", "exp": now + 90, "nbf": "x"}),
            "invalid_token",
        ),
    ] {
        assert_eq!(
            who(&doors, bearer(&jwt("s", &claims))).await,
            expected,
            "{claims}"
        );
    }
}

#[tokio::test]
async fn the_user_is_a_text_or_a_whole_number() {
    let door = JwtDoor {
        user_claim: "uid".to_owned(),
        ..jwt_door("s", None)
    };
    let doors = lone(door);
    let exp = NOW.as_seconds() + 60;
    for (uid, tenant, expected) in [
        (json!("ada"), json!("acme"), "shop:ada:acme"),
        (json!(42), json!(7), "shop:42:7"),
        (json!(1.5), Value::Null, "invalid_token"),
        (json!(""), Value::Null, "invalid_token"),
        (json!("u".repeat(129)), Value::Null, "invalid_token"),
        (json!("a\nb"), Value::Null, "invalid_token"),
        (Value::Null, Value::Null, "invalid_token"),
        (json!("ada"), json!(["acme"]), "invalid_token"),
    ] {
        let claims = json!({"uid": uid, "exp": exp, "tenant_id": tenant});
        assert_eq!(
            who(&doors, bearer(&jwt("s", &claims))).await,
            expected,
            "{claims}"
        );
    }
}

fn encoded(json: &Value) -> String {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(json.to_string())
}

#[tokio::test]
async fn algorithms_come_from_the_list_and_none_never_does() {
    let doors = lone(jwt_door("s", None));
    let claims = json!({"sub": "u", "exp": NOW.as_seconds() + 60});
    let good = jwt("s", &claims);
    let (_, signature) = good.rsplit_once('.').unwrap();
    let key = EncodingKey::from_secret(b"s");
    let hs512 = jsonwebtoken::encode(&Header::new(Algorithm::HS512), &claims, &key).unwrap();
    let mut header = Header::new(Algorithm::HS256);
    header.crit = Some(vec!["exp".to_owned()]);
    let crit = jsonwebtoken::encode(&header, &claims, &key).unwrap();
    for (token, expected) in [
        (good.clone(), "shop:u:"),
        (hs512, "invalid_token"),
        (crit, "invalid_token"),
        (
            format!("{}.{}.", encoded(&json!({"alg": "none"})), encoded(&claims)),
            "invalid_token",
        ),
        (
            format!(
                "{}.{}.{signature}",
                encoded(&json!({"alg": "None"})),
                encoded(&claims)
            ),
            "invalid_token",
        ),
        (format!("{good}x"), "invalid_token"),
        (good.replace('.', ""), "invalid_token"),
        (format!("{good}.{signature}"), "invalid_token"),
        ("x".repeat(20_000), "invalid_token"),
        ("..".to_owned(), "invalid_token"),
    ] {
        assert_eq!(who(&doors, bearer(&token)).await, expected, "{token:.60}");
    }
}

/// A key pair, its JWK, and tokens signed with it.
struct Signer {
    algorithm: Algorithm,
    kid: &'static str,
    jwk: Value,
    key: EncodingKey,
}

impl Signer {
    fn es256(kid: &'static str) -> Self {
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let point = pair.der_bytes();
        let jwk = json!({"kty": "EC", "crv": "P-256", "kid": kid, "x": base64(&point[1..33]), "y": base64(&point[33..])});
        Signer {
            algorithm: Algorithm::ES256,
            kid,
            jwk,
            key: EncodingKey::from_ec_der(&pair.serialize_der()),
        }
    }

    fn ed25519(kid: &'static str) -> Self {
        let pair = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let jwk = json!({"kty": "OKP", "crv": "Ed25519", "kid": kid, "use": "sig", "x": base64(pair.der_bytes())});
        Signer {
            algorithm: Algorithm::EdDSA,
            kid,
            jwk,
            key: EncodingKey::from_ed_der(&pair.serialize_der()),
        }
    }

    fn token(&self, with_kid: bool) -> HeaderMap {
        let mut header = Header::new(self.algorithm);
        header.kid = with_kid.then(|| self.kid.to_owned());
        let claims = json!({"sub": "u", "exp": NOW.as_seconds() + 60});
        bearer(&jsonwebtoken::encode(&header, &claims, &self.key).unwrap())
    }
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

fn set(signers: &[&Signer]) -> String {
    let keys: Vec<_> = signers.iter().map(|signer| signer.jwk.clone()).collect();
    json!({"keys": keys}).to_string()
}

fn public_keys(algorithms: Vec<Algorithm>, keys: JwtKeys) -> JwtDoor {
    JwtDoor {
        algorithms,
        keys,
        ..jwt_door("", None)
    }
}

#[tokio::test]
async fn public_keys_are_found_by_kid_and_algorithm() {
    let (ec, ed, stranger) = (
        Signer::es256("ec"),
        Signer::ed25519("ed"),
        Signer::es256("ec"),
    );
    let keys = key_set(set(&[&ec, &ed]).as_bytes()).unwrap();
    let both = vec![Algorithm::ES256, Algorithm::EdDSA];
    let doors = lone(public_keys(both, JwtKeys::Set(keys.clone())));
    for (signer, with_kid, expected) in [
        (&ec, true, "shop:u:"),
        (&ec, false, "shop:u:"),
        (&ed, true, "shop:u:"),
        (&stranger, true, "invalid_token"),
        (&stranger, false, "invalid_token"),
    ] {
        assert_eq!(who(&doors, signer.token(with_kid)).await, expected);
    }
    let only_ed = lone(public_keys(vec![Algorithm::EdDSA], JwtKeys::Set(keys)));
    assert_eq!(who(&only_ed, ec.token(true)).await, "invalid_token");
    // The public key as an HMAC secret: the oldest trick.
    let header = Header {
        kid: Some("ec".to_owned()),
        ..Header::new(Algorithm::HS256)
    };
    let secret = EncodingKey::from_secret(ec.jwk.to_string().as_bytes());
    let claims = json!({"sub": "u", "exp": NOW.as_seconds() + 60});
    let confused = jsonwebtoken::encode(&header, &claims, &secret).unwrap();
    assert_eq!(who(&doors, bearer(&confused)).await, "invalid_token");
}

#[test]
fn a_key_set_keeps_what_it_can_use() {
    let ec = Signer::es256("ec");
    let mut encryption = Signer::ed25519("enc").jwk;
    encryption["use"] = json!("enc");
    let mut misnamed = Signer::ed25519("mis").jwk;
    misnamed["alg"] = json!("ES256");
    let secret = json!({"kty": "oct", "k": "c2VjcmV0"});
    let keys = json!({"keys": [{"kty": "future"}, secret, encryption, misnamed, ec.jwk]});
    let read = key_set(keys.to_string().as_bytes()).unwrap();
    assert_eq!(read.len(), 1);
    assert_eq!(read[0].0.as_deref(), Some("ec"));
    for text in ["", "[]", "{}", r#"{"keys": []}"#, r#"{"keys": [{}]}"#] {
        assert!(key_set(text.as_bytes()).is_none());
    }
}

/// An identity provider that answers each request with the next of these, and says how many came.
async fn identity_provider(
    answers: Vec<String>,
) -> (String, std::sync::Arc<std::sync::atomic::AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/jwks", listener.local_addr().unwrap());
    let count = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let served = count.clone();
    tokio::spawn(async move {
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                stream.read_buf(&mut head).await.unwrap();
            }
            served.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let length = answer.len();
            let head =
                format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
            stream.write_all(head.as_bytes()).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        // Then it is down.
    });
    (url, count)
}

/// One app whose keys come from a URL, with these bounds.
fn fetching(url: &str, limits: jwks::Limits) -> Doors {
    let door = public_keys(vec![Algorithm::ES256], JwtKeys::Url(url.to_owned()));
    let mut doors = lone(door);
    let source = jwks::Source::new(&doors.0[0].app.id, url, limits).unwrap();
    doors.0[0].jwks = Some(source);
    doors
}

#[tokio::test]
async fn fetched_keys_are_kept_and_an_unknown_kid_reads_them_again_once() {
    let (old, new, stranger) = (Signer::es256("1"), Signer::es256("2"), Signer::es256("3"));
    let answers = vec![set(&[&old]), set(&[&old, &new])];
    let (url, count) = identity_provider(answers).await;
    let served = || count.load(std::sync::atomic::Ordering::SeqCst);
    // The first doors may not try again within the minute.
    let doors = fetching(&url, jwks::Limits::default());
    for _ in 0..3 {
        assert_eq!(who(&doors, old.token(true)).await, "shop:u:");
    }
    for _ in 0..3 {
        assert_eq!(who(&doors, stranger.token(true)).await, "invalid_token");
    }
    assert_eq!(served(), 1);
    // With no such minute, the new key is found, and the stranger's is looked for in vain.
    let eager = jwks::Limits {
        retry: Duration::ZERO,
        ..jwks::Limits::default()
    };
    let doors = fetching(&url, eager);
    assert_eq!(who(&doors, new.token(true)).await, "shop:u:");
    assert_eq!(served(), 2);
    assert_eq!(who(&doors, stranger.token(true)).await, "invalid_token");
    assert_eq!(
        who(&doors, new.token(true)).await,
        "shop:u:",
        "known keys outlive their source"
    );
}

#[tokio::test]
async fn callers_at_once_share_one_fetch() {
    let signer = Signer::es256("1");
    let (url, count) = identity_provider(vec![set(&[&signer]), set(&[])]).await;
    let doors = fetching(&url, jwks::Limits::default());
    let calls = (0..20).map(|_| who(&doors, signer.token(true)));
    for answer in futures_util::future::join_all(calls).await {
        assert_eq!(answer, "shop:u:");
    }
    assert_eq!(count.load(std::sync::atomic::Ordering::SeqCst), 1);
}

#[tokio::test]
async fn keys_that_cannot_be_fetched_are_a_503_of_that_app_alone() {
    let signer = Signer::es256("1");
    let huge = format!("{{\"keys\": [], \"x\": \"{}\"}}", "x".repeat(300 << 10));
    let (url, _) = identity_provider(vec![huge]).await;
    let limits = jwks::Limits {
        timeout: Duration::from_millis(200),
        ..jwks::Limits::default()
    };
    let doors = fetching(&url, limits.clone());
    let problem = doors
        .authenticate(&signer.token(true), NOW)
        .await
        .unwrap_err();
    assert_eq!(problem.code, "keys_unavailable");
    // Nobody listens for an answer here: the fetch has a time limit.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/jwks", silent.local_addr().unwrap());
    let mut doors = fetching(&url, limits);
    let other = app(
        "other",
        &[(SERVICE, KeyKind::Service)],
        jwt_door("s", Some("https://o.example")),
    );
    doors.0.extend(self::doors(&[other]).0);
    let claims = json!({"sub": "u", "exp": NOW.as_seconds() + 60, "iss": "https://o.example"});
    let others = bearer(&jwt("s", &claims));
    let headers = signer.token(true);
    let slow = doors.authenticate(&headers, NOW);
    let quick = who(&doors, others);
    let (slow, quick) = tokio::join!(slow, quick);
    assert_eq!(slow.unwrap_err().code, "keys_unavailable");
    assert_eq!(quick, "other:u:");
}
