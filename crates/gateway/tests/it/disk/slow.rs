//! An fsync that takes its time.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::StatusCode;

use super::{Rig, refused_notification};
use crate::harness::eventually;

/// Callers at once, each asking again as soon as it has its answer.
const CALLERS: usize = 100;

/// Peak resident memory the gateway may have, as built for tests.
const PEAK_KIB_MAX: u64 = 300 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_disk_takes_many_writes_with_one_fsync() {
    let rig = Rig::new("").await;
    rig.disk.slow_fsync(Duration::from_millis(500));
    let (started, fsyncs) = (Instant::now(), rig.disk.fsyncs());
    let callers = (0..CALLERS).map(|caller| {
        let rig = &rig;
        async move {
            let mut ids = Vec::new();
            for number in 0..3 {
                ids.push(rig.accepted(&format!("{caller}/{number}")).await);
            }
            ids
        }
    });
    let accepted: Vec<String> = join_all(callers).await.into_iter().flatten().collect();
    let (took, fsyncs) = (started.elapsed(), rig.disk.fsyncs() - fsyncs);
    println!(
        "{} accepted by {CALLERS} callers in {took:?} with {fsyncs} fsyncs of 500 ms",
        accepted.len()
    );
    assert!(fsyncs < 60, "{fsyncs} fsyncs for {} calls", accepted.len());
    assert!(rig.unready().await.is_empty(), "slow, and ready");
    rig.disk.heal();
    rig.is_well(&accepted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_do_not_wait_for_a_disk_that_hangs() {
    let rig = Rig::new("[limits]\ncall_timeout = \"500ms\"\n").await;
    rig.disk.slow_fsync(Duration::from_secs(4));
    let calls = (0..CALLERS).map(|number| {
        let client = rig.client();
        async move { refused_notification(client, &format!("late-{number}")).await }
    });
    let started = Instant::now();
    let codes = join_all(calls).await;
    assert!(codes.iter().all(|code| code == "timeout"), "{codes:?}");
    assert!(started.elapsed() < Duration::from_secs(4), "told in time");
    assert_eq!(rig.unready().await, ["store_timeout"]);
    let list = rig.client().get("/v1/users/ada/devices").await;
    assert!(
        list.is_some_and(|(status, _)| status == StatusCode::OK),
        "reads go on"
    );
    rig.disk.heal();
    // They may have been accepted all the same; the key tells.
    let mut accepted = Vec::new();
    for number in 0..CALLERS {
        let key = format!("late-{number}");
        accepted.push(
            eventually(|| async {
                let (status, answer) = rig.notify(&key).await?;
                (status == StatusCode::ACCEPTED)
                    .then(|| answer["id"].as_str().map(str::to_owned))?
            })
            .await,
        );
    }
    rig.is_well(&accepted).await;
    let peak = rig.outside.serving.peak_kib();
    println!("peak resident memory {} MiB", peak / 1024);
    assert!(peak < PEAK_KIB_MAX, "{peak} KiB");
}
