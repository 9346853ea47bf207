//! Each command, small, with real processes: the books agree, the report can be read, the page is whole.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use serde_json::Value;
use tempfile::TempDir;

/// The gateway's program: beside the load generator when the workspace was built, else built now.
fn fanfare() -> &'static Path {
    static FANFARE: OnceLock<PathBuf> = OnceLock::new();
    FANFARE.get_or_init(|| {
        let program = Path::new(env!("CARGO_BIN_EXE_fanfare-loadtest")).with_file_name("fanfare");
        if !program.exists() {
            let mut cargo = Command::new(env!("CARGO"));
            cargo.args([
                "build",
                "--locked",
                "-p",
                "fanfare-gateway",
                "--bin",
                "fanfare",
            ]);
            if !cfg!(debug_assertions) {
                cargo.arg("--release");
            }
            assert!(
                cargo.status().expect("cargo").success(),
                "fanfare cannot be built"
            );
        }
        program
    })
}

fn run(line: &str, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fanfare-loadtest"));
    command
        .args(["--quiet", "--json", "--fanfare"])
        .arg(fanfare());
    command
        .args(line.split(' '))
        .args(more)
        .output()
        .expect("a process")
}

/// Of a run that must succeed.
fn report(line: &str, more: &[&str]) -> Value {
    let output = run(line, more);
    let (said, complained) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{line}: {complained}\n{said}");
    let report: Value = serde_json::from_str(&said).expect("a report in JSON");
    assert_eq!(report["faults"], serde_json::json!([]), "{line}");
    report
}

/// The first figure of this name in the first row of this name.
fn figure(report: &Value, row: &str, name: &str) -> f64 {
    let find = |list: &Value, wanted: &str| {
        let list = list.as_array().expect("a list");
        list.iter().find(|one| one["name"] == wanted).cloned()
    };
    let row = find(&report["rows"], row).unwrap_or_else(|| panic!("{row} in {report:#}"));
    let figure = find(&row["figures"], name).unwrap_or_else(|| panic!("{name} in {row:#}"));
    figure["value"].as_f64().expect("a number")
}

fn seeded(line: &str) -> (TempDir, String, Value) {
    let directory = tempfile::tempdir().expect("a directory");
    let crowd = directory.path().join("crowd").display().to_string();
    let made = report(line, &["--dir", &crowd]);
    (directory, crowd, made)
}

#[test]
fn a_seeded_crowd_is_sent_to_on_both_providers_and_its_dead_are_found() {
    let (directory, crowd, made) =
        seeded("seed --devices 3000 --platforms ios=60,android=40 --dead 10 --tags vip=20");
    assert_eq!(figure(&made, "seeded", "devices"), 3000.0);
    let page = directory.path().join("page.html").display().to_string();
    let line = "campaign --rounds 1 --provider both --payload 1000";
    let sent = report(line, &["--dir", &crowd, "--html", &page]);
    let (delivered, dead) = (
        figure(&sent, "books of shop", "delivered"),
        figure(&sent, "books of shop", "dead"),
    );
    assert_eq!(delivered + dead, 3000.0);
    assert!((200.0..400.0).contains(&dead), "{dead}");
    assert!(figure(&sent, "gateway", "CPU s") > 0.0);
    let page = std::fs::read_to_string(page).expect("a page");
    is_whole(&page);
    for wanted in [
        "Resident memory",
        "Throughput",
        "The books agree",
        "books of shop",
    ] {
        assert!(page.contains(wanted), "{wanted}");
    }
    // Another crowd is not mixed into it.
    let other = run("seed --devices 10", &["--dir", &crowd]);
    assert!(!other.status.success());
    assert!(String::from_utf8_lossy(&other.stderr).contains("has other devices"));
    // It can be sent to again, without its dead.
    let again = report("campaign --rounds 1 --provider both", &["--dir", &crowd]);
    assert_eq!(figure(&again, "books of shop", "delivered"), delivered);
}

/// Every element is closed, in order, and nothing is fetched.
fn is_whole(page: &str) {
    let mut open = Vec::new();
    let body = &page[page.find("<html").expect("a root")..];
    for part in body.split('<').skip(1) {
        let (tag, _) = part.split_once('>').expect("a closed tag");
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name.to_owned()), "{name}");
        } else if !tag.ends_with('/') {
            open.push(tag.split(' ').next().unwrap_or_default().to_owned());
        }
    }
    assert!(open.is_empty(), "{open:?}");
    for unwanted in ["://", "<script", "<link", "src=", "@import"] {
        assert!(!page.contains(unwanted), "{unwanted}");
    }
}

#[test]
fn notifications_by_the_clock_are_measured_to_the_providers_answer() {
    let line = "notify --devices 500 --rate 100 --seconds 2 --latency lognormal:20ms,p99=60ms";
    let made = report(line, &[]);
    let row = "from the instant due";
    assert_eq!(figure(&made, row, "calls"), 200.0);
    assert_eq!(figure(&made, "books of shop", "delivered"), 200.0);
    // Not before the providers' own time, of which it is the same median.
    let delivered = figure(&made, row, "delivered p50 ms");
    assert!((15.0..5000.0).contains(&delivered), "{delivered}");
    let series = made["series"].as_array().expect("series");
    let of = |plot: &str| {
        series
            .iter()
            .filter(|series| series["plot"] == plot)
            .count()
    };
    assert!(
        of("latency") >= 2 && of("memory") == 3 && of("throughput") == 1,
        "{series:?}"
    );
}

#[test]
fn callers_without_pause_name_many_users_at_fast_simulators() {
    let made = report(
        "notify --devices 500 --users 50 --callers 4 --seconds 1 --fast --provider both",
        &[],
    );
    let calls = figure(&made, "from the call", "calls");
    assert_eq!(figure(&made, "books of shop", "delivered"), calls * 50.0);
}

#[test]
fn a_campaign_at_fast_simulators_has_exact_books() {
    for provider in ["apns", "fcm"] {
        let line = format!("campaign --devices 5000 --rounds 1 --fast --provider {provider}");
        let made = report(&line, &[]);
        assert_eq!(
            figure(&made, "books of shop", "accepted by providers"),
            5000.0
        );
    }
}

#[test]
fn what_cannot_be_had_together_is_refused() {
    for (line, wanted) in [
        ("isolation --fast", "has none"),
        ("mix --fast", "lists none"),
        ("notify --fast --latency 5ms", "cannot be used with"),
        ("notify --latency soon", "soon"),
        ("compare campaign nonsense", "the second command"),
    ] {
        let output = run(line, &[]);
        let complained = String::from_utf8_lossy(&output.stderr);
        assert!(
            !output.status.success() && complained.contains(wanted),
            "{line}: {complained}"
        );
    }
}

#[test]
fn receipts_are_measured_beside_a_campaign() {
    let made = report(
        "mix --devices 50000 --rounds 1 --seconds 1 --rate 40 --latency 300ms",
        &[],
    );
    assert_eq!(figure(&made, "beside a campaign", "receipts"), 40.0);
    assert!(figure(&made, "alone", "p50 ms") >= 300.0);
    assert!(figure(&made, "cost", "campaign pushes/s") > 0.0);
}

#[test]
fn registrations_stand_beside_the_store_alone() {
    let made = report("register --rounds 1 --seconds 1 --callers 8", &[]);
    assert!(figure(&made, "registered", "a second") > 0.0);
    let row = &made["rows"][0]["figures"][0];
    assert!(
        row["ratio"].as_f64().is_some_and(|ratio| ratio > 0.0),
        "{row}"
    );
}

#[test]
fn a_soak_compares_its_parts() {
    let made = report("soak --minutes 0.05 --rate 100 --devices 300", &[]);
    let parts = made["rows"].as_array().expect("rows").iter();
    let parts = parts.filter(|row| {
        row["name"]
            .as_str()
            .is_some_and(|name| name.starts_with("from"))
    });
    assert_eq!(parts.count(), 10);
    assert_eq!(figure(&made, "books of shop", "delivered"), 300.0);
}

#[test]
fn floors_are_compared_in_turn() {
    let floor = "floor --own --requests 1000 --rounds 1";
    let fast = "floor --own --requests 1000 --rounds 1 --fast";
    let made = report("compare --turns 2", &[floor, fast]);
    let rows = made["rows"].as_array().expect("rows");
    let row = rows.iter().find(|row| {
        row["name"]
            .as_str()
            .is_some_and(|name| name.ends_with("pushes/s"))
    });
    let ratio = row.and_then(|row| row["figures"].as_array()?.last()?["value"].as_f64());
    assert!(ratio.is_some_and(|ratio| ratio > 0.0), "{rows:?}");
}

#[test]
fn one_apps_trouble_and_too_many_callers_leave_the_books_exact() {
    let made = report("isolation --rate 30 --trouble-rate 200 --seconds 1", &[]);
    assert_eq!(
        figure(&made, "its provider is down (503)", "receipts"),
        30.0
    );
    let made = report("overload --callers 2,16 --seconds 1", &[]);
    assert_eq!(
        figure(&made, "books of shop", "delivered"),
        figure(&made, "16 callers", "calls accepted") * 20.0
    );
}
