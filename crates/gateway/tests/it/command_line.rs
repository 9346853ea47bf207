//! The commands, as people and scripts run them.

use std::path::Path;

use serde_json::Value;

use crate::harness::{World, apns_token};
use crate::process::{Serving, fanfare, log_of};

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_with_five_faults_names_them_all_and_starts_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let faulty = "listen = \"nowhere\"\nlisten_on = 1\n[limits]\nttl_max = \"soon\"\n[[apps]]\nid = \"A\"\n[apps.apns]\nkey_file = \"gone.p8\"\nkey_id = \"K\"\nteam_id = \"T\"\ntopic = \"t\"\n";
    std::fs::write(directory.path().join("fanfare.toml"), faulty).expect("written");
    for command in ["check", "serve"] {
        let output = fanfare(directory.path(), &[command]).await;
        assert_eq!(output.status.code(), Some(2), "{command}");
        let said = text(&output.stderr);
        for fault in [
            "line 1: listen",
            "line 2: listen_on",
            "line 4: limits.ttl_max",
            "apps[0].id",
            "gone.p8",
        ] {
            assert!(said.contains(fault), "{fault} in {said}");
        }
    }
    let json = fanfare(directory.path(), &["check", "--json"]).await;
    let json: Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!(json["faults"].as_array().map(Vec::len), Some(5), "{json}");
    assert!(
        !directory.path().join("fanfare-data").exists(),
        "nothing half-started"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_in_use_and_a_missing_file_are_said() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let listen = taken.local_addr().expect("its address").to_string();
    let directory = tempfile::tempdir().expect("a directory");
    write_minimal(directory.path(), &listen);
    let output = fanfare(directory.path(), &["serve"]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains(&listen),
        "{}",
        text(&output.stderr)
    );
    let missing = fanfare(directory.path(), &["serve", "--config", "elsewhere.toml"]).await;
    assert_eq!(missing.status.code(), Some(2));
    assert!(text(&missing.stderr).contains("elsewhere.toml"));
}

fn write_minimal(directory: &Path, listen: &str) {
    let minimal = format!("listen = \"{listen}\"\n[[apps]]\nid = \"shop\"\n");
    std::fs::write(directory.join("fanfare.toml"), minimal).expect("written");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_store_is_reported_and_left_as_it_is() {
    let directory = tempfile::tempdir().expect("a directory");
    write_minimal(directory.path(), "127.0.0.1:0");
    let data = directory.path().join("fanfare-data");
    std::fs::create_dir(&data).expect("a directory");
    let path = data.join(fanfare_gateway::storage::STORE_FILE);
    let damaged = b"this is no database, whatever its name says".repeat(100);
    std::fs::write(&path, &damaged).expect("written");
    let output = fanfare(directory.path(), &["serve"]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("damaged"),
        "{}",
        text(&output.stderr)
    );
    assert_eq!(std::fs::read(&path).expect("still there"), damaged);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_new_prints_a_key_and_the_block_that_admits_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let output = fanfare(
        directory.path(),
        &["keys", "new", "--app", "shop", "--name", "backend"],
    )
    .await;
    let printed = text(&output.stdout);
    let (key, block) = printed.split_once('\n').expect("two parts");
    assert!(
        key.starts_with("ffk_shop_") && key.len() == "ffk_shop_".len() + 40,
        "{key}"
    );
    let config = format!("listen = \"127.0.0.1:0\"\n[[apps]]\nid = \"shop\"\n{block}");
    std::fs::write(directory.path().join("fanfare.toml"), config).expect("written");
    let mut serving = Serving::start(directory.path(), &["serve"], &[]).await;
    let url = format!("{}/v1/users/ada/devices", serving.url());
    let answer = reqwest::Client::new()
        .get(url)
        .bearer_auth(key)
        .send()
        .await
        .expect("an answer");
    assert_eq!(answer.status(), 200);
    serving.signal("TERM").await;
    assert!(serving.ended().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn jwt_mint_and_send_work_against_a_running_gateway() {
    let world = World::new().await;
    let directory = world.directory.path();
    let minted = fanfare(
        directory,
        &[
            "jwt",
            "mint",
            "--secret-file",
            "jwt.secret",
            "--user",
            "ada",
        ],
    )
    .await;
    let jwt = text(&minted.stdout);
    let url = format!("http://{}", world.app.as_ref().expect("running").api);
    let body = serde_json::json!({ "channel": "ios_push", "token": apns_token(1) });
    let register = reqwest::Client::new()
        .post(format!("{url}/v1/devices"))
        .bearer_auth(jwt.trim())
        .json(&body);
    assert_eq!(register.send().await.expect("an answer").status(), 201);
    let key = world.sandbox.api_key.expose().clone();
    let arguments = [
        "send", "--url", &url, "--key", &key, "--user", "ada", "--title", "hi", "--wait", "10",
        "--json",
    ];
    let sent = fanfare(directory, &arguments).await;
    let answer: Value =
        serde_json::from_slice(&sent.stdout).unwrap_or_else(|_| panic!("{}", text(&sent.stderr)));
    assert_eq!(answer["counts"]["delivered"], 1);
    let refused = fanfare(
        directory,
        &["send", "--url", &url, "--key", &key, "--user", "ada"],
    )
    .await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        text(&refused.stderr).contains("message"),
        "{}",
        text(&refused.stderr)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lines_that_dev_prints_work_as_printed() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut dev = Serving::start(directory.path(), &["dev", "--listen", "127.0.0.1:0"], &[]).await;
    let mut printed = dev.first_line.clone();
    while let Some(line) = dev.lines.next_line().await.expect("UTF-8") {
        printed.push('\n');
        printed.push_str(&line);
        if line.contains("Ctrl-C") {
            break;
        }
    }
    let printed = printed.replace("\\\n", " ");
    let mut id = String::new();
    let mut answers = Vec::new();
    for line in printed
        .lines()
        .map(str::trim)
        .filter(|line| line.starts_with("curl "))
    {
        let line = line.replace("/ID", &format!("/{id}"));
        let output = tokio::process::Command::new("sh")
            .args(["-c", &line])
            .output()
            .await
            .expect("curl");
        let answer: Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{line}: {output:?}"));
        if let Some(new) = answer["id"].as_str() {
            new.clone_into(&mut id);
        }
        answers.push(answer);
    }
    assert_eq!(answers.len(), 5, "{printed}");
    assert!(answers[0]["device"]["id"].is_string(), "{}", answers[0]);
    assert_eq!(answers[1]["recipients"], 1, "{}", answers[1]);
    assert_eq!(answers[2]["recipients"], 1, "{}", answers[2]);
    let mut campaign = printed.lines().map(str::trim);
    let line = campaign.rfind(|line| line.starts_with("fanfare campaign create "));
    let line = line.expect("a campaign to paste");
    let line = line.replacen("fanfare", env!("CARGO_BIN_EXE_fanfare"), 1);
    let output = tokio::process::Command::new("sh")
        .args(["-c", &line])
        .output()
        .await;
    let output = output.expect("a shell");
    let said = text(&output.stdout);
    assert!(
        output.status.success() && said.contains("completed: 1 of 1"),
        "{line}: {output:?}"
    );
    dev.signal("INT").await;
    assert!(dev.ended().await.success(), "{}", log_of(directory.path()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_demo_ends_with_books_that_agree() {
    let directory = tempfile::tempdir().expect("a directory");
    let output = fanfare(directory.path(), &["demo", "--users", "100", "--json"]).await;
    assert!(
        output.status.success(),
        "{}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["disagreements"].as_array().map(Vec::len), Some(0));
    assert_eq!(report["cleaned"], report["dead"]);
    let campaign = &report["campaign"];
    assert_eq!(
        campaign["outcomes"]["delivered"], campaign["total"],
        "{report}"
    );
    assert!(
        campaign["total"].as_u64().is_some_and(|total| total >= 100),
        "{report}"
    );
    assert!(
        report["retried"]
            .as_u64()
            .is_some_and(|retried| retried >= 1),
        "{report}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_most_verbose_log_holds_no_secret() {
    let mut world = World::new().await;
    world.register("ada", "ios_push", &apns_token(0xabc)).await;
    assert!(world.drain().await);
    let config = world.sandbox.config.to_str().expect("UTF-8").to_owned();
    let directory = world.directory.path();
    let environment = [("FANFARE_LOG__LEVEL", "trace")];
    let mut serving =
        Serving::start(directory, &["serve", "--config", &config], &environment).await;
    let key = world.sandbox.api_key.expose().clone();
    let url = serving.url();
    let arguments = [
        "send",
        "--url",
        &url,
        "--key",
        &key,
        "--user",
        "ada",
        "--title",
        "a-private-title",
        "--wait",
        "10",
    ];
    let sent = fanfare(directory, &arguments).await;
    assert!(sent.status.success());
    serving.signal("TERM").await;
    serving.ended().await;
    let log = log_of(directory);
    let jwt_secret = world.sandbox.jwt_secret.expose().clone();
    for secret in [
        apns_token(0xabc),
        key,
        jwt_secret,
        "a-private-title".to_owned(),
        "eyJ".to_owned(),
    ] {
        assert!(
            !log.contains(&secret),
            "the log holds a secret of {} characters",
            secret.len()
        );
    }
    assert!(log.contains("serving"), "{log}");
}
