//! Credentials that hold, and all those that do not.

mod key_sets;

use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderMap, HeaderValue};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

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
            who: Who::User(Claims { id, tenant, .. }),
        }) => {
            format!("{}:{id}:{}", app.id, tenant.unwrap_or_default())
        }
        Err(problem) => problem.code.to_owned(),
    }
}

fn doors(apps: &[AppDoor]) -> Doors {
    Doors::new(apps, None).unwrap()
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

/// The claims of a token with these members.
async fn claims(more: Value) -> Claims {
    let mut all = json!({"sub": "ada", "exp": NOW.as_seconds() + 600});
    all.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    let doors = doors(&[app("shop", &[], jwt_door("secret", None))]);
    let caller = doors.authenticate(&bearer(&jwt("secret", &all)), NOW).await;
    match caller.unwrap().who {
        Who::User(claims) => claims,
        Who::Key(_) => unreachable!("it is a JWT"),
    }
}

#[tokio::test]
async fn permissions_are_a_list_or_a_text_and_anything_else_grants_nothing() {
    for (claim, expected) in [
        (json!(["a.View", "a.Edit"]), vec!["a.View", "a.Edit"]),
        (json!("a.View  a.Edit"), vec!["a.View", "a.Edit"]),
        (json!(["a.View", 7, null]), vec!["a.View"]),
        (json!(""), vec![]),
        (json!({"a.View": true}), vec![]),
        (json!(true), vec![]),
        (Value::Null, vec![]),
    ] {
        let claims = claims(json!({"permissions": claim})).await;
        assert_eq!(claims.permissions, expected, "{claim}");
    }
    assert!(claims(json!({})).await.permissions.is_empty());
}

#[tokio::test]
async fn the_user_type_is_a_text_or_none() {
    for (claim, expected) in [
        (json!("staff"), Some("staff")),
        (json!(["staff"]), None),
        (Value::Null, None),
    ] {
        let claims = claims(json!({"user_type": claim})).await;
        assert_eq!(claims.user_type.as_deref(), expected, "{claim}");
    }
}
