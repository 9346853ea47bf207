//! Cases of uploads: never silently half, replaced whole, resolved when their turn comes.

use std::borrow::Cow;
use std::sync::Arc;

use fanfare_types::message::Variables;
use fanfare_types::{Audience, CampaignId, CampaignState, Channel, DeviceId, Status};

use super::{
    Shared, all_of, crowd, device_ids, everybody, made, next, page, query, registered, running,
    shards, stored, turn,
};
use crate::campaigns::{BadRow, Block, Changed, Named, Upload, UploadRow};
use crate::contract::fixtures::{NOW, app, user};

fn row(to: Named, name: Option<&str>) -> UploadRow {
    let variables = name.map(|name| Arc::new([("name".to_owned(), name.to_owned())].into()));
    UploadRow { to, variables }
}

fn to_user(name: &str) -> UploadRow {
    row(Named::User(user(name)), Some(name))
}

fn to_device(number: u64) -> UploadRow {
    row(Named::Device(DeviceId::new(NOW, number)), None)
}

/// What an upload is with `rows` more rows of 10 bytes each.
fn grown(before: &Upload, rows: &[UploadRow], is_complete: bool) -> Block {
    let count = rows.len() as u64;
    Block {
        from: before.bytes,
        replaces: false,
        upload: Upload {
            bytes: before.bytes + count * 10,
            lines: before.lines + count,
            rows: before.rows + count,
            is_complete,
            ..before.clone()
        },
        rows: rows.to_vec(),
    }
}

async fn append(store: &Shared, id: CampaignId, block: Block) -> Changed {
    let changed = store.append(&app("shop"), id, block).await;
    changed.expect("the store answers")
}

/// A running campaign to these rows.
async fn uploaded(store: &Shared, rows: &[UploadRow]) -> CampaignId {
    let id = made(store, 1, Audience::Upload).await;
    let block = grown(&Upload::default(), rows, true);
    assert_eq!(append(store, id, block).await, Changed::Done);
    turn(store, id, CampaignState::Running).await;
    id
}

pub async fn an_upload_grows_block_by_block(store: Shared) {
    let id = made(&store, 1, Audience::Upload).await;
    let mut first = grown(&Upload::default(), &[to_user("ada"), to_device(1)], false);
    first.upload.bad = 1;
    first.upload.bad_rows = vec![BadRow {
        line: 2,
        code: Cow::Borrowed("malformed"),
        field: Some(Cow::Borrowed("user_id")),
    }];
    first.upload.columns = Some(vec!["user_id".to_owned(), "näme".to_owned()]);
    let second = grown(&first.upload, &[to_user("bob")], true);
    for block in [first, second] {
        let expected = block.upload.clone();
        assert_eq!(append(&store, id, block).await, Changed::Done);
        assert_eq!(stored(&store, id).await.upload, expected);
    }
    let counted = store.count(&app("shop"), Some(id), Arc::new(Audience::Upload), 9, 9);
    assert_eq!(counted.await.expect("the store answers").recipients, 3);
}

pub async fn a_block_that_does_not_fit_changes_nothing(store: Shared) {
    let id = made(&store, 1, Audience::Upload).await;
    let first = grown(&Upload::default(), &[to_user("ada")], false);
    assert_eq!(append(&store, id, first.clone()).await, Changed::Done);
    let before = stored(&store, id).await;
    for from in [0, 9, 11] {
        let mut block = grown(&first.upload, &[to_user("bob")], true);
        block.from = from;
        let expected = Changed::Conflict(Box::new(before.clone()));
        assert_eq!(append(&store, id, block).await, expected, "{from}");
    }
    assert_eq!(stored(&store, id).await, before);
    let fresh = made(&store, 2, Audience::Upload).await;
    let behind = grown(&first.upload, &[to_user("bob")], true);
    assert!(matches!(
        append(&store, fresh, behind).await,
        Changed::Conflict(_)
    ));
    let gone = store.append(&app("news"), id, first).await;
    assert_eq!(gone, Ok(Changed::Gone));
}

pub async fn an_upload_may_begin_anew(store: Shared) {
    let id = made(&store, 1, Audience::Upload).await;
    let many: Vec<_> = (0..2_500).map(|n| to_user(&format!("old{n}"))).collect();
    let old = grown(&Upload::default(), &many, true);
    assert_eq!(append(&store, id, old).await, Changed::Done);
    let mut anew = grown(&Upload::default(), &[to_user("new")], false);
    anew.replaces = true;
    assert_eq!(append(&store, id, anew.clone()).await, Changed::Done);
    let rest = grown(&anew.upload, &[to_user("last")], true);
    assert_eq!(append(&store, id, rest).await, Changed::Done);
    turn(&store, id, CampaignState::Running).await;
    let everybody = everybody(&store, id, &Audience::Upload, 2).await;
    let users: Vec<_> = everybody.iter().filter_map(|to| to.user.clone()).collect();
    assert_eq!(users, [user("new"), user("last")]);
    let old = store.uploaded(&app("shop"), id, vec![Named::User(user("old7"))]);
    assert_eq!(old.await, Ok(None));
}

pub async fn nothing_is_added_once_it_runs(store: Shared) {
    let id = uploaded(&store, &[to_user("ada")]).await;
    let upload = stored(&store, id).await.upload;
    for replaces in [false, true] {
        let mut block = grown(&upload, &[to_user("bob")], true);
        if replaces {
            (block.from, block.replaces) = (0, true);
        }
        let changed = append(&store, id, block).await;
        assert!(matches!(changed, Changed::Conflict(_)), "{changed:?}");
    }
    assert_eq!(stored(&store, id).await.upload, upload);
}

pub async fn no_campaign_begins_over_half_an_upload(store: Shared) {
    let id = made(&store, 1, Audience::Upload).await;
    let half = grown(&Upload::default(), &[to_user("ada")], false);
    assert_eq!(append(&store, id, half.clone()).await, Changed::Done);
    let before = stored(&store, id).await;
    let start = next(&before.standing, CampaignState::Running);
    let changed = store.change(&app("shop"), id, start.clone()).await;
    assert_eq!(changed, Ok(Changed::Conflict(Box::new(before))));
    let rest = grown(&half.upload, &[], true);
    assert_eq!(append(&store, id, rest).await, Changed::Done);
    let changed = store.change(&app("shop"), id, start).await;
    assert_eq!(changed, Ok(Changed::Done));
}

pub async fn a_row_is_found_by_whom_it_names(store: Shared) {
    let mut rows: Vec<_> = (0..1_500).map(|n| to_user(&format!("u{n}"))).collect();
    rows.push(to_device(7));
    let id = uploaded(&store, &rows).await;
    let find = async |named: Vec<Named>| {
        let found = store.uploaded(&app("shop"), id, named).await;
        found.expect("the store answers")
    };
    let device = Named::Device(DeviceId::new(NOW, 7));
    let of = |name: &str| Named::User(user(name));
    assert_eq!(find(vec![of("u1400")]).await, Some(to_user("u1400")));
    assert_eq!(find(vec![of("x"), device]).await, Some(to_device(7)));
    assert_eq!(find(vec![of("x")]).await, None);
    let elsewhere = store.uploaded(&app("news"), id, vec![of("u1")]).await;
    assert_eq!(elsewhere, Ok(None));
}

pub async fn uploaded_rows_reach_the_devices_of_now(store: Shared) {
    crowd(&store, 2).await;
    registered(&store, 3, |device| device.status = Status::Inactive).await;
    let rows = [
        to_user("u1"),
        to_user("nobody"),
        to_user("u3"),
        to_device(2),
        to_device(3),
        to_device(4),
        to_user("u1"),
    ];
    let id = uploaded(&store, &rows).await;
    let shard = shards(&store, id, 1).await.remove(0);
    assert_eq!(shard.rows, 7);
    let found = page(&store, query(id, 0, &Audience::Upload, &shard.cursor)).await;
    assert!(found.is_last && found.scanned == 7);
    let number = |number| Some(DeviceId::new(NOW, number));
    let expected = [
        (Some("u1"), number(1), Some(Channel::Fcm), true),
        (Some("nobody"), None, None, false),
        (Some("u3"), None, None, false),
        (Some("u2"), number(2), Some(Channel::Fcm), true),
        (Some("u3"), number(3), Some(Channel::Fcm), false),
        (None, number(4), None, false),
        (Some("u1"), number(1), Some(Channel::Fcm), true),
    ];
    for ((row, expected), asked) in found.rows.iter().zip(expected).zip(&rows) {
        let to = &row.recipient;
        let user = to.user.as_ref().map(|user| user.as_str());
        let seen = (user, to.device, to.channel, row.reach.is_some());
        assert_eq!(seen, expected, "{asked:?}");
        assert_eq!(to.variables, asked.variables);
    }
    assert_eq!(found.rows.len(), 7);
    let reach = found.rows[0].reach.as_ref().expect("it is delivered to");
    assert_eq!(reach.address.expose(), "t1");
}

pub async fn a_users_devices_are_never_torn_apart(store: Shared) {
    for number in 1..=9 {
        registered(&store, number, |device| {
            device.user = user(if number <= 5 { "ada" } else { "bob" });
        })
        .await;
    }
    let id = uploaded(&store, &[to_user("ada"), to_user("bob"), to_user("eve")]).await;
    let shard = shards(&store, id, 1).await.remove(0);
    let pages = all_of(&store, id, &Audience::Upload, &shard, 2).await;
    let sizes: Vec<_> = pages
        .iter()
        .map(|page| (page.rows.len(), page.scanned))
        .collect();
    assert_eq!(sizes, [(5, 1), (4, 1), (1, 1)]);
    let shared: Vec<&Arc<Variables>> = pages[0]
        .rows
        .iter()
        .filter_map(|row| row.recipient.variables.as_ref())
        .collect();
    assert_eq!(shared.len(), 5);
    let pages = all_of(&store, id, &Audience::Upload, &shard, 6).await;
    let sizes: Vec<_> = pages.iter().map(|page| page.rows.len()).collect();
    assert_eq!(sizes, [9, 1]);
}

pub async fn shards_of_an_upload_have_every_row_once(store: Shared) {
    let rows: Vec<_> = (0..5_000).map(to_device).collect();
    let id = uploaded(&store, &rows).await;
    let cut = shards(&store, id, 3).await;
    assert_eq!(cut.len(), 3);
    assert_eq!(cut.iter().map(|shard| shard.rows).sum::<u64>(), 5_000);
    let everybody = everybody(&store, id, &Audience::Upload, 3).await;
    let all: Vec<_> = (0..5_000).map(|n| DeviceId::new(NOW, n)).collect();
    assert_eq!(everybody.len(), 5_000);
    assert_eq!(device_ids(&everybody), all);
    let empty = made(&store, 2, Audience::Upload).await;
    let nothing = grown(&Upload::default(), &[], true);
    assert_eq!(append(&store, empty, nothing).await, Changed::Done);
    turn(&store, empty, CampaignState::Running).await;
    let cut = shards(&store, empty, 3).await;
    assert_eq!(cut.iter().map(|shard| shard.rows).sum::<u64>(), 0);
    let pages = all_of(&store, empty, &Audience::Upload, &cut[0], 9).await;
    assert_eq!(pages.iter().map(|page| page.rows.len()).sum::<usize>(), 0);
    let other = running(&store, 3, Audience::Upload).await;
    assert_eq!(
        shards(&store, other, 3).await.len(),
        1,
        "nothing was uploaded"
    );
}
