//! `fanfare campaign` against a scripted gateway: what it does when connections break, and what it says.

use std::process::Output;

use serde_json::{Value, json};

use crate::harness::{World, apns_token, fcm_token};
use crate::process::{Serving, fanfare, log_of};
use crate::scripted::{Answer, Scripted};

const ID: &str = "0190c42f-0d6a-8000-8000-0123456789ab";

async fn campaign(gateway: &Scripted, arguments: &[&str]) -> Output {
    let directory = tempfile::tempdir().expect("a directory");
    let access = ["--url", &gateway.url, "--key", "ffk_shop_0"];
    fanfare(
        directory.path(),
        &[&["campaign"], arguments, &access].concat(),
    )
    .await
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

fn progress(state: &str, delivered: u64) -> Value {
    json!({
        "id": ID, "name": "spring", "state": state, "rate": null, "rate_now": 100.0, "eta": null, "reason": null,
        "counts": {"total": 200, "estimated": false, "waiting": 200 - delivered, "in_flight": 0, "delivered": delivered,
            "rejected": 0, "dead": 0, "expired": 0, "cancelled": 0, "failed": 0},
    })
}

fn event(name: &str, id: &str, data: &Value) -> String {
    format!("event: {name}\nid: {id}\ndata: {data}\n\n")
}

/// A gateway whose first stream breaks in the middle of an event, whose second is refused for a moment, and whose
/// third sees the end.
async fn breaking(end: &'static str) -> Scripted {
    let mut streams = 0;
    Scripted::start(move |line, _| {
        if !line.contains("/events") {
            let state = if streams == 3 { end } else { "running" };
            return Answer::Json(200, progress(state, 200));
        }
        streams += 1;
        match streams {
            1 => Answer::Events(format!(
                "{}{}event: progress\nid: 2.2\ndata: {{\"sta",
                event("state", "2", &progress("running", 0)),
                event("progress", "2.1", &progress("running", 50)),
            )),
            2 => Answer::Json(
                503,
                json!({"code": "shutting_down", "detail": "the gateway drains"}),
            ),
            _ => Answer::Events(format!(
                "{}{}",
                event("progress", "2.9", &progress("running", 150)),
                event("state", "3", &progress(end, 200)),
            )),
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn watch_goes_on_where_its_stream_broke() {
    let gateway = breaking("completed").await;
    let output = campaign(&gateway, &["watch", ID, "--json"]).await;
    assert!(output.status.success(), "{}", err(&output));
    let lines: Vec<Value> = out(&output)
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let told: Vec<_> = lines
        .iter()
        .map(|line| (&line["event"], &line["counts"]["delivered"]))
        .collect();
    let expected = json!([
        ["state", 0],
        ["progress", 50],
        ["progress", 150],
        ["state", 200],
        ["end", 200]
    ]);
    assert_eq!(json!(told), expected);
    let streams = gateway.seen();
    let streams: Vec<_> = streams
        .iter()
        .filter(|seen| seen.line.contains("/events"))
        .collect();
    assert_eq!(streams.len(), 3);
    assert!(
        !streams[0].head.contains("last-event-id"),
        "{}",
        streams[0].head
    );
    for stream in &streams[1..] {
        assert!(
            stream.head.contains("last-event-id: 2.1"),
            "{}",
            stream.head
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_ends_the_watcher_and_says_that_it_does_nothing_else() {
    let gateway = Scripted::start(|line, _| match line.contains("/events") {
        true => Answer::Events(event("state", "2", &progress("running", 50))),
        false => Answer::Json(200, progress("running", 50)),
    })
    .await;
    let directory = tempfile::tempdir().expect("a directory");
    let access = ["--url", &gateway.url, "--key", "ffk_shop_0"];
    let watch = [&["campaign", "watch", ID][..], &access].concat();
    let mut watching = Serving::start(directory.path(), &watch, &[]).await;
    assert!(watching.first_line.starts_with("running: 50 of 200"));
    watching.signal("INT").await;
    assert_eq!(watching.ended().await.code(), Some(1));
    let said = log_of(directory.path());
    assert!(said.contains("nothing changes for the campaign"), "{said}");
    let asked = gateway.seen();
    assert!(asked.iter().all(|seen| seen.line.starts_with("GET ")));
}

#[tokio::test(flavor = "multi_thread")]
async fn watch_ends_as_the_campaign_does() {
    let gateway = breaking("cancelled").await;
    let output = campaign(&gateway, &["watch", ID]).await;
    assert_eq!(output.status.code(), Some(1), "{}", out(&output));
    assert!(
        err(&output).contains("the campaign is cancelled"),
        "{}",
        err(&output)
    );
    assert!(
        out(&output).starts_with("running: 0 of 200, 100/s\n"),
        "lines where there is no terminal: {}",
        out(&output)
    );
    let missing = Scripted::start(|_, _| {
        Answer::Json(
            404,
            json!({"code": "campaign_not_found", "detail": "there is no such campaign"}),
        )
    })
    .await;
    let output = campaign(&missing, &["watch", ID]).await;
    assert!(
        err(&output).contains("campaign_not_found"),
        "{}",
        err(&output)
    );
    assert_eq!(missing.seen().len(), 1, "asking again would not help");
}

/// A gateway that keeps whole lines of an upload and cuts it off twice.
async fn keeping(rows: String) -> Scripted {
    let mut kept = 0;
    let mut cuts = [40_000, 400_000].into_iter();
    let bytes = rows.len();
    Scripted::start(move |line, head| {
        if line.starts_with("PUT") {
            let from = head.lines().find_map(|line| line.strip_prefix("upload-offset: "));
            let from: usize = from.map_or(0, |from| from.parse().expect("a number"));
            assert_eq!(from, kept, "it goes on where the gateway has it");
            if let Some(cut) = cuts.next() {
                kept = rows[..from + cut].rfind('\n').expect("a line") + 1;
                return Answer::CutAt(cut);
            }
            kept = bytes;
            let bad = json!([{"line": 7, "code": "unknown_user", "field": "user_id"}]);
            return Answer::Json(
                200,
                json!({"state": "complete", "bytes": bytes, "rows": 9999, "bad_rows": 1, "errors": bad}),
            );
        }
        Answer::Json(200, json!({"id": ID, "upload": {"state": "incomplete", "bytes": kept}}))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_goes_on_where_it_was_cut_off() {
    let rows: String = (0..20_000)
        .map(|n| format!("{{\"user_id\": \"user-{n}\", \"variables\": {{\"n\": \"{n}\"}}}}\n"))
        .collect();
    let gateway = keeping(rows.clone()).await;
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("recipients.ndjson");
    std::fs::write(&file, &rows).expect("a file");
    let file = file.to_str().expect("UTF-8");
    let output = campaign(&gateway, &["upload", ID, "--recipients", file]).await;
    assert_eq!(output.status.code(), Some(1), "a bad row: {}", err(&output));
    assert!(
        out(&output).contains("9999 rows uploaded\n  line 7: unknown_user of user_id"),
        "{}",
        out(&output)
    );
    let seen = gateway.seen();
    let puts: Vec<_> = seen
        .iter()
        .filter(|seen| seen.line.starts_with("PUT"))
        .collect();
    assert_eq!(puts.len(), 3);
    let last = String::from_utf8(puts[2].body.clone()).expect("UTF-8");
    assert!(rows.ends_with(&last) && last.starts_with('{') && last.len() < rows.len());
    assert!(puts[0].head.contains("content-type: application/x-ndjson"));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_file_is_not_taken_for_the_rest() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("recipients.csv");
    std::fs::write(&file, "user_id\nada\nbob\n").expect("a file");
    let file = file.to_str().expect("UTF-8");
    for (upload, says) in [
        (
            json!({"state": "incomplete", "bytes": 10}),
            "--anew begins anew",
        ),
        (
            json!({"state": "incomplete", "bytes": 1000}),
            "--anew begins anew",
        ),
        (
            json!({"state": "complete", "bytes": 16}),
            "--anew replaces them",
        ),
    ] {
        let gateway =
            Scripted::start(move |_, _| Answer::Json(200, json!({"id": ID, "upload": upload})))
                .await;
        let output = campaign(&gateway, &["upload", ID, "--recipients", file]).await;
        assert!(
            !output.status.success() && err(&output).contains(says),
            "{}",
            err(&output)
        );
        assert!(
            gateway
                .seen()
                .iter()
                .all(|seen| seen.line.starts_with("GET"))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_told_with_every_fault() {
    let gateway = Scripted::start(|_, _| {
        Answer::Json(422, json!({"code": "invalid_request", "detail": "2 fields are invalid", "errors": [
            {"field": "audience.filter.all[1].field", "code": "unknown", "detail": "is no field of a device"},
            {"field": "rate", "code": "out_of_range", "detail": "must be from 1 to 1000000"},
        ]}))
    })
    .await;
    let output = campaign(
        &gateway,
        &["create", "--name", "spring", "--all", "--rate", "0"],
    )
    .await;
    assert_eq!(output.status.code(), Some(1));
    for told in [
        "2 fields are invalid",
        "audience.filter.all[1].field: is no field of a device (unknown)",
        "rate: must",
    ] {
        assert!(err(&output).contains(told), "{}", err(&output));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn steering_asks_for_what_it_says() {
    let gateway = Scripted::start(|_, _| Answer::Json(200, progress("paused", 100))).await;
    for (arguments, asked) in [
        (
            ["start", ID].as_slice(),
            format!("POST /v1/campaigns/{ID}/start"),
        ),
        (&["pause", ID], format!("POST /v1/campaigns/{ID}/pause")),
        (&["resume", ID], format!("POST /v1/campaigns/{ID}/resume")),
        (&["cancel", ID], format!("POST /v1/campaigns/{ID}/cancel")),
        (&["rate", ID, "500"], format!("PATCH /v1/campaigns/{ID}")),
        (&["rate", ID, "max"], format!("PATCH /v1/campaigns/{ID}")),
        (&["show", ID], format!("GET /v1/campaigns/{ID}")),
    ] {
        let output = campaign(&gateway, arguments).await;
        assert!(output.status.success(), "{}", err(&output));
        assert!(
            out(&output).starts_with(&format!("campaign {ID} (spring): paused\n")),
            "{}",
            out(&output)
        );
        let seen = gateway.seen();
        let last = seen.last().expect("a request");
        assert_eq!(last.line, asked);
        match arguments {
            ["rate", _, "500"] => assert_eq!(last.body, b"{\"rate\":500}"),
            ["rate", _, _] => assert_eq!(last.body, b"{\"rate\":null}"),
            _ => assert!(last.body.is_empty()),
        }
    }
    let output = campaign(&gateway, &["cancel", "../devices"]).await;
    assert!(
        err(&output).contains("no campaign's id"),
        "{}",
        err(&output)
    );
}

/// A command against a world's gateway, in the world's directory.
async fn real(world: &World, arguments: &[&str]) -> Output {
    let access = ["--url", world.url(), "--key-file", "api.key"];
    let all = [&["campaign"], arguments, &access].concat();
    fanfare(world.directory.path(), &all).await
}

async fn some_users() -> World {
    let world = World::new().await;
    world.register("ada", "ios_push", &apns_token(1)).await;
    world.register("bob", "fcm", &fcm_token(2)).await;
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn a_campaign_from_the_command_line() {
    let world = some_users().await;
    let create = [
        "create",
        "--name",
        "spring",
        "--title",
        "Hello {{name}}",
        "--variable",
        "name=you",
        "--all",
    ];
    let output = real(
        &world,
        &[&create[..], &["--start", "--watch", "--json"]].concat(),
    )
    .await;
    assert!(output.status.success(), "{}", err(&output));
    let said = out(&output);
    let last: Value = serde_json::from_str(said.lines().next_back().expect("lines")).expect("JSON");
    assert_eq!(
        (&last["event"], &last["state"]),
        (&json!("end"), &json!("completed"))
    );
    assert_eq!(last["counts"]["delivered"], 2);
    let draft = real(&world, &[&create[..], &["--json"]].concat()).await;
    let draft: Value = serde_json::from_str(&out(&draft)).expect("JSON");
    let id = draft["id"].as_str().expect("an id");
    assert_eq!(draft["state"], "draft");
    let output = real(&world, &["pause", id]).await;
    assert!(
        err(&output).contains("impossible_in_state"),
        "{}",
        err(&output)
    );
    assert!(out(&real(&world, &["rate", id, "100"]).await).contains("at most 100/s"));
    assert!(out(&real(&world, &["cancel", id]).await).contains("cancelled"));
    let output = real(&world, &["watch", id]).await;
    assert_eq!(output.status.code(), Some(1), "{}", out(&output));
    let listed = out(&real(&world, &["list"]).await);
    let listed: Vec<_> = listed.lines().collect();
    assert!(
        listed.len() == 2 && listed[0].contains("cancelled") && listed[1].contains("2 of 2"),
        "{listed:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn recipients_of_a_file_from_the_command_line() {
    let world = some_users().await;
    let file = world.directory.path().join("users.csv");
    std::fs::write(&file, "user_id,name\nada,Ada\nbob,Bob,too many\n").expect("a file");
    let create = [
        "create",
        "--name",
        "invoices",
        "--title",
        "{{name}}, your invoice",
        "--recipients",
        "users.csv",
        "--start",
    ];
    let output = real(&world, &create).await;
    assert_eq!(
        output.status.code(),
        Some(1),
        "it is not started over a bad row: {}",
        out(&output)
    );
    assert!(
        out(&output).contains("line 3") && err(&output).contains("--allow-bad-rows"),
        "{}",
        out(&output)
    );
    std::fs::write(&file, "user_id,name\nada,Ada\nbob,Bob\n").expect("a file");
    let output = real(&world, &[&create[..], &["--watch"]].concat()).await;
    assert!(output.status.success(), "{}", err(&output));
    assert!(
        out(&output).contains("2 rows uploaded") && out(&output).contains("completed: 2 of 2"),
        "{}",
        out(&output)
    );
}
