//! What `deploy/` says of the gateway is so: commands and flags, configuration keys, ports, paths, users and times. No
//! container engine is needed for it.

mod compose;
mod docker;
mod kubernetes;
mod systemd;
mod yaml;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use fanfare_gateway::config::{self, Settings};

/// Beyond `drain_timeout`, so that a drain is never cut off: one second for answers, some for what comes before.
const BEYOND_DRAIN: Duration = Duration::from_secs(5);

/// Where images have their configuration.
const CONFIG: &str = "/etc/fanfare/fanfare.toml";

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy")
}

fn read(name: &str) -> String {
    std::fs::read_to_string(deploy().join(name)).expect("a file of deploy/")
}

/// That the program knows this command and its flags: with `--help` behind them it does nothing else.
fn assert_understood(arguments: &[String]) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fanfare"));
    let output = command
        .args(arguments)
        .arg("--help")
        .output()
        .expect("a process");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {error}");
    assert!(!arguments.is_empty());
}

/// The settings of a configuration, with the secrets it names beside it and the variables over it.
fn settings(text: &str, files: &[(&str, &str)], variables: &[(String, String)]) -> Settings {
    let directory = tempfile::tempdir().expect("a directory");
    for (name, content) in files {
        std::fs::write(directory.path().join(name), content).expect("a file");
    }
    let parsed = config::parse(text, directory.path(), variables.iter().cloned());
    parsed.unwrap_or_else(|faults| panic!("{faults}")).settings
}

/// That the API's document has this path, or it is asked for by probes.
fn assert_is_path(path: &str) {
    let document: serde_json::Value =
        serde_json::from_str(&fanfare_ingress::openapi()).expect("JSON");
    assert!(document["paths"].get(path).is_some(), "{path}");
}

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}
