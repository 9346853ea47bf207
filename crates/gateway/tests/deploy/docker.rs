//! The image.

use crate::{CONFIG, assert_understood, read, words};

/// Instructions, with continued lines as one.
fn instructions() -> Vec<String> {
    let text = read("Dockerfile").replace("\\\n", " ");
    let lines = text.lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(str::to_owned).collect()
}

/// What is behind the last instruction of this name.
pub(crate) fn last(name: &str) -> String {
    let found = instructions();
    let found = found.iter().rev().find_map(|line| line.strip_prefix(name));
    found
        .unwrap_or_else(|| panic!("no {name}"))
        .trim()
        .to_owned()
}

fn list(text: &str) -> Vec<String> {
    serde_json::from_str(text).unwrap_or_else(|_| panic!("not the exec form: {text}"))
}

#[test]
fn its_commands_are_the_programs() {
    assert_eq!(list(&last("ENTRYPOINT")), ["fanfare"]);
    let command = list(&last("CMD"));
    assert_understood(&command);
    assert_eq!(command, ["serve", "--config", CONFIG]);
    let check = last("HEALTHCHECK");
    let (_, check) = check.split_once("CMD").expect("a command");
    let check = list(check.trim());
    assert_eq!(
        (check[0].as_str(), check[1].as_str()),
        ("fanfare", "health")
    );
    assert_understood(&check[1..]);
}

#[test]
fn nothing_in_it_runs_as_root_or_has_a_shell() {
    assert_eq!(last("USER"), "65532:65532");
    assert!(last("FROM").starts_with("gcr.io/distroless/"));
    let stages = instructions()
        .iter()
        .filter(|line| line.starts_with("FROM"))
        .count();
    assert_eq!(stages, 2, "what builds it is not in it");
    assert_eq!(last("STOPSIGNAL"), "SIGTERM");
}

#[test]
fn it_builds_what_there_is_with_what_it_needs() {
    let run = last("RUN");
    assert!(
        run.contains("--package fanfare-gateway") && run.contains("--locked"),
        "{run}"
    );
    assert!(run.contains("target/release/fanfare"), "{run}");
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml");
    let manifest = std::fs::read_to_string(manifest).expect("a manifest");
    let version = manifest
        .split_once("rust-version = \"")
        .expect("a version")
        .1;
    let version = version.split('"').next().expect("a version");
    let builder = instructions()
        .into_iter()
        .find(|line| line.starts_with("FROM"));
    let builder = builder.expect("a first stage");
    assert!(
        builder.contains(&format!("rust:{version}-bookworm")),
        "{builder}"
    );
    // The same C library where it is built and where it runs.
    assert!(last("FROM").contains("debian12"));
    assert_eq!(words(&last("EXPOSE")), ["8080", "9090"]);
}
