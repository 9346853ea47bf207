//! What commands show on a terminal: a pseudo-terminal of script(1), 40 columns wide.

use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};
use tokio::process::Command;

use crate::harness::PATIENCE;
use crate::scripted::{Answer, Scripted};

const ID: &str = "0190c42f-0d6a-8000-8000-0123456789ab";

const COLUMNS: usize = 40;

/// What a command of `fanfare` writes on such a terminal, and its status.
async fn on_a_terminal(directory: &Path, arguments: &str) -> (String, Option<i32>) {
    let fanfare = env!("CARGO_BIN_EXE_fanfare");
    let command = format!("stty rows 24 cols {COLUMNS}; exec '{fanfare}' {arguments}");
    let script = Command::new("script")
        .args(["-qefc", &command, "/dev/null"])
        .env("TERM", "xterm")
        .current_dir(directory)
        .kill_on_drop(true)
        .stdin(Stdio::null())
        .output();
    let ended = tokio::time::timeout(PATIENCE, script).await;
    let output = ended.expect("an end").expect("script(1)");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    (text, output.status.code())
}

/// The lines as the terminal shows them one after the other, without what moves the cursor and clears.
fn shown(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        let line = lines.last_mut().expect("a line");
        match c {
            '\u{1b}' => {
                // A control sequence ends with a letter.
                while rest.next().is_some_and(|c| !c.is_ascii_alphabetic()) {}
            }
            '\r' | '\n' => lines.push(String::new()),
            c if line.chars().count() == COLUMNS => lines.push(c.into()),
            c => line.push(c),
        }
    }
    let lines = lines.into_iter().map(|line| line.trim_end().to_owned());
    lines.filter(|line| !line.is_empty()).collect()
}

fn assert_shown(lines: &[String], wanted: &[&str]) {
    for wanted in wanted {
        let is_there = lines.iter().any(|line| line == wanted);
        assert!(is_there, "no line {wanted:?} in {lines:#?}");
    }
}

fn progress(state: &str, ended: u64) -> Value {
    json!({
        "id": ID, "name": "spring", "state": state, "rate": null, "rate_now": 250_000.0, "eta": null, "reason": null,
        "counts": {"total": 2_000_000, "estimated": false, "waiting": 2_000_000 - ended, "in_flight": 0,
            "delivered": ended - ended / 50, "rejected": 0, "dead": ended / 50, "expired": 0, "cancelled": 0, "failed": 0},
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_narrow_terminal_breaks_no_figure_of_a_campaign() {
    let gateway = Scripted::start(|line, _| {
        if !line.contains("/events") {
            return Answer::Json(200, progress("completed", 2_000_000));
        }
        let event =
            |name: &str, id: u32, data: Value| format!("event: {name}\nid: {id}\ndata: {data}\n\n");
        Answer::Events(
            event("state", 2, progress("running", 0))
                + &event("progress", 2, progress("running", 1_000_000))
                + &event("state", 3, progress("completed", 2_000_000)),
        )
    })
    .await;
    let directory = tempfile::tempdir().expect("a directory");
    let watch = format!("campaign watch {ID} --key ffk_shop_0 --url {}", gateway.url);
    let (text, status) = on_a_terminal(directory.path(), &watch).await;
    assert_eq!(status, Some(0), "{text}");
    let lines = shown(&text);
    assert_shown(
        &lines,
        &[
            "running: 1,000,000 of 2,000,000,",
            "250,000/s",
            "delivered 980,000, dead 20,000",
            "  delivered  1,960,000",
        ],
    );
    let is_half = |line: &String| line.starts_with('█') && line.ends_with(" 50%");
    assert!(lines.iter().any(is_half), "{lines:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_narrow_terminal_breaks_no_figure_of_an_import() {
    let gateway = Scripted::start(|_, _| Answer::Json(201, json!({}))).await;
    let directory = tempfile::tempdir().expect("a directory");
    let row = |n| json!({"user_id": format!("user-{n}"), "channel": "fcm", "token": format!("token-{n}")});
    let rows: String = (0..1_500).map(|n| format!("{}\n", row(n))).collect();
    std::fs::write(directory.path().join("devices.ndjson"), rows).expect("a file");
    let url = &gateway.url;
    let import = format!("devices import devices.ndjson --key ffk_shop_0 --url {url}");
    let (text, status) = on_a_terminal(directory.path(), &import).await;
    assert_eq!(status, Some(0), "{text}");
    let lines = shown(&text);
    let is_bar = |line: &String| line.starts_with("importing █") && line.ends_with('%');
    let is_rest = |line: &String| line.contains(" rows, ") && line.ends_with(" left");
    assert!(
        lines.iter().any(is_bar) && lines.iter().any(is_rest),
        "{lines:#?}"
    );
    let last = lines.last().expect("the last word");
    assert!(last.starts_with("1,500 registered"), "{last}");
}
