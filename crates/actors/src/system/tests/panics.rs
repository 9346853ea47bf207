//! Every actor made to panic, at every message, event of supervision, start and task: nothing accepted is lost.
//!
//! Each case has a tree of its own, with its real pools and connections, and a store and a provider simulator over
//! real sockets. It panics at the first, second and a later pass of its point while users register, move and leave
//! and notifications are sent, cancelled and scheduled.

mod cases;
mod stage;
mod traffic;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use fanfare_simulator::Simulator;

use crate::failpoint::plan;
use crate::pools::tests::material;
use cases::{Case, Kind};
use stage::Stage;

/// Far longer than any case takes.
const CASE_MAX: Duration = Duration::from_secs(60);

/// Runs every case of these actors.
async fn survive(actors: &[&str]) {
    let mut config = material().config();
    config.dead_prefix = Some("dead".to_owned());
    let simulator = Simulator::start(config).await.unwrap();
    for case in cases::all() {
        if actors.contains(&case.point.0) {
            let (actor, point) = case.point;
            let run = Box::pin(run(&simulator, &case));
            let over = tokio::time::timeout(CASE_MAX, run).await;
            assert!(over.is_ok(), "{actor}/{point} does not come to an end");
        }
    }
    simulator.shutdown().await;
}

async fn run(simulator: &Simulator, case: &Case) {
    let stage = Stage::new(
        simulator,
        case.kind == Kind::Sweeping,
        case.point.0 == "fleet",
    )
    .await;
    let (actor, point) = case.point;
    eprintln!("{actor}/{point}");
    let stage = match case.kind {
        Kind::Traffic => {
            stage.traffic(case).await;
            stage
        }
        Kind::Reloading => {
            stage.reloading(case).await;
            stage
        }
        Kind::Sweeping => {
            stage.sweeping(case).await;
            stage
        }
        Kind::Draining => stage.draining(case).await,
        Kind::Fatal => stage.fatal(case).await,
    };
    plan::arm(&[]);
    stage.all_is_well().await;
    assert!(stage.drain().await, "{actor}/{point}: drains at the end");
}

#[tokio::test]
async fn a_panic_in_the_registry_and_its_users_loses_nothing() {
    survive(&["registry", "users", "user"]).await;
}

#[tokio::test]
async fn a_panic_on_the_way_to_the_pools_loses_nothing() {
    survive(&["dispatcher", "feeder"]).await;
}

#[tokio::test]
async fn a_panic_in_a_pool_or_connection_loses_nothing() {
    survive(&["pools", "pool", "connection"]).await;
}

#[tokio::test]
async fn a_panic_behind_the_pools_loses_nothing() {
    survive(&["outcomes", "reaper", "sweeper", "root"]).await;
}

#[tokio::test]
async fn a_panic_in_a_campaign_loses_nothing() {
    survive(&["campaign"]).await;
}

#[tokio::test]
async fn a_panic_in_the_supervisor_of_campaigns_loses_nothing() {
    survive(&["campaigns"]).await;
}

#[tokio::test]
async fn a_panic_among_several_nodes_loses_nothing() {
    survive(&["fleet"]).await;
}

/// The tests above leave nobody out.
#[test]
fn every_actor_has_its_cases() {
    let tested = [
        "registry",
        "users",
        "user",
        "dispatcher",
        "feeder",
        "pools",
        "pool",
        "connection",
        "outcomes",
        "reaper",
        "sweeper",
        "root",
        "campaigns",
        "campaign",
        "fleet",
    ];
    let of_cases: BTreeSet<_> = cases::all().into_iter().map(|case| case.point.0).collect();
    assert_eq!(of_cases, BTreeSet::from(tested));
}

/// Every point that the source passes has a case, and every actor passes all it should.
#[test]
fn every_point_of_the_source_has_a_case() {
    let cases: BTreeSet<_> = cases::all().into_iter().map(|case| case.point).collect();
    let mut sources = Vec::new();
    read(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut sources,
    );
    let mut found = 0;
    for (path, text) in &sources {
        let count = |what: &str| text.matches(what).count();
        let actors = count("\nimpl Actor for ");
        for what in [
            "handling!(&",
            "\"pre_start\");",
            "async fn handle_supervisor_evt(",
        ] {
            assert_eq!(count(what), actors, "{path}: {what} for each actor");
        }
        assert_eq!(count("failpoints!(\""), actors, "{path}");
        let named: BTreeSet<_> = named(text).into_iter().collect();
        for point in named {
            assert!(
                cases.iter().any(|(actor, name)| (*actor, *name) == point),
                "{path}: {point:?} has no case"
            );
            found += 1;
        }
    }
    let messages: usize = cases::messages().len();
    assert_eq!(
        cases.len(),
        messages + found,
        "a case of a point that is nowhere"
    );
}

/// Pairs of words in brackets whose first is an actor's name: failpoints, and names of tasks.
fn named(text: &str) -> Vec<(&str, &str)> {
    let mut named = Vec::new();
    for part in text.split("(\"").skip(1) {
        let mut words = part.splitn(4, '"');
        let (actor, between, point, end) = (words.next(), words.next(), words.next(), words.next());
        if let (Some(actor), Some(", "), Some(point), Some(end)) = (actor, between, point, end)
            && end.starts_with(')')
            && cases::messages().iter().any(|(known, _)| *known == actor)
        {
            named.push((actor, point));
        }
    }
    named
}

fn read(directory: &Path, found: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && name != "tests" {
            read(&path, found);
        } else if name.ends_with(".rs") && !["tests.rs", "failpoint.rs"].contains(&name) {
            let text = std::fs::read_to_string(&path).unwrap();
            found.push((path.display().to_string(), text));
        }
    }
}
