//! The unit.

use std::process::Command;
use std::time::Duration;

use fanfare_gateway::config::Settings;

use crate::{BEYOND_DRAIN, assert_understood, read, words};

fn values(name: &str) -> Vec<String> {
    let text = read("fanfare.service");
    let of = |line: &str| {
        let (key, value) = line.split_once('=')?;
        (key == name).then(|| value.to_owned())
    };
    text.lines().filter_map(of).collect()
}

fn value(name: &str) -> String {
    let mut found = values(name);
    assert_eq!(found.len(), 1, "{name}");
    found.remove(0)
}

#[test]
fn its_commands_are_the_programs() {
    for name in ["ExecStartPre", "ExecStart"] {
        let command = words(&value(name));
        assert!(command[0].ends_with("/fanfare"), "{command:?}");
        assert_understood(&command[1..]);
    }
    assert_eq!(value("ExecReload"), "/bin/kill -HUP $MAINPID");
    // Wrong usage or configuration: `fanfare --help` says so.
    assert_eq!(value("RestartPreventExitStatus"), "2");
}

#[test]
fn a_drain_has_its_time_and_the_store_its_place() {
    let stop: u64 = value("TimeoutStopSec").parse().expect("seconds");
    let drain = Settings::default().drain_timeout;
    assert!(Duration::from_secs(stop) >= drain + BEYOND_DRAIN);
    let directory = format!("FANFARE_DATA_DIR=/var/lib/{}", value("StateDirectory"));
    assert_eq!(value("Environment"), directory);
    assert_ne!(value("User"), "root");
}

#[test]
fn systemd_takes_it() {
    let directory = tempfile::tempdir().expect("a directory");
    // The program is not installed where this runs.
    let text = read("fanfare.service");
    let text = text.replace("/usr/local/bin/fanfare", env!("CARGO_BIN_EXE_fanfare"));
    let unit = directory.path().join("fanfare.service");
    std::fs::write(&unit, text).expect("a file");
    let output = Command::new("systemd-analyze")
        .arg("verify")
        .arg(&unit)
        .output()
        .expect("systemd-analyze (Debian: apt-get install systemd)");
    let said = String::from_utf8_lossy(&output.stderr);
    let ours: Vec<&str> = said
        .lines()
        .filter(|line| line.contains("fanfare"))
        .collect();
    assert!(output.status.success() && ours.is_empty(), "{said}");
}
