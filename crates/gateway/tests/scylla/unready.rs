//! A gateway whose database is not there, not ready for it, or goes away.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::harness::{World, eventually, json_of};
use crate::keyspaces::Loan;
use crate::process::{Serving, fanfare, log_of};
use crate::store::Place;

fn keyspace(world: &World) -> &Loan {
    match &world.place {
        Place::Scylla(loan) => loan,
        Place::Embedded => panic!("a world on a cluster"),
    }
}

/// The world's configuration with something else in it, listening where it says.
fn edited(world: &World, name: &str, edit: impl Fn(String) -> String) -> (PathBuf, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let address = listener.local_addr().expect("an address");
    let text = std::fs::read_to_string(&world.sandbox.config).expect("a configuration");
    let text = text.replacen(
        "listen = \"127.0.0.1:0\"",
        &format!("listen = \"{address}\""),
        1,
    );
    assert!(text.contains(&address.to_string()), "{text}");
    let path = world.directory.path().join(name);
    std::fs::write(&path, edit(text)).expect("a file");
    (path, address)
}

async fn ask(at: SocketAddr, path: &str) -> Option<(StatusCode, bool, Value)> {
    let response = reqwest::get(format!("http://{at}{path}")).await.ok()?;
    let (status, retry) = (
        response.status(),
        response.headers().contains_key("retry-after"),
    );
    Some((status, retry, json_of(response).await))
}

#[tokio::test(flavor = "multi_thread")]
async fn it_waits_for_its_database_says_so_and_serves_when_it_comes() {
    let mut world = World::new().await;
    assert!(world.drain().await);
    let proxy = fanfare_testbed::shared().proxy().expect("a proxy");
    let nodes = keyspace(&world).nodes[0].to_string();
    let by_proxy = proxy.addresses()[0].to_string();
    proxy.cut();
    let (config, at) = edited(&world, "away.toml", |text| text.replace(&nodes, &by_proxy));
    let config = config.to_str().expect("UTF-8");
    let mut serving = Serving::spawn(world.directory.path(), &["serve", "--config", config], &[]);
    let (status, _, body) = eventually(|| ask(at, "/readyz")).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        body,
        json!({"ready": false, "reasons": ["store_unavailable"]})
    );
    let (status, _, _) = ask(at, "/healthz").await.expect("an answer");
    assert_eq!(status, StatusCode::OK);
    let (status, retry_after, body) = ask(at, "/v1/devices").await.expect("an answer");
    assert_eq!(
        (status, retry_after),
        (StatusCode::SERVICE_UNAVAILABLE, true)
    );
    assert_eq!(body["code"], "store_unavailable");
    eventually(|| async {
        log_of(world.directory.path())
            .contains("cannot be used yet")
            .then_some(())
    })
    .await;
    proxy.heal();
    eventually(|| async {
        let (status, _, _) = ask(at, "/readyz").await?;
        (status == StatusCode::OK).then_some(())
    })
    .await;
    world.follow(format!("http://{at}"));
    world
        .register("ada", "ios_push", &crate::harness::apns_token(1))
        .await;
    let id = world.send_to(&["ada"]).await;
    assert_eq!(world.ended(&id).await["delivered"], 1);
    serving.signal("TERM").await;
    assert!(serving.ended().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn it_can_be_ended_while_it_waits() {
    let mut world = World::new().await;
    assert!(world.drain().await);
    let nobody = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let nobody = nobody.local_addr().expect("an address").to_string();
    let nodes = keyspace(&world).nodes[0].to_string();
    let (config, at) = edited(&world, "nobody.toml", |text| text.replace(&nodes, &nobody));
    let config = config.to_str().expect("UTF-8");
    let mut serving = Serving::spawn(world.directory.path(), &["serve", "--config", config], &[]);
    eventually(|| ask(at, "/readyz")).await;
    serving.signal("TERM").await;
    assert!(serving.ended().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_tables_it_refuses_and_says_the_command_that_makes_them() {
    let mut world = World::new().await;
    assert!(world.drain().await);
    let own = keyspace(&world).keyspace.clone();
    let other = format!("{own}_other");
    let (config, _) = edited(&world, "other.toml", |text| text.replace(&own, &other));
    let config = config.to_str().expect("UTF-8");
    let directory = world.directory.path();
    let run = |arguments: &'static [&'static str]| async move {
        let mut all = arguments.to_vec();
        all.extend(["--config", config]);
        let output = fanfare(directory, &all).await;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (
            output.status.code(),
            text(&output.stdout),
            text(&output.stderr),
        )
    };
    let (code, _, error) = run(&["serve"]).await;
    assert_eq!(code, Some(1), "{error}");
    assert!(
        error.contains("run `fanfare schema apply`") && error.contains(&other),
        "{error}"
    );
    let (code, _, error) = run(&["schema", "check"]).await;
    assert_eq!(code, Some(1), "{error}");
    let (code, said, error) = run(&["schema", "apply"]).await;
    assert_eq!(code, Some(0), "{error}");
    assert!(said.contains("has its tables"), "{said}");
    let (code, said, error) = run(&["schema", "apply", "--json"]).await;
    assert_eq!(code, Some(0), "{error}");
    let said: Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!(
        (&said["ok"], &said["found"]),
        (&json!(true), &said["needed"])
    );
    let (code, said, error) = run(&["schema", "check", "--json"]).await;
    assert_eq!(
        (code, said.contains("\"ok\":true")),
        (Some(0), true),
        "{said}{error}"
    );
    for command in [
        ["store", "check"],
        ["store", "backup"],
        ["devices", "export"],
    ] {
        let mut all = command.to_vec();
        match command[1] {
            "backup" => all.extend(["--to", "copy.db"]),
            "export" => all.push("all.ndjson"),
            _ => {}
        }
        all.extend(["--config", config]);
        let output = fanfare(directory, &all).await;
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            !output.status.success() && error.contains("nodetool"),
            "{error}"
        );
    }
}
