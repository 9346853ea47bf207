//! `fanfare devices list|import|export`: a registry carried in and out, through a gateway and beside it.

use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};

use crate::harness::{World, fcm_token};
use crate::process::fanfare;

fn said(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8(both).expect("UTF-8")
}

fn report(output: &Output) -> Value {
    let mut lines = output.stdout.split(|byte| *byte == b'\n');
    let line = lines.rfind(|line| line.starts_with(b"{"));
    serde_json::from_slice(line.unwrap_or_else(|| panic!("{}", said(output)))).expect("JSON")
}

/// A command in the world's directory.
async fn run(world: &World, arguments: &[&str]) -> Output {
    fanfare(world.directory.path(), arguments).await
}

/// With the flags that reach the running gateway.
async fn online(world: &World, arguments: &[&str]) -> Output {
    let access = ["--url", world.url(), "--key-file", "api.key"];
    run(world, &[arguments, &access].concat()).await
}

fn write(world: &World, name: &str, text: &str) {
    std::fs::write(world.directory.path().join(name), text).expect("a file");
}

fn read(world: &World, name: &str) -> String {
    std::fs::read_to_string(world.directory.path().join(name)).expect("a file")
}

/// Rows with something in every column, a bad one and blank lines in between.
fn rows(count: u32) -> String {
    let mut text = String::new();
    for n in 0..count {
        let row = json!({
            "user_id": format!("user/{} ä", n / 2), "channel": "fcm", "token": fcm_token(n), "device_key": format!("key-{n}"),
            "platform": "android", "app_version": "2.10.0", "device_name": "a \"phone\",\nof gold", "device_model": "Pixel",
            "os_version": "17", "locale": "de-AT", "time_zone": "Europe/Vienna", "tags": ["news", "a;b"],
            "device_info": {"a": [1, null, "é"]}, "status": if n % 10 == 3 { "inactive" } else { "active" },
        });
        text.push_str(&format!("{row}\n"));
        if n == 4 {
            text.push_str("\n{\"user_id\": \"x\", \"channel\": \"fcm\", \"token\": \"hush\", \"phone number\": 1}\n");
        }
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_through_the_gateway_registers_all_but_the_bad_rows() {
    let world = World::embedded().await;
    write(&world, "devices.ndjson", &rows(60));
    let output = online(&world, &["devices", "import", "devices.ndjson", "--json"]).await;
    assert_eq!(
        output.status.code(),
        Some(1),
        "a bad row: {}",
        said(&output)
    );
    assert!(!said(&output).contains("hush") && !said(&output).contains("phone number"));
    let told = report(&output);
    assert_eq!((&told["registered"], &told["bad"]), (&json!(60), &json!(1)));
    assert_eq!(
        told["errors"],
        json!([{"line": 7, "faults": [{"code": "unknown", "field": null}]}])
    );
    assert!(
        !world
            .directory
            .path()
            .join("devices.ndjson.progress")
            .exists(),
        "it is done"
    );
    let output = online(&world, &["devices", "list", "--user", "user/1 ä", "--json"]).await;
    let lines: Vec<Value> = said(&output)
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(lines.len(), 2);
    let inactive = lines
        .iter()
        .find(|device| device["device_key"] == "key-3")
        .expect("the device");
    assert_eq!(
        (&inactive["status"], &inactive["tags"]),
        (&json!("inactive"), &json!(["news", "a;b"]))
    );
    // The gateway goes on serving, and twice is as good as once.
    online(&world, &["devices", "import", "devices.ndjson"]).await;
    let exported = run(
        &world,
        &[
            "devices",
            "export",
            "out.ndjson",
            "--data-dir",
            "data",
            "--app",
            "demo",
            "--json",
        ],
    )
    .await;
    assert_eq!(
        report(&exported)["devices"],
        json!(60),
        "{}",
        said(&exported)
    );
    assert!(
        !read(&world, "out.ndjson").contains("\"token\""),
        "no secret without being asked for"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_exported_is_imported_to_the_byte() {
    let mut world = World::embedded().await;
    write(&world, "devices.ndjson", &rows(5_000));
    let import = ["devices", "import", "devices.ndjson", "--offline", "--json"];
    let refused = run(&world, &import).await;
    assert!(
        !refused.status.success() && said(&refused).contains("in use by another process"),
        "{}",
        said(&refused)
    );
    assert!(world.drain().await);
    let output = run(&world, &import).await;
    assert_eq!(
        report(&output)["registered"],
        json!(5_000),
        "{}",
        said(&output)
    );
    for format in ["csv", "ndjson"] {
        let [first, second] = ["first", "second"].map(|name| format!("{name}.{format}"));
        let export = |to: &str, directory: &str| {
            [
                "devices",
                "export",
                to,
                "--data-dir",
                directory,
                "--app",
                "demo",
                "--with-tokens",
                "--force",
            ]
            .map(str::to_owned)
        };
        let go = async |arguments: [String; 9]| {
            let output = run(&world, &arguments.each_ref().map(String::as_str)).await;
            assert!(output.status.success(), "{}", said(&output));
        };
        go(export(&first, "data")).await;
        std::fs::remove_dir_all(world.directory.path().join("data")).expect("another store");
        for _twice in 0..2 {
            let output = run(
                &world,
                &["devices", "import", &first, "--offline", "--json"],
            )
            .await;
            assert!(output.status.success(), "{}", said(&output));
            assert_eq!(report(&output)["registered"], json!(5_000));
        }
        go(export(&second, "data")).await;
        assert!(read(&world, &first) == read(&world, &second), "{format}");
    }
    let mode = std::fs::metadata(world.directory.path().join("first.csv")).expect("a file");
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&mode.permissions()) & 0o777,
        0o600
    );
    crate::outside::store_is_sound(&world).await;
    // What was imported is what the gateway serves.
    world.start().await;
    let output = online(&world, &["devices", "list", "--user", "user/1 ä", "--json"]).await;
    assert_eq!(said(&output).lines().count(), 2, "{}", said(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_decides_who_has_an_address_and_the_registry_what_is_newer() {
    let mut world = World::embedded().await;
    assert!(world.drain().await);
    write(
        &world,
        "moves.csv",
        "user_id,channel,token,device_key,last_seen_at\nada,fcm,t1,,2026-01-01T00:00:00Z\nbob,fcm,t1,,2026-01-02T00:00:00Z\n\
         eve,fcm,t2,k,2026-01-01T00:00:00Z\neve,fcm,t3,k,2026-01-03T00:00:00Z\neve,fcm,t4,k,2026-01-02T00:00:00Z\n",
    );
    let output = run(
        &world,
        &["devices", "import", "moves.csv", "--offline", "--json"],
    )
    .await;
    let told = report(&output);
    assert_eq!(
        (&told["registered"], &told["newer"]),
        (&json!(4), &json!(1)),
        "{}",
        said(&output)
    );
    let export = [
        "devices",
        "export",
        "out.ndjson",
        "--data-dir",
        "data",
        "--app",
        "demo",
        "--with-tokens",
    ];
    assert!(run(&world, &export).await.status.success());
    let text = read(&world, "out.ndjson");
    let mut kept: Vec<(String, String)> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"))
        .map(|row| {
            (
                crate::harness::text(&row["user_id"]),
                crate::harness::text(&row["token"]),
            )
        })
        .collect();
    kept.sort();
    let expected =
        [("bob", "t1"), ("eve", "t3")].map(|(user, token)| (user.to_owned(), token.to_owned()));
    assert_eq!(kept, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_was_cut_off_goes_on() {
    let world = World::embedded().await;
    write(&world, "devices.csv", &table(ROWS));
    let config = world.directory.path().join("fanfare.toml");
    assert!(config.exists());
    let began = interrupted(&world).await;
    let progress: Value =
        serde_json::from_str(&read(&world, "devices.csv.progress")).expect("JSON");
    assert!(
        progress["lines"].as_u64().is_some_and(|lines| lines > 0),
        "{began}: {progress}"
    );
    let output = online(&world, &["devices", "import", "devices.csv", "--json"]).await;
    assert!(output.status.success(), "{}", said(&output));
    let lines = progress["lines"].as_u64().expect("a number");
    assert_eq!(
        report(&output)["registered"],
        json!(u64::from(ROWS) + 1 - lines),
        "it goes on there"
    );
    let export = [
        "devices",
        "export",
        "out.csv",
        "--data-dir",
        "data",
        "--app",
        "demo",
        "--json",
    ];
    assert_eq!(report(&run(&world, &export).await)["devices"], json!(ROWS));
}

/// Four batches.
const ROWS: u32 = 12_500;

fn table(count: u32) -> String {
    let rows: String = (0..count)
        .map(|n| format!("user-{n},fcm,{}\n", fcm_token(n)))
        .collect();
    format!("user_id,channel,token\n{rows}")
}

/// Starts an import and ends it once it has noted how far it came.
async fn interrupted(world: &World) -> String {
    let path = world.directory.path();
    let arguments = [
        "devices",
        "import",
        "devices.csv",
        "--url",
        world.url(),
        "--key-file",
        "api.key",
    ];
    let mut importing = crate::process::Serving::spawn(path, &arguments, &[]);
    let noted = path.join("devices.csv.progress");
    crate::harness::eventually(|| async { is_whole(&noted).then_some(()) }).await;
    importing.signal("INT").await;
    let status = importing.ended().await;
    assert_eq!(status.code(), Some(1));
    crate::process::log_of(path)
}

fn is_whole(path: &Path) -> bool {
    std::fs::read(path).is_ok_and(|text| serde_json::from_slice::<Value>(&text).is_ok())
}
