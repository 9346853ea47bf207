//! One campaign on two nodes.

use super::super::fleet::{kill, pair};
use super::*;

/// Enough that each of the shards has some.
const CROWD: usize = 400;

/// How often each token was sent to, by either.
fn sendings(rigs: [&Rig; 2]) -> BTreeMap<String, usize> {
    let mut all = BTreeMap::new();
    for (token, times) in rigs.iter().flat_map(|rig| rig.sendings()) {
        *all.entry(token).or_default() += times;
    }
    all
}

fn everybody_once(rigs: [&Rig; 2]) {
    let sendings = sendings(rigs);
    assert!(sendings.values().all(|times| *times == 1), "{sendings:?}");
    assert_eq!(sendings.len(), CROWD);
}

async fn both_hold_some(one: &Rig, other: &Rig) {
    let hold = async || one.fake.held() > 0 && other.fake.held() > 0;
    eventually("both are about to hand some over", hold).await;
}

#[tokio::test]
async fn each_sends_its_part_and_either_says_how_it_stands() {
    let (_, one, other) = pair(false).await;
    one.many(&app(), "u", CROWD).await;
    let id = one.started(campaign(&app())).await;
    for rig in [&one, &other] {
        assert_eq!(rig.completed(id).await.counts.delivered, CROWD as u64);
    }
    everybody_once([&one, &other]);
    let parts = [&one, &other].map(|rig| rig.sendings().len());
    assert!(parts.iter().all(|part| *part > CROWD / 4), "{parts:?}");
}

#[tokio::test]
async fn what_a_killed_node_had_of_it_is_sent_by_the_other() {
    let (_, one, other) = pair(true).await;
    one.many(&app(), "u", CROWD).await;
    let id = one.started(campaign(&app())).await;
    both_hold_some(&one, &other).await;
    other.fake.release();
    kill(&one).await;
    assert_eq!(other.completed(id).await.counts.delivered, CROWD as u64);
    other.everybody_once(CROWD);
}

#[tokio::test]
async fn it_is_paused_on_both_by_either() {
    let (_, one, other) = pair(true).await;
    one.many(&app(), "u", CROWD).await;
    let id = one.started(campaign(&app())).await;
    both_hold_some(&one, &other).await;
    let paused = other.steer(id, Command::Pause).await.unwrap();
    assert_eq!(paused.standing.state, CampaignState::Paused);
    one.fake.release();
    other.fake.release();
    assert_eq!(sendings([&one, &other]).len(), 0);
    one.steer(id, Command::Resume).await.unwrap();
    other.completed(id).await;
    everybody_once([&one, &other]);
}

#[tokio::test]
async fn what_both_had_ends_when_it_is_cancelled() {
    let (_, one, other) = pair(true).await;
    one.many(&app(), "u", CROWD).await;
    let id = one.started(campaign(&app())).await;
    both_hold_some(&one, &other).await;
    other.steer(id, Command::Cancel).await.unwrap();
    one.fake.release();
    other.fake.release();
    for rig in [&one, &other] {
        rig.ended(&app(), id, CampaignState::Cancelled).await;
    }
    assert_eq!(sendings([&one, &other]).len(), 0);
}

#[tokio::test]
async fn a_drained_node_leaves_its_part_to_the_other() {
    let (_, one, other) = pair(true).await;
    one.many(&app(), "u", CROWD).await;
    let id = one.started(campaign(&app())).await;
    both_hold_some(&one, &other).await;
    one.fake.hand_over_some(10);
    let drained = one.system.drain(Duration::from_secs(5)).await;
    assert!(drained.in_time, "{drained:?}");
    other.fake.release();
    assert_eq!(other.completed(id).await.counts.delivered, CROWD as u64);
    everybody_once([&one, &other]);
}
