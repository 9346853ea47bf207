//! The rules of the house that a machine can check: who may depend on whom, and what a source file looks like.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Crate → (our crates it may depend on, what it alone or with others may know).
const MAY_DEPEND: &[(&str, &[&str])] = &[
    ("types", &[]),
    ("core", &["types"]),
    ("providers", &["types"]),
    ("link", &["types"]),
    ("store", &["types"]),
    ("telemetry", &["types"]),
    (
        "actors",
        &["types", "core", "providers", "link", "store", "telemetry"],
    ),
    (
        "ingress",
        &["types", "core", "providers", "store", "actors", "telemetry"],
    ),
    ("simulator", &["types"]),
    // A development dependency of whoever tests against a database.
    ("testbed", &[]),
    (
        "gateway",
        &[
            "types",
            "core",
            "providers",
            "link",
            "store",
            "telemetry",
            "actors",
            "ingress",
            "simulator",
        ],
    ),
];

/// What measures and attacks the others; nothing depends on it.
const MAY_KNOW_ANYTHING: &[&str] = &["benches", "fuzz", "loadtest"];

/// Dependency → the only crates that may name it.
const QUARANTINE: &[(&str, &[&str])] = &[
    ("ractor", &["actors"]),
    ("rusqlite", &["store"]),
    ("scylla", &["store"]),
    ("axum", &["ingress"]),
    ("utoipa", &["ingress"]),
    ("h2", &["link", "simulator"]),
    ("tokio-rustls", &["link", "simulator"]),
    ("prometheus-client", &["telemetry"]),
    ("tracing-subscriber", &["telemetry"]),
    ("clap", &["gateway"]),
    ("console", &["gateway"]),
    ("indicatif", &["gateway"]),
    ("anyhow", &["gateway"]),
    ("toml", &["gateway"]),
];

/// What `core` must not know: runtimes, clocks, I/O, ambient randomness.
const NOT_IN_CORE: &[&str] = &[
    "tokio",
    "ractor",
    "hyper",
    "h2",
    "axum",
    "rusqlite",
    "serde_json",
    "aws-lc-rs",
    "reqwest",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Normal dependencies of each of our crates, as `cargo metadata` tells them.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let mut cargo = Command::new(env!("CARGO"));
    let output = cargo
        .args(["metadata", "--format-version", "1", "--no-deps", "--locked"])
        .current_dir(root())
        .output();
    let metadata: Value =
        serde_json::from_slice(&output.expect("cargo metadata").stdout).expect("JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    let name = |value: &Value| value["name"].as_str().expect("a name").to_owned();
    packages
        .iter()
        .map(|package| {
            let normal = |dependency: &&Value| dependency["kind"].is_null();
            let all = package["dependencies"].as_array().expect("dependencies");
            (name(package), all.iter().filter(normal).map(name).collect())
        })
        .collect()
}

#[test]
fn dependencies_point_one_way() {
    let found = dependencies();
    for (package, depends) in &found {
        let Some(name) = package.strip_prefix("fanfare-") else {
            continue;
        };
        let ours: BTreeSet<&str> = depends
            .iter()
            .filter_map(|name| name.strip_prefix("fanfare-"))
            .collect();
        if MAY_KNOW_ANYTHING.contains(&name) {
            continue;
        }
        let (_, allowed) = MAY_DEPEND
            .iter()
            .find(|(known, _)| *known == name)
            .unwrap_or_else(|| {
                panic!(
                    "{name} is not in the table of who may depend on whom (and in ARCHITECTURE.md)"
                )
            });
        let wrong: Vec<_> = ours
            .iter()
            .filter(|other| !allowed.contains(other))
            .collect();
        assert!(wrong.is_empty(), "{name} must not depend on {wrong:?}");
    }
}

#[test]
fn what_is_quarantined_stays_there() {
    for (package, depends) in dependencies() {
        let name = package.trim_start_matches("fanfare-");
        for (dependency, allowed) in QUARANTINE {
            let may = allowed.contains(&name) || MAY_KNOW_ANYTHING.contains(&name);
            assert!(
                may || !depends.contains(*dependency),
                "{name} must not know {dependency}; only {allowed:?} may"
            );
        }
        if name == "core" {
            let wrong: Vec<_> = NOT_IN_CORE
                .iter()
                .filter(|wrong| depends.contains(**wrong))
                .collect();
            assert!(wrong.is_empty(), "core is pure and must not know {wrong:?}");
        }
    }
}

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "target") {
                sources(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn all_sources() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for folder in ["crates", "benches", "fuzz", "loadtest"] {
        sources(&root().join(folder), &mut found);
    }
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).expect("UTF-8");
        (path, text)
    };
    found.into_iter().map(read).collect()
}

fn is_test(path: &Path) -> bool {
    path.components()
        .any(|part| part.as_os_str() == "tests" || part.as_os_str() == "benches")
        || path.file_name().is_some_and(|name| name == "tests.rs")
}

#[test]
fn core_reads_no_clock_and_does_no_io() {
    let banned = [
        "Instant::now",
        "SystemTime",
        "std::fs",
        "std::net",
        "std::env",
        "thread_rng",
        "std::thread",
    ];
    for (path, text) in all_sources() {
        if path.components().any(|part| part.as_os_str() == "core") && !is_test(&path) {
            for word in banned {
                assert!(
                    !text.contains(word),
                    "{}: core must not use {word}",
                    path.display()
                );
            }
        }
    }
}

#[test]
fn every_module_says_what_it_is_for_and_stays_one_idea() {
    for (path, text) in all_sources() {
        if is_test(&path) {
            continue;
        }
        assert!(
            text.starts_with("//!"),
            "{}: begins with no //! line",
            path.display()
        );
        let code = text
            .split("#[cfg(test)]\nmod tests {")
            .next()
            .unwrap_or(&text);
        let lines = code.lines().count();
        assert!(
            lines <= 500,
            "{}: {lines} lines; is it still one idea?",
            path.display()
        );
    }
}

#[test]
fn nothing_is_left_open() {
    // Spelt apart, so that this file does not hold them.
    let banned = [
        concat!("to", "do!("),
        concat!("unimplem", "ented!("),
        concat!("FIX", "ME"),
        concat!("#[ig", "nore"),
    ];
    for (path, text) in all_sources() {
        for word in banned {
            assert!(!text.contains(word), "{}: holds {word}", path.display());
        }
    }
}

/// The sources of `actors`, without its tests.
fn actors() -> Vec<(PathBuf, String)> {
    let mut sources = all_sources();
    let folder = Path::new("crates").join("actors").join("src");
    sources.retain(|(path, _)| {
        let path = path.strip_prefix(root()).unwrap_or(path);
        path.starts_with(&folder) && !is_test(path)
    });
    sources
}

#[test]
fn every_actor_writes_its_supervision_out() {
    let mut found = 0;
    for (path, text) in actors() {
        let actors = text.matches("\nimpl Actor for ").count();
        for part in [
            "async fn handle_supervisor_evt(",
            "handling!(&",
            "\"pre_start\");",
        ] {
            let parts = text.matches(part).count();
            assert_eq!(parts, actors, "{}: {part} for each actor", path.display());
        }
        found += actors;
    }
    assert!(found >= 12, "the search finds actors");
}

/// A task whose panic nobody hears of leaves its actor waiting for ever.
#[test]
fn tasks_of_actors_are_watched() {
    // They await their task, and a panic there is their caller's 503.
    let awaits = [
        "task.rs",
        "accept.rs",
        "notifications.rs",
        "steer.rs",
        "user.rs",
    ];
    for (path, text) in actors() {
        let name = path.file_name().and_then(|name| name.to_str());
        let spawns = text.matches("tokio::spawn(").count();
        let may = usize::from(name.is_some_and(|name| awaits.contains(&name)));
        assert_eq!(spawns, may, "{}: use crate::task", path.display());
    }
}

/// A panic ends its task or actor and nothing else, and can only be provoked in tests.
#[test]
fn panics_unwind_and_failpoints_are_for_tests() {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).expect("a manifest");
    assert!(!manifest.contains("panic ="), "panics must unwind");
    for (package, features) in features() {
        let asks = |feature: &Value| feature == "failpoints";
        assert!(!features.iter().any(asks), "{package} ships failpoints");
    }
}

/// The features that normal dependencies ask for, and those that are on by default.
fn features() -> Vec<(String, Vec<Value>)> {
    let mut cargo = Command::new(env!("CARGO"));
    let output = cargo
        .args(["metadata", "--format-version", "1", "--no-deps", "--locked"])
        .current_dir(root())
        .output();
    let metadata: Value =
        serde_json::from_slice(&output.expect("cargo metadata").stdout).expect("JSON");
    let of = |package: &Value| {
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let dependencies = list(&package["dependencies"]).into_iter();
        let normal = dependencies.filter(|dependency| dependency["kind"].is_null());
        let mut features: Vec<_> = normal.flat_map(|d| list(&d["features"])).collect();
        features.extend(list(&package["features"]["default"]));
        (package["name"].to_string(), features)
    };
    let packages = metadata["packages"].as_array().expect("packages");
    packages.iter().map(of).collect()
}
