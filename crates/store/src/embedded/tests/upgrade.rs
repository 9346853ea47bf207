//! Files of older versions are brought up to this one with everything in them.

use std::path::Path;

use fanfare_types::{
    Address, AddressKind, Audience, Channel, Environment, NotificationId, Timestamp, UserId,
};
use rusqlite::Connection;

use super::super::schema::versions::{V1, V2};
use super::super::schema::{self, APPLICATION_ID};
use super::super::{Config, Embedded, check};
use crate::campaigns::{Campaigns, Created};
use crate::contract::campaigns::{draft, record};
use crate::contract::fixtures::app;
use crate::{Journal, Registry, Store};

/// A file as an older version made it, with these device rows: number, device key, when it was last seen.
fn file_of_version(version: usize, path: &Path, devices: &[(u8, Option<&str>, i64)]) {
    let db = Connection::open(path).unwrap();
    db.execute_batch(&format!(
        "{} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {version}; PRAGMA journal_mode = wal;",
        [V1, V2][..version].concat(),
    ))
    .unwrap();
    for (number, key, seen) in devices {
        let id = [&[0; 11][..], &[*number]].concat();
        let value = format!("aa{number:02x}");
        let address = Address::new(
            Channel::IosPush,
            AddressKind::RegistrationToken,
            Environment::Production,
            &value,
        );
        db.execute(
            "INSERT INTO devices (app, id, user, address_key, device_key, platform, channel, address_kind,
                environment, address, status, created_at, updated_at, last_seen_at, registered_at,
                notification_count, consecutive_failures, revision)
             VALUES ('shop', ?1, 'ada', ?2, ?3, 'ios', 'ios_push', 'registration_token', 'production', ?5,
                'active', 1, 2, ?4, 4, 5, 6, 7)",
            (&id, &address.key(None).0[..], key, seen, &value),
        )
        .unwrap();
    }
}

#[tokio::test]
async fn a_file_of_version_1_is_upgraded_with_everything_in_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("fanfare.db");
    let twice = [
        (1, Some("a"), 10),
        (2, Some("a"), 20),
        (3, Some("b"), 5),
        (4, None, 1),
        (5, None, 1),
    ];
    file_of_version(1, &path, &twice);
    let faults = || check(&path).unwrap().faults;
    assert!(
        faults().is_empty(),
        "a file of before can be checked as it is"
    );
    for opening in ["the first time", "as any other file"] {
        let store = Embedded::open(&Config::at(&path)).unwrap();
        let ada = UserId::new("ada").unwrap();
        let mut rows = store.devices_of(&app("shop"), vec![ada]).await.unwrap();
        rows.sort_by_key(|row| row.id);
        let keys: Vec<_> = rows.iter().map(|row| row.device_key.as_deref()).collect();
        assert_eq!(keys, [None, Some("a"), Some("b"), None, None], "{opening}");
        let row = &rows[2];
        assert_eq!(
            (row.created_at.0, row.updated_at.0, row.last_seen_at.0),
            (1, 2, 5)
        );
        assert_eq!((row.registered_at.0, row.notification_count), (4, 5));
        assert_eq!((row.consecutive_failures, row.revision), (6, 7));
        store.close().await.unwrap();
    }
    assert_eq!(version_of(&path), schema::VERSION);
    assert!(faults().is_empty());
}

#[tokio::test]
async fn a_file_of_version_2_is_upgraded_with_everything_in_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("fanfare.db");
    file_of_version(2, &path, &[(1, Some("a"), 10), (2, None, 20)]);
    let id = NotificationId::new(Timestamp(1), 7);
    let db = Connection::open(&path).unwrap();
    db.execute(
        "INSERT INTO notifications (id, app, created_at, due_at, expires_at, finished, recipients)
         VALUES (?1, 'shop', 1, 0, 9, 0, 3)",
        [&id.0.0[..]],
    )
    .unwrap();
    db.close().unwrap();
    let before = check(&path).unwrap().contents;
    assert_eq!(
        (before.devices, before.notifications, before.campaigns),
        (2, 1, 0)
    );
    for created in [Created::New, Created::Repeated(record(1, Audience::All).id)] {
        let store = Embedded::open(&Config::at(&path)).unwrap();
        let ada = UserId::new("ada").unwrap();
        let rows = store.devices_of(&app("shop"), vec![ada]).await.unwrap();
        assert_eq!(rows.len(), 2);
        let summary = store.summary(&app("shop"), id).await.unwrap().unwrap();
        assert_eq!((summary.recipients, summary.expires_at), (3, Timestamp(9)));
        let again = store
            .create(record(1, Audience::All), draft(), None, u64::MAX)
            .await;
        assert_eq!(again, Ok(created));
        store.close().await.unwrap();
    }
    let contents = check(&path).unwrap().contents;
    assert_eq!(
        (
            contents.devices,
            contents.campaigns,
            contents.campaigns_unfinished
        ),
        (2, 1, 1)
    );
    assert_eq!(version_of(&path), schema::VERSION);
}

fn version_of(path: &Path) -> u32 {
    let db = Connection::open(path).unwrap();
    schema::version(&db).unwrap()
}

/// What an upgrade cannot do leaves the file as it was.
#[tokio::test]
async fn an_upgrade_that_fails_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("fanfare.db");
    file_of_version(2, &path, &[(1, None, 10)]);
    let db = Connection::open(&path).unwrap();
    db.execute_batch("CREATE TABLE campaign_trash (theirs)")
        .unwrap();
    db.close().unwrap();
    assert!(Embedded::open(&Config::at(&path)).is_err());
    assert_eq!(version_of(&path), 2);
    let db = Connection::open(&path).unwrap();
    let sql = "SELECT count(*) FROM sqlite_schema WHERE name = 'campaigns'";
    let made: u32 = db.query_row(sql, [], |row| row.get(0)).unwrap();
    assert_eq!(made, 0);
    db.execute_batch("DROP TABLE campaign_trash").unwrap();
    db.close().unwrap();
    let store = Embedded::open(&Config::at(&path)).unwrap();
    store.close().await.unwrap();
}
