//! What a campaign's push costs before its link has it: waiting its turn in the lanes, and becoming a request.
//!
//! Floors: a bare `VecDeque` for the lanes; for requests a copy of the finished body, and `format!` of it with the
//! recipient's values.
//!
//! `cargo bench -p fanfare-benches --bench send`

use std::collections::VecDeque;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use fanfare_core::lanes::{Lanes, Room};
use fanfare_core::pool::Job;
use fanfare_providers::{Codec, apns, fcm};
use fanfare_types::message::Variables;
use fanfare_types::{
    Address, AddressKind, AppId, Budget, CampaignId, Channel, Counts, Delivery, DeviceId,
    Environment, Hold, Lane, Live, Message, MissingVariable, NotificationId, OnUnknown, Options,
    Pace, Permits, Priority, Progress, Run, Secret, Slot, Timestamp, UserId,
};
use http::{HeaderMap, HeaderValue, StatusCode};

const NOW: Timestamp = Timestamp(1_700_000_000_000);

/// Deliveries that wait in the lanes.
const WAITING: u32 = 1_024;

const APNS_TOKEN: &str = "00fc13adff785122b4ad28809a3420982341241421348097878e577c991de8f0";
const FCM_TOKEN: &str = "cAbC-dEfG_hIjKlMnOpQrS:APA91bHun4MxP5egoKMwt2KZFBaFUH-1RYqx_0123456789abcdefghijklmnopqrstuvwxyz\
                         ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_abcdefghijklmnopqrs";

fn message(json: &str) -> Arc<Message> {
    Arc::new(serde_json::from_str(json).expect("a message"))
}

fn run(rate: Option<u32>) -> Arc<Run> {
    Run::new(
        CampaignId::new(NOW, 1),
        MissingVariable::Fail,
        Pace::new(rate),
    )
}

fn chunk(message: &Arc<Message>, run: Option<Arc<Run>>) -> Arc<Live> {
    Arc::new(Live {
        id: NotificationId::new(NOW, 7),
        app: AppId::new("shop").expect("an app"),
        created_at: NOW,
        options: Options {
            priority: Priority::Normal,
            collapse_key: None,
            lane: Lane::Bulk,
            on_unknown: OnUnknown::Retry,
            expires_at: NOW + Duration::from_secs(3_600),
            send_at: None,
        },
        message: message.clone(),
        variables: Arc::new(Variables::new()),
        progress: Progress::new(u64::from(WAITING), Counts::default()),
        run,
        hold: Hold::new(Slot::of_shard(0)),
    })
}

fn delivery(live: &Arc<Live>, ordinal: u32, channel: Channel) -> Delivery {
    let budgets: Arc<[Arc<Budget>]> = [Budget::new(1)].into();
    let token = match channel {
        Channel::IosPush => APNS_TOKEN,
        Channel::Fcm | Channel::WebPush => FCM_TOKEN,
    };
    let kind = AddressKind::RegistrationToken;
    let permit = Permits::try_take(&budgets, 1).expect("room").split();
    Delivery {
        live: live.clone(),
        ordinal,
        device: Some((
            DeviceId::new(NOW, u64::from(ordinal)),
            UserId::new("ada").expect("a user"),
        )),
        address: Address::new(channel, kind, Environment::Production, token),
        locale: Some("de-AT".into()),
        variables: None,
        registered_at: NOW,
        routed_at: NOW,
        attempts: 0,
        auth_refreshes: 0,
        permit: permit.expect("one"),
    }
}

fn with_variables(mut delivery: Delivery) -> Delivery {
    let own = [("name", "Ada Lovelace"), ("points", "1,204")];
    let own = own.map(|(name, value)| (name.to_owned(), value.to_owned()));
    delivery.variables = Some(Arc::new(own.into()));
    delivery
}

fn codec(channel: Channel) -> Codec {
    match channel {
        Channel::IosPush => Codec::Apns(
            apns::Codec::new("api.push.apple.com", "com.example.shop").expect("a topic"),
        ),
        Channel::Fcm | Channel::WebPush => {
            Codec::Fcm(fcm::Codec::new("fcm.googleapis.com", "shop-1234").expect("a project"))
        }
    }
}

fn token() -> Secret<HeaderValue> {
    let mut value = HeaderValue::from_static("bearer eyJhbGciOiJFUzI1NiJ9.e30.c2lnbmF0dXJl");
    value.set_sensitive(true);
    Secret::new(value)
}

const PLAIN: &str = r#"{"title": "Spring sale", "body": "Half price on everything until Sunday night",
    "sound": "default", "data": {"screen": "sale", "campaign": "spring"}}"#;
const FILLED: &str = r#"{"title": "Hello {{name}}", "body": "You have {{points}} points until Sunday night",
    "sound": "default", "data": {"screen": "sale", "campaign": "spring"}}"#;

fn requests(c: &mut Criterion) {
    for (name, channel) in [("apns", Channel::IosPush), ("fcm", Channel::Fcm)] {
        let mut group = c.benchmark_group(format!("a request for {name}"));
        group.throughput(Throughput::Elements(1));
        let token = token();
        let mut bench = |what: &str, delivery: Delivery| {
            let mut codec = codec(channel);
            let request = codec.encode(&delivery, Some(&token), NOW);
            let body = request.expect("it encodes").body;
            group.bench_function(what, |b| {
                b.iter(|| codec.encode(black_box(&delivery), Some(&token), NOW));
            });
            body
        };
        let live = chunk(&message(PLAIN), Some(run(None)));
        bench("campaign", delivery(&live, 7, channel));
        let live = chunk(&message(FILLED), Some(run(None)));
        let body = bench(
            "with variables",
            with_variables(delivery(&live, 7, channel)),
        );
        group.bench_function("anew, by another codec", |b| {
            let delivery = with_variables(delivery(&live, 7, channel));
            b.iter(|| codec(channel).encode(black_box(&delivery), Some(&token), NOW));
        });
        group.bench_function("floor: the body is copied", |b| {
            b.iter(|| Bytes::copy_from_slice(black_box(&body)));
        });
        let text = String::from_utf8(body.to_vec()).expect("JSON");
        // Which of them comes first is a matter of the map behind JSON objects.
        let mut filled = ["Ada Lovelace", "1,204"];
        filled.sort_by_key(|value| text.find(value));
        let (before, rest) = text.split_once(filled[0]).expect("a value");
        let (between, after) = rest.split_once(filled[1]).expect("the other one");
        group.bench_function("floor: the body is formatted", |b| {
            let [first, second] = black_box(filled);
            b.iter(|| format!("{before}{first}{between}{second}{after}"));
        });
        group.finish();
    }
}

fn lanes(c: &mut Criterion) {
    let mut group = c.benchmark_group("push and take of one that waits");
    group.throughput(Throughput::Elements(1));
    let message = message(PLAIN);
    let room = Room {
        all: 1_000,
        bulk: 900,
    };
    let jobs = |runs: &[Option<Arc<Run>>]| {
        let lives: Vec<_> = runs
            .iter()
            .map(|run| chunk(&message, run.clone()))
            .collect();
        // A chunk's deliveries come together.
        let job = |n: u32| {
            let live = &lives[(n / 16) as usize % lives.len()];
            Job::new(delivery(live, n, Channel::IosPush))
        };
        (0..WAITING).map(job).collect::<Vec<_>>()
    };
    let runs = |count: usize, rate| -> Vec<_> { (0..count).map(|_| Some(run(rate))).collect() };
    for (name, runs) in [
        ("bulk notifications", vec![None]),
        ("one campaign", runs(1, None)),
        ("one campaign with a rate", runs(1, Some(1_000_000))),
        ("64 campaigns", runs(64, None)),
    ] {
        let mut lanes = Lanes::new(8);
        jobs(&runs).into_iter().for_each(|job| lanes.push(job));
        let mut now = NOW;
        group.bench_function(name, |b| {
            b.iter(|| {
                let job = match lanes.take(room, now) {
                    Some(job) => job,
                    None => {
                        now = now + Duration::from_millis(50);
                        lanes.look(now);
                        lanes.take(room, now).expect("some may leave")
                    }
                };
                lanes.push(job);
            });
        });
    }
    group.bench_function("floor: a VecDeque", |b| {
        let mut queue: VecDeque<_> = jobs(&[None]).into();
        b.iter(|| {
            let job = queue.pop_front().expect("one");
            queue.push_back(black_box(job));
        });
    });
    group.finish();
}

/// What answers mean. Floor: what the body says, by a bare JSON parser.
fn answers(c: &mut Criterion) {
    let refused = r#"{"reason":"Unregistered","timestamp":1699999999000}"#;
    let unregistered = r#"{"error":{"code":404,"message":"Requested entity was not found.","status":"NOT_FOUND",
        "details":[{"@type":"type.googleapis.com/google.firebase.fcm.v1.FcmError","errorCode":"UNREGISTERED"}]}}"#;
    let accepted = r#"{"name":"projects/shop-1234/messages/0:1700000000000000%0123456789abcdef"}"#;
    for (name, channel, gone, good) in [
        ("apns", Channel::IosPush, (410, refused), ""),
        ("fcm", Channel::Fcm, (404, unregistered), accepted),
    ] {
        let mut group = c.benchmark_group(format!("an answer of {name}"));
        group.throughput(Throughput::Elements(1));
        let (codec, headers) = (codec(channel), HeaderMap::new());
        for (what, status, body) in [("accepted", 200, good), ("dead", gone.0, gone.1)] {
            let status = StatusCode::from_u16(status).expect("a status");
            group.bench_function(what, |b| {
                b.iter(|| codec.classify(status, &headers, black_box(body.as_bytes()), NOW));
            });
        }
        group.bench_function("floor: a bare JSON value of it", |b| {
            b.iter(|| serde_json::from_slice::<serde_json::Value>(black_box(gone.1.as_bytes())));
        });
        group.finish();
    }
}

criterion_group!(benches, requests, answers, lanes);
criterion_main!(benches);
