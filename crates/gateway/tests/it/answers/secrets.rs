//! Secrets: the whole list of faults on the real binary at its most verbose, and then neither its log nor its
//! metrics, figures, error answers or `Debug` output hold an address, a key, a token or anything of a message.

mod debug;
mod faults;
mod requests;

use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;

use crate::harness::{Options, World, apns_token, expect, fcm_token};
use crate::process::{Serving, log_of};
use reqwest::{Method, StatusCode};

/// Everything as talkative as it can be asked to be.
const VERBOSE: &str = "trace,fanfare=trace,h2=trace,hyper=trace,hyper_util=trace,reqwest=trace,rustls=trace,tokio=trace,ractor=trace";

/// Short enough for faults that end by patience, long enough for a loaded machine.
const TIMES: &str = "[link]\nconnect_timeout = \"2s\"\nrequest_timeout = \"2s\"\nreconnect_max = \"300ms\"\nping_after = \"1s\"\nping_timeout = \"1s\"\n";

/// Of a message, by where it stands.
const TITLE: &str = "SecretTitle4711";
const BODY: &str = "SecretBody4711";
const DATA: &str = "SecretData4711";
const RAW: &str = "SecretRawOverride4711";
const VARIABLE: &str = "SecretVariable4711";
const COLLAPSE: &str = "SecretCollapse4711";

/// The `n`-th address of a provider.
fn apns_address(n: usize) -> String {
    format!("5ec4e75ec4e7{n:052x}")
}

fn fcm_address(n: usize) -> String {
    format!("SecretAddress{n:04}:APA91bSecretAddress{n:0100}")
}

/// What must not be seen, and what it is.
struct Secrets(Vec<(String, String)>);

impl Secrets {
    /// The files of a sandbox, and what tests put into messages and requests.
    fn of(world: &World) -> Self {
        let mut secrets = Secrets(Vec::new());
        let directory = world.directory.path();
        for entry in std::fs::read_dir(directory).expect("the sandbox").flatten() {
            let path = entry.path();
            let is_secret = |ending: &str| path.extension().is_some_and(|found| found == ending);
            if is_secret("p8") || is_secret("key") || is_secret("secret") {
                secrets.add_file(&path);
            }
        }
        secrets.add_service_account(&directory.join("service-account.json"));
        for marker in [TITLE, BODY, DATA, RAW, VARIABLE, COLLAPSE] {
            secrets.add("of a message", marker);
        }
        // Each address begins so, and whatever an error repeats of one would, too.
        secrets.add("an address", "5ec4e75ec4e7");
        secrets.add("an address", "SecretAddress");
        secrets.add("the prober's address", &apns_token(1));
        secrets.add("the prober's address", &fcm_token(1));
        secrets.add("a wrong key", requests::WRONG_KEY);
        // Whatever signed token, Google's access tokens, PEM.
        secrets.add("a JWT", "eyJ");
        secrets.add("an access token", "ya29.");
        secrets.add("a private key", "PRIVATE KEY");
        secrets
    }

    fn add(&mut self, what: &str, secret: &str) {
        self.0.push((what.to_owned(), secret.to_owned()));
    }

    fn add_file(&mut self, path: &Path) {
        let text = std::fs::read_to_string(path).expect("a key");
        self.add_lines(&path.display().to_string(), &text);
    }

    fn add_lines(&mut self, what: &str, text: &str) {
        let telling = text
            .lines()
            .filter(|line| line.len() >= 20 && !line.starts_with('-'));
        let before = self.0.len();
        telling.for_each(|line| self.add(what, line));
        assert!(self.0.len() > before, "{what} holds a key");
    }

    fn add_service_account(&mut self, path: &Path) {
        let json = std::fs::read(path).expect("the account");
        let json: serde_json::Value = serde_json::from_slice(&json).expect("JSON");
        let key = json["private_key"].as_str().expect("a key");
        self.add_lines("the service account's key", key);
    }

    /// Fails with every secret that is in `text`, as it is or in the spellings that bytes are often shown in.
    fn absent_from(&self, place: &str, text: &str) {
        let found: Vec<_> = self
            .0
            .iter()
            .flat_map(|(what, secret)| {
                let spellings = spellings(secret);
                let found = spellings
                    .into_iter()
                    .filter_map(|spelling| text.find(&spelling));
                found
                    .map(|at| format!("{what}: …{}…", around(text, at)))
                    .collect::<Vec<_>>()
            })
            .collect();
        assert!(found.is_empty(), "{place} shows {found:#?}");
    }
}

fn spellings(secret: &str) -> Vec<String> {
    let mut all = vec![secret.to_owned()];
    // Short ones would be found by chance.
    if secret.len() >= 12 {
        let bytes = secret.as_bytes();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let numbers: Vec<_> = bytes.iter().map(u8::to_string).collect();
        all.extend([hex, numbers.join(", "), numbers.join(",")]);
        // At each of the three places it may begin at in a longer text; its ends depend on the neighbours.
        for skipped in 0..3 {
            let encoded = BASE64_STANDARD.encode(&bytes[skipped..]);
            all.push(encoded[..encoded.len() - 4].to_owned());
        }
    }
    all
}

fn around(text: &str, at: usize) -> String {
    let line = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    text[line..].chars().take(300).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_log_metric_figure_or_error_shows_one_whatever_happens() {
    let mut world = World::with(Options {
        tables: TIMES,
        ..Options::default()
    })
    .await;
    assert!(world.drain().await, "its place is taken by the real binary");
    let config = world.sandbox.config.to_str().expect("UTF-8").to_owned();
    let environment = [("FANFARE_LOG__LEVEL", VERBOSE), ("RUST_LOG", "trace")];
    let directory = world.directory.path().to_owned();
    let mut serving =
        Serving::start(&directory, &["serve", "--config", &config], &environment).await;
    world.follow(serving.url());

    let errors = requests::good_and_bad(&world).await;
    faults::all(&world).await;

    let secrets = Secrets::of(&world);
    for (request, answer) in &errors {
        secrets.absent_from(request, answer);
    }
    for path in ["/metrics", "/readyz", "/openapi.json"] {
        let answer = world
            .request(Method::GET, path)
            .send()
            .await
            .expect("an answer");
        secrets.absent_from(path, &answer.text().await.expect("text"));
    }
    let stats = expect(world.service(Method::GET, "/v1/stats"), StatusCode::OK).await;
    secrets.absent_from("/v1/stats", &stats.to_string());
    serving.signal("TERM").await;
    assert!(serving.ended().await.success());
    let log = log_of(&directory);
    secrets.absent_from("the log", &log);
    is_verbose(&log);
}

/// What the log was read for must be able to be in it.
fn is_verbose(log: &str) {
    assert!(
        log.contains("request answered"),
        "it is as verbose as it can be: {log}"
    );
    for word in [
        "cannot connect",
        "provider closes the connection",
        "provider token could not be renewed",
    ] {
        assert!(log.contains(word), "{word:?} is not in {log}");
    }
    for line in log.lines() {
        let line: serde_json::Value = serde_json::from_str(line).expect("a line of JSON");
        let target = line["target"].as_str().expect("a target");
        let is_fine = line["level"] == "DEBUG" || line["level"] == "TRACE";
        assert!(!is_fine || target.starts_with("fanfare"), "{line}");
    }
}

#[test]
fn a_secret_would_be_found() {
    let secrets = Secrets(vec![("a thing".to_owned(), TITLE.to_owned())]);
    let hex: String = TITLE.bytes().map(|byte| format!("{byte:02x}")).collect();
    let longer = BASE64_STANDARD.encode(format!("x{TITLE}y"));
    let bytes = format!("{:?}", TITLE.as_bytes());
    for text in [
        TITLE.to_owned(),
        hex,
        longer,
        bytes,
        json!({ "a": TITLE }).to_string(),
    ] {
        let look = std::panic::catch_unwind(|| secrets.absent_from("a text", &format!("…{text}…")));
        assert!(look.is_err(), "{text}");
    }
    secrets.absent_from("a text", "SecretTitle");
}
