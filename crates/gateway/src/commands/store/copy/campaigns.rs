//! Campaigns: what was asked for, how each stands, uploads of those that have not begun, and what finished ones came to.

use std::ops::ControlFlow;

use anyhow::{Context, bail, ensure};
use fanfare_store::Campaigns;
use fanfare_store::campaigns::{Block, Changed, Created, StoredCampaign, Upload, UploadRow};
use fanfare_store::embedded::CopyReader;
use fanfare_types::{AppId, CampaignId};
use tokio::sync::mpsc;

use super::Copy;

/// Blocks of an upload that are read ahead.
const AHEAD: usize = 4;

pub(super) async fn copy(copy: &mut Copy) -> anyhow::Result<u64> {
    copy.bar.set_message("campaigns");
    let reader = CopyReader::open(&copy.file)?;
    let mut copied = 0;
    for (app, id) in reader.campaigns()? {
        let kept = copy.from.campaign(&app, id).await?;
        let kept = kept.with_context(|| format!("campaign {id} cannot be read"))?;
        let made = copy
            .into
            .adopt(&kept, reader.campaign_key(&app, id)?)
            .await?;
        match made {
            Created::New | Created::Repeated(_) => {}
            Created::Conflict | Created::TooMany => bail!("campaign {id} was not taken: {made:?}"),
        }
        if !kept.standing.state.is_final() && kept.upload != Upload::default() {
            upload(copy, &kept).await?;
        }
        read_back(copy, &kept).await?;
        copied += 1;
        copy.bar.inc(1);
    }
    Ok(copied)
}

/// From its beginning, whatever of it is there; the last block makes it what it is in the store.
async fn upload(copy: &Copy, kept: &StoredCampaign) -> anyhow::Result<()> {
    let (app, id) = (&kept.record.app, kept.record.id);
    let (mut blocks, reading) = read(copy, app.clone(), id);
    let mut held = blocks.recv().await;
    let mut from = Upload::default();
    let mut replaces = true;
    while let Some(rows) = held.take() {
        held = blocks.recv().await;
        let taken = from.rows + rows.len() as u64;
        // Of what lies between, nobody but this asks how far it is.
        let upload = match held {
            Some(_) => Upload {
                bytes: from.bytes + 1,
                rows: taken,
                ..Upload::default()
            },
            None => kept.upload.clone(),
        };
        put(copy, kept, from.bytes, replaces, upload.clone(), rows).await?;
        (from, replaces) = (upload, false);
    }
    reading.await.context("reading an upload")??;
    if replaces {
        put(copy, kept, 0, true, kept.upload.clone(), Vec::new()).await?;
    }
    Ok(())
}

async fn put(
    copy: &Copy,
    kept: &StoredCampaign,
    from: u64,
    replaces: bool,
    upload: Upload,
    rows: Vec<UploadRow>,
) -> anyhow::Result<()> {
    let (app, id) = (&kept.record.app, kept.record.id);
    let block = Block {
        from,
        replaces,
        upload,
        rows,
    };
    match copy.into.append(app, id, block).await? {
        Changed::Done => Ok(()),
        Changed::Conflict(_) | Changed::Gone => bail!("the upload of campaign {id} was not taken"),
    }
}

type Blocks = mpsc::Receiver<Vec<UploadRow>>;

fn read(
    copy: &Copy,
    app: AppId,
    id: CampaignId,
) -> (Blocks, tokio::task::JoinHandle<fanfare_store::Result<()>>) {
    let (send, blocks) = mpsc::channel(AHEAD);
    let file = copy.file.clone();
    let reading = tokio::task::spawn_blocking(move || {
        let each = &mut |rows| match send.blocking_send(rows) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        };
        CopyReader::open(&file)?.upload(&app, id, each)
    });
    (blocks, reading)
}

async fn read_back(copy: &Copy, kept: &StoredCampaign) -> anyhow::Result<()> {
    let id = kept.record.id;
    let there = copy.into.campaign(&kept.record.app, id).await?;
    let there = there.with_context(|| format!("campaign {id} is not in the cluster"))?;
    let is_final = kept.standing.state.is_final();
    ensure!(
        there.record == kept.record
            && there.standing == kept.standing
            && (is_final || there.upload == kept.upload)
            && (!is_final || (there.counts == kept.counts && there.scan == kept.scan)),
        "campaign {id} is another in the cluster than in the store"
    );
    Ok(())
}
