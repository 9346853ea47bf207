//! `[store]`: where everything is kept, and the keys of each kind.

mod address;
mod tls;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use fanfare_store::scylla::Consistency;
use fanfare_types::Secret;

pub use super::section::Numbers;
use super::section::Section;
use super::settings::COUNT;
pub use tls::Tls;

/// The keys of both kinds are kept; those of the other kind have their defaults.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Store {
    pub kind: Kind,
    pub embedded: Embedded,
    pub scylla: Scylla,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// SQLite in `data_dir`: one gateway.
    #[default]
    Embedded,
    /// ScyllaDB or Cassandra: any number of them.
    Scylla,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Embedded {
    pub readers: usize,
    pub queue_max: usize,
    pub group_max: usize,
    pub cache_bytes: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Scylla {
    /// `host:port` each.
    pub nodes: Vec<String>,
    pub keyspace: String,
    pub datacenter: Option<String>,
    pub username: Option<String>,
    pub password: Option<Password>,
    pub tls: Option<Tls>,
    pub consistency: Consistency,
    /// In each datacenter, or by datacenter.
    pub replication: Numbers,
    pub request_timeout: Duration,
    pub queue_max: usize,
}

/// Compared, and never shown.
#[derive(Clone, Debug)]
pub struct Password(pub Secret<String>);

impl PartialEq for Password {
    fn eq(&self, other: &Self) -> bool {
        self.0.expose() == other.0.expose()
    }
}

impl Default for Embedded {
    fn default() -> Self {
        Embedded {
            readers: 2,
            queue_max: 65_536,
            group_max: 1024,
            cache_bytes: 2 << 20,
        }
    }
}

impl Default for Scylla {
    fn default() -> Self {
        Scylla {
            nodes: Vec::new(),
            keyspace: "fanfare".to_owned(),
            datacenter: None,
            username: None,
            password: None,
            tls: None,
            consistency: Consistency::LocalQuorum,
            replication: Numbers::Each(3),
            request_timeout: Duration::from_millis(1_500),
            queue_max: 10_000,
        }
    }
}

const EMBEDDED_ALONE: [&str; 3] = ["readers", "group_max", "cache"];
const SCYLLA_ALONE: [&str; 12] = [
    "nodes",
    "keyspace",
    "datacenter",
    "username",
    "password",
    "password_file",
    "tls",
    "ca_file",
    "tls_name",
    "consistency",
    "replication",
    "request_timeout",
];

pub(super) fn read(section: Section<'_>, default: Store) -> Store {
    let kinds = "\"embedded\" or \"scylla\"";
    let kind = section.parsed("kind", default.kind, kinds, kind);
    let store = match kind {
        Kind::Embedded => {
            keep_out(&section, &SCYLLA_ALONE, "is of kind = \"scylla\" only");
            let embedded = embedded(&section, &default.embedded);
            Store {
                kind,
                embedded,
                ..default
            }
        }
        Kind::Scylla => {
            keep_out(&section, &EMBEDDED_ALONE, "is of kind = \"embedded\" only");
            let scylla = scylla(&section, default.scylla);
            Store {
                kind,
                scylla,
                ..default
            }
        }
    };
    section.finish();
    store
}

fn keep_out(section: &Section<'_>, names: &[&'static str], why: &str) {
    for name in names {
        section.out_of_place(name, why);
    }
}

fn kind(text: &str) -> Option<Kind> {
    match text {
        "embedded" => Some(Kind::Embedded),
        "scylla" => Some(Kind::Scylla),
        _ => None,
    }
}

fn embedded(section: &Section<'_>, default: &Embedded) -> Embedded {
    Embedded {
        readers: section.integer("readers", default.readers, 1..=64),
        queue_max: section.integer("queue_max", default.queue_max, COUNT),
        group_max: section.integer("group_max", default.group_max, 1..=65_536),
        cache_bytes: section.bytes("cache", default.cache_bytes),
    }
}

fn scylla(section: &Section<'_>, default: Scylla) -> Scylla {
    let (username, password) = credentials(section);
    Scylla {
        nodes: nodes(section),
        keyspace: section.parsed(
            "keyspace",
            default.keyspace,
            "a name of 1 to 48 of a-z, 0-9 and _, a letter first",
            keyspace,
        ),
        datacenter: section.optional("datacenter", "the name of a datacenter", datacenter),
        username,
        password,
        tls: tls::read(section),
        consistency: section.parsed(
            "consistency",
            default.consistency,
            "\"local_quorum\" or \"quorum\"",
            consistency,
        ),
        replication: replication(section, default.replication),
        request_timeout: section.duration("request_timeout", default.request_timeout),
        queue_max: section.integer("queue_max", default.queue_max, COUNT),
    }
}

fn nodes(section: &Section<'_>) -> Vec<String> {
    let Some(words) = section.words("nodes") else {
        if !section.has("nodes") {
            section.fault("nodes", "is required for kind = \"scylla\"");
        }
        return Vec::new();
    };
    if words.is_empty() {
        section.fault("nodes", "must name at least one node");
    }
    let read = |word: &str| {
        let node = address::with_port(word);
        if node.is_none() {
            let fault = format!("\"{word}\" is no host or host:port");
            section.fault("nodes", fault);
        }
        node
    };
    words.into_iter().filter_map(read).collect()
}

fn keyspace(text: &str) -> Option<String> {
    let is_word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    let is_fit = text.len() <= 48
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(is_word);
    is_fit.then(|| text.to_owned())
}

/// What can stand between the quotes of CQL.
fn datacenter(text: &str) -> Option<String> {
    let is_fit = |c: char| c.is_alphanumeric() || "-_. ".contains(c);
    (!text.is_empty() && text.chars().all(is_fit)).then(|| text.to_owned())
}

fn credentials(section: &Section<'_>) -> (Option<String>, Option<Password>) {
    let username = section.text("username").map(str::to_owned);
    let given = ["password", "password_file"].map(|name| section.has(name));
    let password = section.secret("password", "password_file");
    let password = password.and_then(|bytes| {
        let text = String::from_utf8(bytes.expose().clone());
        if text.is_err() {
            section.fault("password_file", "is not UTF-8");
        }
        Some(Password(Secret::new(text.ok()?)))
    });
    match (&username, given.contains(&true)) {
        (Some(name), _) if name.is_empty() => section.fault("username", "must not be empty"),
        (Some(_), false) => section.fault("password_file", "is required beside username"),
        (None, true) => section.fault("username", "is required beside a password"),
        _ => {}
    }
    (username, password)
}

fn replication(section: &Section<'_>, default: Numbers) -> Numbers {
    let numbers = section.numbers("replication", default, 1..=9);
    if let Numbers::By(by) = &numbers {
        for name in by.keys().filter(|name| datacenter(name).is_none()) {
            let fault = format!("\"{name}\" is no name of a datacenter");
            section.fault("replication", fault);
        }
    }
    numbers
}

fn consistency(text: &str) -> Option<Consistency> {
    match text {
        "local_quorum" => Some(Consistency::LocalQuorum),
        "quorum" => Some(Consistency::Quorum),
        _ => None,
    }
}

impl Scylla {
    /// As CQL wants it.
    pub(crate) fn replication_cql(&self) -> String {
        let class = "'class': 'NetworkTopologyStrategy'";
        match &self.replication {
            Numbers::Each(number) => format!("{{{class}, 'replication_factor': {number}}}"),
            Numbers::By(by) => {
                let pairs = |by: &BTreeMap<String, usize>| {
                    let pair = |(name, number): (&String, &usize)| format!("'{name}': {number}");
                    by.iter().map(pair).collect::<Vec<_>>().join(", ")
                };
                format!("{{{class}, {}}}", pairs(by))
            }
        }
    }
}
