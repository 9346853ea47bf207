//! Making the tables, from several nodes at once too.

use fanfare_store::Error;
use fanfare_store::scylla::{Scylla, schema};
use futures_util::future::join_all;

use crate::keyspaces::{self, Raw};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_nodes_that_make_the_tables_at_once_make_them_once() {
    let raw = Raw::new("fanfare_test_schema").await;
    let applied = join_all((0..4).map(|_| schema::apply(raw.config()))).await;
    let before: Vec<u32> = applied
        .into_iter()
        .map(|before| before.expect("the tables are made"))
        .collect();
    assert_eq!(
        before.iter().filter(|before| **before == 0).count(),
        1,
        "{before:?}"
    );
    assert_eq!(before.iter().max(), Some(&schema::VERSION));
    assert_eq!(schema::apply(raw.config()).await, Ok(schema::VERSION));
    assert_eq!(schema::check(raw.config()).await, Ok(schema::VERSION));
    let opened = Scylla::open(raw.config()).await;
    opened.expect("every statement is known to the server");
    // A row of a process that is gone.
    raw.run("INSERT INTO schema_version (part, turn) VALUES (1, 7) USING TTL 2")
        .await;
    assert_eq!(schema::apply(raw.config()).await, Ok(schema::VERSION));
    raw.drop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_version_is_refused_and_left_alone() {
    let raw = Raw::new("fanfare_test_versions").await;
    let none = Error::OlderSchema {
        found: 0,
        known: schema::VERSION,
    };
    assert_eq!(schema::check(raw.config()).await, Ok(0));
    assert_eq!(Scylla::open(raw.config()).await.err(), Some(none.clone()));
    raw.make().await;
    assert_eq!(schema::check(raw.config()).await, Ok(0));
    assert_eq!(Scylla::open(raw.config()).await.err(), Some(none));
    let create = "CREATE TABLE schema_version (part int PRIMARY KEY, version int, turn bigint)";
    raw.run(create).await;
    raw.run("INSERT INTO schema_version (part, version) VALUES (0, 99)")
        .await;
    let newer = Error::NewerSchema {
        found: 99,
        known: schema::VERSION,
    };
    assert_eq!(schema::apply(raw.config()).await, Err(newer.clone()));
    assert_eq!(Scylla::open(raw.config()).await.err(), Some(newer));
    assert_eq!(schema::check(raw.config()).await, Ok(99));
    raw.drop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_there_is_unavailable() {
    let raw = keyspaces::config(vec!["127.0.0.1:1".to_owned()], "fanfare");
    assert!(matches!(
        schema::check(&raw).await,
        Err(Error::Unavailable(_))
    ));
    assert!(matches!(
        Scylla::open(&raw).await,
        Err(Error::Unavailable(_))
    ));
}
