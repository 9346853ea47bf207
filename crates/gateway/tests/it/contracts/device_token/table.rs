//! The table: real DataTables in jsdom, and what no table sends.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::process::Command;

use super::{Person, ROOT, jwt};
use crate::harness::{World, fcm_token, json_of, text};

/// Longest wait for npm, which may have to fetch packages.
const INSTALLING_MAX: Duration = Duration::from_secs(120);

/// Longest walk of the client through its tables.
const WALKING_MAX: Duration = Duration::from_secs(60);

const ROWS: u32 = 25;

/// Registers what the tables show: 25 devices of the tenant (three with a needle in their id), in the order of their
/// ids, and one of another tenant.
async fn filled(world: &World) -> Vec<Value> {
    for n in 0..ROWS {
        let name = if n % 10 == 4 { "needle" } else { "install" };
        let person = Person::new(world, &format!("user-{}", n % 5), Some("acme"));
        let platform = u8::try_from(n % 3 + 1).expect("a platform");
        person
            .register(&format!("{name}-{n:02}"), platform, &fcm_token(n))
            .await;
    }
    let stranger = Person::new(world, "stranger", Some("umbrella"));
    stranger.register("needle-99", 3, &fcm_token(99)).await;
    let all = Person::new(world, "root", Some("acme"))
        .table(json!({"length": -1}))
        .await;
    all["data"].as_array().expect("rows").clone()
}

/// The ids of the installs, as the table's cells have them.
fn installs<'r>(rows: impl IntoIterator<Item = &'r Value>) -> Vec<String> {
    rows.into_iter().map(|row| text(&row["deviceId"])).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn datatables_page_order_and_search() {
    let world = World::new().await;
    let (rows, client) = tokio::join!(filled(&world), client());
    assert_eq!(rows.len(), ROWS as usize);
    let mut by_name = installs(&rows);
    by_name.sort();
    let mut falling = by_name.clone();
    falling.reverse();
    let only = |keep: fn(&Value) -> bool| {
        let mut found = installs(rows.iter().filter(|row| keep(row)));
        found.sort();
        found
    };
    let [web, ios, android] = ["Web", "Ios", "Android"].map(|name| {
        let of_platform = rows.iter().filter(|row| row["platformName"] == name);
        let mut found = installs(of_platform);
        found.sort();
        found
    });
    let needles = only(|row| {
        row["deviceId"]
            .as_str()
            .is_some_and(|id| id.contains("needle"))
    });
    let falling_of = |found: &[String]| found.iter().rev().take(10).cloned().collect::<Vec<_>>();
    let by_platform: Vec<_> = [&web[..], &ios, &android]
        .concat()
        .into_iter()
        .take(10)
        .collect();
    // Step, rows that match, cells. A table without rows has one cell that says so.
    let expected = [
        ("first", 25, installs(&rows[..10])),
        ("next", 25, installs(&rows[10..20])),
        ("descending", 25, falling[..10].to_vec()),
        ("search", 3, falling_of(&needles)),
        ("nothing", 0, vec![String::new()]),
        ("column", web.len(), falling_of(&web)),
        ("both", 25, by_platform),
        ("all", 25, by_name),
    ];
    let walks = walk(&client, world.url(), &jwt(&world, "root", Some("acme"))).await;
    let walks = walks.as_object().expect("walks");
    assert_eq!(walks.len(), 6, "two versions, each in three ways");
    for (name, walk) in walks {
        for (draw, (step, filtered, cells)) in (1..).zip(&expected) {
            let shown = &walk[*step];
            assert_eq!(shown["cells"], json!(cells), "{name}, {step}");
            assert_eq!(
                (&shown["recordsTotal"], &shown["recordsDisplay"]),
                (&json!(25), &json!(filtered))
            );
            if !name.ends_with("angular") {
                assert_eq!(shown["draw"], draw, "{name}, {step}");
            }
        }
    }
}

/// The client with its packages as its lock file names them, in a directory of the build.
async fn client() -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/contracts/datatables");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("datatables");
    std::fs::create_dir_all(&target).expect("a directory");
    for file in ["package.json", "package-lock.json", "client.js"] {
        std::fs::copy(source.join(file), target.join(file)).expect("the client");
    }
    let lock = std::fs::read(target.join("package-lock.json")).expect("the lock file");
    let installed = target.join("installed.lock");
    if std::fs::read(&installed).ok().as_ref() != Some(&lock) {
        let mut npm = Command::new("npm");
        npm.args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"])
            .current_dir(&target);
        run(npm, INSTALLING_MAX).await;
        std::fs::write(&installed, &lock).expect("a mark");
    }
    target
}

/// What the client says its tables show.
async fn walk(client: &Path, url: &str, jwt: &str) -> Value {
    let mut node = Command::new("node");
    node.arg("client.js").args([url, jwt]).current_dir(client);
    let printed = run(node, WALKING_MAX).await;
    serde_json::from_slice(&printed).expect("JSON")
}

/// What the command prints. One that is missing, fails or takes too long is a failure of the test.
async fn run(mut command: Command, longest: Duration) -> Vec<u8> {
    let name = command
        .as_std()
        .get_program()
        .to_string_lossy()
        .into_owned();
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(longest, command.output()).await;
    let output = output.unwrap_or_else(|_| panic!("{name} took longer than {longest:?}"));
    let output = output.unwrap_or_else(|error| {
        panic!("cannot run {name} ({error}): install Node.js 18 or newer with npm, or use scripts/test, which does")
    });
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} failed: {told}");
    output.stdout
}

#[tokio::test(flavor = "multi_thread")]
async fn searches_find_in_each_column_what_it_shows() {
    let world = World::new().await;
    let rows = filled(&world).await;
    let root = Person::new(&world, "root", Some("acme"));
    let found = async |column: &str, text: &str| {
        let column = json!({"data": column, "search": {"value": text, "regex": true}});
        let page = root.table(json!({"length": -1, "columns": [column]})).await;
        assert_eq!(page["recordsTotal"], ROWS);
        assert_eq!(
            page["data"].as_array().map(Vec::len),
            page["recordsFiltered"].as_u64().map(|n| n as usize)
        );
        page["recordsFiltered"].as_u64().expect("a count")
    };
    let day = &text(&rows[0]["createdOn"])[..10];
    for (column, text, count) in [
        ("id", rows[3]["id"].as_str().expect("an id"), 1),
        ("userId", "USER-1", 5),
        ("userId", "user", 25),
        ("deviceId", "needle", 3),
        ("platform", "2", 8),
        ("platformName", "droid", 9),
        ("isActive", "true", 25),
        ("isActive", "false", 0),
        ("displayOrder", "0", 25),
        ("createdOn", &day[..4], 25),
        ("lastSeenOn", "1999", 0),
        ("userId", "%", 0),
        ("userId", "user_1", 0),
        ("userId", "' OR 1=1 --", 0),
        ("deviceId", "install-0\\d", 0),
        ("deviceId", "\u{0}", 0),
    ] {
        assert_eq!(found(column, text).await, count, "{column}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_requests_do_no_harm() {
    let world = World::new().await;
    let rows = filled(&world).await;
    let root = Person::new(&world, "root", Some("acme"));
    let form = async |form: &str| {
        let request = world.request(reqwest::Method::POST, &format!("{ROOT}/GetDataTable"));
        let request = request.bearer_auth(&root.jwt).body(form.to_owned());
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let response = request.send().await.expect("an answer");
        (response.status(), json_of(response).await)
    };
    let injection = "columns[0][data]=userId;DROP TABLE devices&columns[1][data]=(SELECT token FROM devices)\
        &columns[2][data]=token&order[0][column]=0&order[1][column]=1&order[2][column]=2&order[2][dir]=desc";
    let (status, answer) = form(injection).await;
    assert_eq!(
        (status, &answer["recordsFiltered"]),
        (StatusCode::OK, &json!(ROWS))
    );
    for wrong in [
        "draw=<script>alert(1)</script>",
        "start=-1",
        "length=-2",
        "length=NaN",
        "start=99999999999999999999",
        "draw=1&draw=2",
        "order[0][column]=5&columns[0][data]=id",
        "order[0][column]=0&order[0][dir]=asc;--&columns[0][data]=id",
        "columns[2][data]=token&columns[2][search][value]=fcm",
        "columns[999999][data]=id",
        "search=x",
    ] {
        let (status, answer) = form(wrong).await;
        assert_eq!(
            (status, &answer["succeeded"]),
            (StatusCode::BAD_REQUEST, &json!(false)),
            "{wrong}"
        );
        assert!(!answer.to_string().contains("script"));
    }
    let (status, answer) = form("start=9007199254740991&length=9007199254740991").await;
    assert_eq!(
        (status, &answer["data"]),
        (StatusCode::OK, &json!([])),
        "behind the end"
    );
    let pages = (0..ROWS).step_by(7).map(async |start| {
        let (_, page) = form(&format!("start={start}&length=7")).await;
        installs(page["data"].as_array().expect("rows"))
    });
    let pages = futures_util::future::join_all(pages).await;
    assert_eq!(pages.concat(), installs(&rows), "pages have each row once");
}
