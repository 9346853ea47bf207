use std::path::Path;
use std::time::Duration;

use super::*;
use crate::config::{Config, parse};

const APP: &str = "[[apps]]\nid = \"shop\"\n";

fn read(text: &str, variables: &[(&str, &str)]) -> Result<Store, Vec<String>> {
    let variables = variables.iter();
    let variables = variables.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let parsed = parse(&format!("{text}\n{APP}"), Path::new("/nowhere"), variables);
    let store = |config: Config| config.settings.store;
    parsed
        .map(store)
        .map_err(|faults| faults.0.iter().map(ToString::to_string).collect())
}

fn assert_faults(text: &str, expected: &[&str]) {
    let found = read(text, &[]).expect_err("must be refused");
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found} / {expected}");
    }
}

#[test]
fn every_key_of_a_cluster_is_read() {
    let text = "[store]\nkind = \"scylla\"\nnodes = [\"a\", \"b:19042\"]\nkeyspace = \"push\"\ndatacenter = \"dc1\"\nusername = \"u\"\npassword = \"p\"\nconsistency = \"quorum\"\nreplication = { dc1 = 3, dc2 = 2 }\nrequest_timeout = \"900ms\"\nqueue_max = 7";
    let store = read(text, &[]).unwrap();
    assert_eq!(store.kind, Kind::Scylla);
    let found = store.scylla;
    assert_eq!(found.nodes, ["a:9042", "b:19042"]);
    assert_eq!(found.keyspace, "push");
    assert_eq!(found.datacenter.as_deref(), Some("dc1"));
    assert_eq!(found.username.as_deref(), Some("u"));
    assert_eq!(found.password, Some(Password(Secret::new("p".to_owned()))));
    assert_eq!(found.consistency, Consistency::Quorum);
    assert_eq!(
        found.replication_cql(),
        "{'class': 'NetworkTopologyStrategy', 'dc1': 3, 'dc2': 2}"
    );
    assert_eq!(found.request_timeout, Duration::from_millis(900));
    assert_eq!(found.queue_max, 7);
    assert!(!format!("{found:?}").contains("\"p\""));
}

#[test]
fn the_environment_says_lists_and_numbers_in_words() {
    let variables = [
        ("FANFARE_STORE__KIND", "scylla"),
        ("FANFARE_STORE__NODES", "a, b:1"),
        ("FANFARE_STORE__REPLICATION", "DC1=3,DC2=1"),
    ];
    let found = read("", &variables).unwrap().scylla;
    assert_eq!(found.nodes, ["a:9042", "b:1"]);
    assert!(found.replication_cql().ends_with("'DC1': 3, 'DC2': 1}"));
    let [kind, nodes, _] = variables;
    let one = [kind, nodes, ("FANFARE_STORE__REPLICATION", "1")];
    let found = read("", &one).unwrap().scylla;
    assert!(
        found
            .replication_cql()
            .ends_with("'replication_factor': 1}")
    );
}

/// The lines of the example that are behind `#`, taken as they are, say the defaults.
#[test]
fn the_example_says_the_defaults_of_a_cluster() {
    let text = include_str!("../../../../../fanfare.example.toml");
    let (_, lines) = text.split_once("# kind            = ").unwrap();
    let (lines, _) = lines.split_once("\n\n").unwrap();
    let lines = lines.replace("\n# ", "\n");
    let without: Vec<_> = lines
        .lines()
        .filter(|line| !line.contains("password_file") && !line.contains("username"))
        // They want `tls`.
        .filter(|line| !line.starts_with("ca_file") && !line.starts_with("tls_name"))
        .collect();
    let found = read(&format!("[store]\nkind = {}", without.join("\n")), &[]).unwrap();
    let expected = Scylla {
        nodes: vec!["scylla-0:9042".to_owned()],
        datacenter: Some("datacenter1".to_owned()),
        ..Scylla::default()
    };
    assert_eq!(found.scylla, expected);
    let own = fanfare_store::scylla::Config::new(Vec::new(), "fanfare");
    assert_eq!(expected.request_timeout, own.request_timeout);
    assert_eq!(expected.queue_max, own.queue_max);
    assert_eq!(expected.consistency, own.consistency);
    assert_eq!(expected.replication_cql(), own.replication);
}

#[test]
fn every_fault_of_a_cluster_is_named_at_once_with_its_line() {
    assert_faults(
        "[store]\nkind = \"scylla\"\nnodes = [\"http://a\", \"b\"]\nkeyspace = \"Push\"\ndatacenter = \"dc'1\"\nusername = \"u\"\nconsistency = \"one\"\nreplication = 0\nrequest_timeout = 5\nqueue_max = 0\nca_file = \"x\"\nreaders = 2\ncache = \"1MiB\"\nnode = \"a\"",
        &[
            "line 1: store.password_file: is required beside username",
            "line 3: store.nodes: \"http://a\" is no host",
            "line 4: store.keyspace: is not a name",
            "line 5: store.datacenter: is not the name",
            "line 7: store.consistency: is not \"local_quorum\" or \"quorum\"",
            "line 8: store.replication: must be a number from 1 to 9",
            "line 9: store.request_timeout: expected a string",
            "line 10: store.queue_max: must be between 1 and",
            "line 11: store.ca_file: is given, and tls is not true",
            "line 12: store.readers: is of kind = \"embedded\" only",
            "line 13: store.cache: is of kind = \"embedded\" only",
            "line 14: store.node: is not known here",
        ],
    );
}

#[test]
fn keys_of_a_cluster_are_faults_of_the_embedded_store() {
    assert_faults(
        "[store]\nnodes = [\"a\"]\ntls = true\npassword = \"p\"",
        &[
            "line 2: store.nodes: is of kind = \"scylla\" only",
            "line 3: store.tls: is of kind = \"scylla\" only",
            "line 4: store.password: is of kind = \"scylla\" only",
        ],
    );
    assert_faults(
        "[store]\nkind = \"mysql\"",
        &["line 2: store.kind: is not \"embedded\" or \"scylla\""],
    );
}

#[test]
fn what_belongs_together_is_asked_for() {
    assert_faults(
        "[store]\nkind = \"scylla\"\npassword = \"p\"\ntls = true\nreplication = { \"a'b\" = 1 }",
        &[
            "line 1: store.ca_file: is required for tls = true",
            "line 1: store.nodes: is required for kind = \"scylla\"",
            "line 1: store.username: is required beside a password",
            "line 5: store.replication: \"a'b\" is no name of a datacenter",
        ],
    );
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("ca.pem"), "no certificate").unwrap();
    let text = format!(
        "[store]\nkind = \"scylla\"\nnodes = [\"a\"]\ntls = true\nca_file = \"ca.pem\"\n{APP}"
    );
    let faults = parse(&text, directory.path(), []).unwrap_err().to_string();
    assert!(
        faults.contains("line 5: store.ca_file: holds no certificate"),
        "{faults}"
    );
}
