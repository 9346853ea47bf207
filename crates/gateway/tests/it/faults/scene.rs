//! Two apps: one whose provider is ailing, and a bystander with providers of its own that nothing ails.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use fanfare_gateway::{material, sandbox};
use fanfare_simulator::books::{ConnectionTotals, Entry, ProviderTotals, Query};
use fanfare_simulator::{Material, Provider, Simulator};
use fanfare_types::{AppId, Secret};
use futures_util::future::LocalBoxFuture;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Options, World, apns_token, eventually, expect, fcm_token, text};

const BOTH: [Provider; 2] = [Provider::Apns, Provider::Fcm];

/// The same for each provider, in scenes of their own, at once.
pub(super) fn both<'a>(test: impl AsyncFn(Provider) + 'a) -> LocalBoxFuture<'a, ()> {
    Box::pin(async move {
        let [first, second] = BOTH;
        tokio::join!(Box::pin(test(first)), Box::pin(test(second)));
    })
}

/// As in production, with less patience.
const LINK: &str = "[link]\nconnect_timeout = \"2s\"\nrequest_timeout = \"2s\"\nreconnect_min = \"20ms\"\nreconnect_max = \"300ms\"\n";

/// Longest time in which a healthy provider delivers a few pushes on this machine, whatever else runs on it.
const HEALTHY: Duration = Duration::from_secs(10);

/// Pushes of one notification of the bystanders.
const FEW: u32 = 10;

pub(super) struct Scene {
    pub(super) world: World,
    bystander: Simulator,
    bystander_key: Secret<String>,
    /// The bystander's credentials.
    _directory: TempDir,
    addresses: AtomicU32,
}

/// A notification that was accepted.
pub(super) struct Sent {
    id: String,
    key: Secret<String>,
    count: u32,
}

/// At most one connection to each provider.
pub(super) fn one_connection(text: String) -> String {
    text.replace("[apps.apns]\n", "[apps.apns]\nconnections = 1\n")
        .replace("[apps.fcm]\n", "[apps.fcm]\nconnections = 1\n")
}

impl Scene {
    pub(super) async fn new() -> Scene {
        Scene::with("", None, None).await
    }

    /// With further keys of `[link]`, changes to the configuration, and to the ailing simulators.
    pub(super) async fn with(
        link: &str,
        edit: Option<fn(String) -> String>,
        simulated: Option<fn(&mut fanfare_simulator::Config)>,
    ) -> Scene {
        let directory = tempfile::tempdir().expect("a directory");
        let material = Material::generate().expect("keys");
        let bystander = Simulator::start(material.config()).await;
        let bystander = bystander.expect("simulators");
        let key = material::api_key(&AppId::new("bystander").expect("an id")).expect("a key");
        let table = bystander_table(&directory, &material, &bystander, &key);
        let tables = format!("{LINK}{link}\n{table}");
        let world = World::with(Options {
            // A few hundred bytes a test.
            tables: Box::leak(tables.into_boxed_str()),
            edit,
            simulated,
            ..Options::default()
        })
        .await;
        Scene {
            world,
            bystander,
            bystander_key: key,
            _directory: directory,
            addresses: AtomicU32::new(0),
        }
    }

    /// Lays these rules over the provider.
    pub(super) fn ail(&self, provider: Provider, rules: Value) {
        let mut rules = rules.as_array().expect("rules").clone();
        for rule in &mut rules {
            rule["when"]["provider"] = json!(provider.name());
        }
        self.world.rules(&Value::Array(rules));
    }

    /// Sends to `count` new addresses of the ailing app.
    pub(super) async fn send(&self, provider: Provider, count: u32) -> Sent {
        self.send_with(provider, count, &json!({})).await
    }

    /// The same with further members of the notification.
    pub(super) async fn send_with(&self, provider: Provider, count: u32, more: &Value) -> Sent {
        let key = self.world.sandbox.api_key.clone();
        self.send_as(key, provider, count, more).await
    }

    async fn send_as(
        &self,
        key: Secret<String>,
        provider: Provider,
        count: u32,
        more: &Value,
    ) -> Sent {
        let first = self.addresses.fetch_add(count, Ordering::SeqCst);
        let addresses = (first..first + count).map(|n| match provider {
            Provider::Apns => json!({ "channel": "ios_push", "address": apns_token(n) }),
            _ => json!({ "channel": "fcm", "address": fcm_token(n) }),
        });
        let addresses: Vec<_> = addresses.collect();
        let mut body = json!({ "to": { "addresses": addresses }, "message": { "title": "hi" }, "collapse_key": "c" });
        for (name, value) in more.as_object().expect("an object") {
            body[name] = value.clone();
        }
        let request = self.world.request(Method::POST, "/v1/notifications");
        let request = request.bearer_auth(key.expose()).json(&body);
        let answer = expect(request, StatusCode::ACCEPTED).await;
        Sent {
            id: text(&answer["id"]),
            key,
            count,
        }
    }

    pub(super) async fn cancel(&self, sent: &Sent) {
        let path = format!("/v1/notifications/{}", sent.id);
        expect(self.world.service(Method::DELETE, &path), StatusCode::OK).await;
    }

    /// How many are delivered, and how many have ended. The counts add up at every look.
    pub(super) async fn progress(&self, sent: &Sent) -> (u64, u64) {
        let path = format!("/v1/notifications/{}", sent.id);
        let request = self.world.request(Method::GET, &path);
        let view = expect(request.bearer_auth(sent.key.expose()), StatusCode::OK).await;
        let count = |name: &str| view["counts"][name].as_u64().expect("a count");
        let counts = view["counts"].as_object().expect("counts");
        let sum: u64 = counts.values().filter_map(Value::as_u64).sum();
        assert_eq!(sum, u64::from(sent.count), "counts add up: {view}");
        let ended = sum - count("waiting") - count("in_flight");
        (count("delivered"), ended)
    }

    /// Waits until all of them have ended as delivered.
    pub(super) async fn delivered(&self, sent: &Sent) {
        let all = u64::from(sent.count);
        eventually(|| async { (self.progress(sent).await.1 == all).then_some(()) }).await;
        assert_eq!(self.progress(sent).await.0, all);
    }

    /// Waits until all of them have ended; how, by (outcome, reason, attempts).
    pub(super) async fn outcomes(&self, sent: &Sent) -> BTreeMap<(String, String, u64), u32> {
        let all = u64::from(sent.count);
        eventually(|| async { (self.progress(sent).await.1 == all).then_some(()) }).await;
        let mut outcomes = BTreeMap::new();
        // The books are closed before the journal's rows can be read, or after: either way it is a matter of a flush.
        let rows = eventually(|| async {
            let rows = self.world.deliveries(&sent.id).await;
            (rows.len() == sent.count as usize).then_some(rows)
        });
        for row in rows.await {
            let word = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
            let attempts = row["attempts"].as_u64().expect("attempts");
            *outcomes
                .entry((word("outcome"), word("reason"), attempts))
                .or_default() += 1;
        }
        outcomes
    }

    /// All were delivered, and by the first attempt that reached the provider.
    pub(super) async fn delivered_at_once(&self, sent: &Sent) {
        let outcomes = self.outcomes(sent).await;
        let keys: Vec<_> = outcomes.keys().map(|(o, _, a)| (o.as_str(), *a)).collect();
        assert_eq!(keys, [("delivered", 1)], "{outcomes:?}");
    }

    /// Meanwhile the other provider and the other app are as quick as ever.
    pub(super) async fn others_keep_their_rate(&self, ailing: Provider) {
        let began = Instant::now();
        for provider in BOTH {
            let key = self.bystander_key.clone();
            let sent = self.send_as(key, provider, FEW, &json!({})).await;
            self.delivered(&sent).await;
            if provider != ailing {
                let sent = self.send(provider, FEW).await;
                self.delivered(&sent).await;
            }
        }
        assert!(began.elapsed() < HEALTHY, "{:?}", began.elapsed());
        let books = self.bystander.books().totals();
        let tries = books.apns.connections.opened + books.fcm.connections.opened;
        assert!(tries <= 8, "{tries} connections of the bystander");
    }

    pub(super) fn totals(&self, provider: Provider) -> ProviderTotals {
        self.world.simulator.books().totals().of(provider).clone()
    }

    pub(super) fn connections(&self, provider: Provider) -> ConnectionTotals {
        self.totals(provider).connections
    }

    /// The provider's books, one by one.
    pub(super) fn requests(&self, provider: Provider) -> Vec<Entry> {
        self.world.simulator.books().requests(&Query {
            provider: Some(provider),
            limit: Some(10_000),
            ..Query::default()
        })
    }

    /// No push was taken twice.
    pub(super) fn no_duplicates(&self, provider: Provider) {
        let mut taken = BTreeSet::new();
        for entry in self.requests(provider) {
            let is_new = entry.status != 200 || taken.insert(entry.address.clone());
            assert!(is_new, "taken twice: {entry:?}");
        }
        assert_eq!(self.totals(provider).duplicates, 0);
    }

    /// How many pushes were taken more than once; each time under the same apns-id and collapse key.
    pub(super) fn duplicates(&self, provider: Provider) -> usize {
        let mut tries: BTreeMap<String, Vec<Entry>> = BTreeMap::new();
        for entry in self.requests(provider) {
            tries.entry(entry.address.clone()).or_default().push(entry);
        }
        let mut duplicates = 0;
        for tries in tries.values() {
            let names: BTreeSet<_> = tries.iter().map(|e| (&e.apns_id, &e.collapse)).collect();
            assert_eq!(names.len(), 1, "one name for all tries: {tries:?}");
            let taken = tries.iter().filter(|entry| entry.status == 200).count();
            duplicates += taken.saturating_sub(1);
        }
        duplicates
    }

    /// Nothing is left: no permit, no delivery in a pool.
    pub(super) async fn nothing_is_left(&self) {
        eventually(|| async {
            let stats = expect(self.world.service(Method::GET, "/v1/stats"), StatusCode::OK).await;
            let pools = stats["pools"].as_array().expect("pools");
            let held = |name: &str| pools.iter().filter_map(|pool| pool[name].as_u64()).sum();
            let held: [u64; 3] = ["in_flight", "waiting", "retrying"].map(held);
            (stats["permits_taken"] == 0 && held == [0; 3]).then_some(())
        })
        .await;
    }
}

fn bystander_table(
    directory: &TempDir,
    material: &Material,
    simulator: &Simulator,
    key: &Secret<String>,
) -> String {
    let (path, at) = (directory.path(), simulator.addresses());
    sandbox::write_credentials(path, material, at).expect("credentials");
    let mut providers = sandbox::provider_tables(material, at);
    for entry in std::fs::read_dir(path).expect("the directory") {
        let entry = entry.expect("a file");
        let name = entry.file_name().into_string().expect("a name");
        let full = entry.path().display().to_string();
        providers = providers.replace(&format!("\"{name}\""), &format!("\"{full}\""));
    }
    let sha256 = material::sha256_hex(key.expose().as_bytes());
    format!(
        "[[apps]]\nid = \"bystander\"\n[[apps.api_keys]]\nname = \"b\"\nsha256 = \"{sha256}\"\nkind = \"service\"\n{providers}"
    )
}
