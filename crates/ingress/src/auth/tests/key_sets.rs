//! Public keys: JWK sets, given or fetched.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PublicKeyData};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

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
async fn identity_provider(answers: Vec<String>) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/jwks", listener.local_addr().unwrap());
    let count = Arc::new(AtomicUsize::new(0));
    let served = count.clone();
    tokio::spawn(async move {
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                stream.read_buf(&mut head).await.unwrap();
            }
            served.fetch_add(1, Ordering::SeqCst);
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
    let keys = JwtKeys::Url(url.to_owned(), limits);
    lone(public_keys(vec![Algorithm::ES256], keys))
}

#[tokio::test]
async fn fetched_keys_are_kept_and_an_unknown_kid_reads_them_again_once() {
    let (old, new, stranger) = (Signer::es256("1"), Signer::es256("2"), Signer::es256("3"));
    let answers = vec![set(&[&old]), set(&[&old, &new])];
    let (url, count) = identity_provider(answers).await;
    let served = || count.load(Ordering::SeqCst);
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
async fn fetched_keys_outlive_a_configuration_that_asks_for_the_same() {
    let signer = Signer::es256("1");
    let (url, count) = identity_provider(vec![set(&[&signer]), set(&[&signer])]).await;
    let before = fetching(&url, jwks::Limits::default());
    assert_eq!(who(&before, signer.token(true)).await, "shop:u:");
    let app = |limits: jwks::Limits, cookie: &str| {
        let keys = JwtKeys::Url(url.clone(), limits);
        let jwt = JwtDoor {
            cookie: Some(cookie.to_owned()),
            ..public_keys(vec![Algorithm::ES256], keys)
        };
        app("shop", &[], jwt)
    };
    let same = Doors::new(&[app(jwks::Limits::default(), "other")], Some(&before)).unwrap();
    assert_eq!(who(&same, signer.token(true)).await, "shop:u:");
    assert_eq!(count.load(Ordering::SeqCst), 1);
    let other = jwks::Limits {
        bytes_max: 100_000,
        ..jwks::Limits::default()
    };
    let other = Doors::new(&[app(other, "other")], Some(&same)).unwrap();
    assert_eq!(who(&other, signer.token(true)).await, "shop:u:");
    assert_eq!(count.load(Ordering::SeqCst), 2);
}

#[test]
fn doors_that_check_alike_are_equal() {
    let (ec, ed) = (Signer::es256("1"), Signer::ed25519("1"));
    let of = |signers: &[&Signer]| {
        let keys = key_set(set(signers).as_bytes()).unwrap();
        public_keys(vec![Algorithm::ES256], JwtKeys::Set(keys))
    };
    assert!(of(&[&ec, &ed]) == of(&[&ec, &ed]) && of(&[&ec]) != of(&[&ed]));
    assert!(
        jwt_door("a", None) == jwt_door("a", None) && jwt_door("a", None) != jwt_door("b", None)
    );
    let cookie = JwtDoor {
        cookie: None,
        ..jwt_door("a", None)
    };
    assert!(cookie != jwt_door("a", None));
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
    assert_eq!(count.load(Ordering::SeqCst), 1);
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
    doors.0.extend(super::doors(&[other]).0);
    let claims = json!({"sub": "u", "exp": NOW.as_seconds() + 60, "iss": "https://o.example"});
    let others = bearer(&jwt("s", &claims));
    let headers = signer.token(true);
    let slow = doors.authenticate(&headers, NOW);
    let quick = who(&doors, others);
    let (slow, quick) = tokio::join!(slow, quick);
    assert_eq!(slow.unwrap_err().code, "keys_unavailable");
    assert_eq!(quick, "other:u:");
}
