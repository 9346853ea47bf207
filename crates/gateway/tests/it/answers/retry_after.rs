//! Fault 14: 429 and 503 with `Retry-After` in seconds, as a date, absurd, or absent.

use std::time::{Duration, SystemTime};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{APNS, FCM, channel, requests, still_waits_until_cancelled, token};
use crate::harness::{World, eventually, expect};

/// What is waited beyond what was asked for: a tenth, and what a loaded machine takes.
const LATE: u64 = 3_000;

/// A form of `Retry-After`, and how long after the first attempt (in milliseconds) the second must not come and
/// must have come; `None`: our own back-off, or a very long one.
struct Form {
    headers: Value,
    between: Option<(u64, u64)>,
}

fn forms() -> Vec<Form> {
    let now = SystemTime::now();
    let date = |at: SystemTime| httpdate::fmt_http_date(at);
    let seconds = Duration::from_secs;
    let form = |headers, between| Form { headers, between };
    let after = |value: &str| json!({ "retry-after": value });
    // By the answer's own `Date`, two hours ahead of ours.
    let ahead =
        json!({ "retry-after": date(now + seconds(7_203)), "date": date(now + seconds(7_200)) });
    vec![
        form(after("2"), Some((2_000, 2_200))),
        // A date has whole seconds: at least one of the two is left when it is read.
        form(after(&date(now + seconds(4))), Some((1_000, 4_400))),
        form(ahead, Some((3_000, 3_300))),
        form(after("0"), Some((1_000, 1_100))),
        form(after(&date(now - seconds(3_600))), Some((1_000, 1_100))),
        form(after("86400"), None),
        form(after("99999999999999999999999"), None),
        form(after("Fri, 31 Dec 9999 23:59:59 GMT"), None),
        form(after("-5"), None),
        form(after("1.5"), None),
        form(after("soon"), None),
        form(after(""), None),
        form(json!({}), None),
    ]
}

/// Each form on a push of its own, with this status and reason.
async fn is_honoured(provider: &'static str, status: u16, reason: &str) {
    let world = World::new().await;
    let forms = forms();
    let mut rules = Vec::new();
    let mut sent = Vec::new();
    for (n, form) in (0..).zip(&forms) {
        let address = token(provider, n);
        world
            .register(&format!("user-{n}"), channel(provider), &address)
            .await;
        rules.push(json!({ "when": { "provider": provider, "address": address }, "times": 1,
            "then": { "answer": { "status": status, "reason": reason, "headers": form.headers } } }));
    }
    world.rules(&json!(rules));
    for n in 0..forms.len() {
        sent.push(world.send_to(&[&format!("user-{n}")]).await);
    }
    let numbered = || (0..).zip(forms.iter().zip(&sent));
    for (n, (form, id)) in numbered() {
        if let Some((min, max)) = form.between {
            assert_eq!(world.ended(id).await["delivered"], 1, "{}", form.headers);
            let seen = requests(&world, provider, &token(provider, n));
            assert_eq!(seen.len(), 2, "{}", form.headers);
            let waited = seen[1].at_ms - seen[0].at_ms;
            let within = (min..max + LATE).contains(&waited);
            assert!(within, "{}: {waited} ms", form.headers);
        }
    }
    // By now each of the others would have been seen again, had it been believed to be short.
    for (n, (form, id)) in numbered() {
        if form.between.is_none() {
            let told = form.headers.to_string();
            let seen = requests(&world, provider, &token(provider, n)).len();
            assert_eq!(seen, 1, "{told}");
            still_waits_until_cancelled(&world, id, &told).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn is_waited_for_by_the_push_it_was_said_to() {
    tokio::join!(
        is_honoured(APNS, 429, "TooManyRequests"),
        is_honoured(APNS, 503, "ServiceUnavailable"),
        is_honoured(FCM, 503, "UNAVAILABLE"),
    );
}

/// FCM's 429 is about the whole project: nothing leaves for it, while APNs goes on.
async fn stops_the_project(headers: Value, resumes_after: Option<u64>) {
    let world = World::new().await;
    world.register("ada", "fcm", &token(FCM, 1)).await;
    world.register("bob", "fcm", &token(FCM, 2)).await;
    world.register("eve", "ios_push", &token(APNS, 3)).await;
    world.rules(
        &json!([{ "when": { "provider": "fcm" }, "times": 1, "then": { "answer":
        { "status": 429, "reason": "QUOTA_EXCEEDED", "headers": headers } } }]),
    );
    let throttled = world.send_to(&["ada"]).await;
    let seen = || requests(&world, FCM, &token(FCM, 1));
    let retrying = async || {
        let stats = expect(world.service(Method::GET, "/v1/stats"), StatusCode::OK).await;
        let pools = stats["pools"].as_array().expect("pools").clone();
        pools.iter().any(|pool| pool["retrying"] == 1).then_some(())
    };
    eventually(retrying).await;
    let behind = world.send_to(&["bob"]).await;
    let other = world.send_to(&["eve"]).await;
    assert_eq!(world.ended(&other).await["delivered"], 1, "APNs goes on");
    match resumes_after {
        Some(millis) => {
            assert_eq!(world.ended(&behind).await["delivered"], 1);
            assert_eq!(world.ended(&throttled).await["delivered"], 1);
            let began = seen()[0].at_ms;
            for again in [
                seen()[1].at_ms,
                requests(&world, FCM, &token(FCM, 2))[0].at_ms,
            ] {
                let waited = again - began;
                assert!((millis..millis + LATE).contains(&waited), "{waited} ms");
            }
        }
        None => {
            // As long as another push takes to be accepted, expire and be looked up.
            let short =
                json!({ "to": { "users": ["bob"] }, "message": { "title": "hi" }, "ttl": 2 });
            let short = world.send(&short).await;
            assert_eq!(world.ended(&short).await["expired"], 1);
            assert_eq!(seen().len(), 1);
            assert!(requests(&world, FCM, &token(FCM, 2)).is_empty());
            still_waits_until_cancelled(&world, &throttled, "throttled").await;
            still_waits_until_cancelled(&world, &behind, "behind it").await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_an_fcm_quota_is_waited_for_by_all_its_pushes() {
    let now = SystemTime::now();
    let at = |seconds| httpdate::fmt_http_date(now + Duration::from_secs(seconds));
    tokio::join!(
        stops_the_project(json!({ "retry-after": "2" }), Some(2_000)),
        stops_the_project(json!({ "date": at(0), "retry-after": at(2) }), Some(2_000)),
        stops_the_project(json!({}), None),
        stops_the_project(json!({ "retry-after": "-1" }), None),
        stops_the_project(json!({ "retry-after": "1000000" }), None),
    );
}
