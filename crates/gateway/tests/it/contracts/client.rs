//! Reserva's client flow, by a client in JavaScript (Node.js) against the gateway.

use std::path::Path;
use std::process::Stdio;

use serde_json::json;
use tokio::process::Command;

use super::*;
use crate::harness::PATIENCE;

#[tokio::test(flavor = "multi_thread")]
async fn reservas_javascript_client_registers_lists_updates_takes_over_and_logs_out() {
    let world = World::new().await;
    let script =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/contracts/reserva_client.mjs");
    let credentials = json!({"ada": staff(&world, "ada"), "bob": staff(&world, "bob"),
        "customer": customer(&world, "cy")});
    let running = Command::new("node")
        .arg(script)
        .arg(world.url())
        .arg(credentials.to_string())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(PATIENCE, running)
        .await
        .expect("an end");
    let output = output.expect("Node.js 18 or newer as `node` (Debian: apt-get install nodejs)");
    let (out, errors) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{errors}");
    assert_eq!(out.trim(), "flow held");
}
