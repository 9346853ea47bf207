//! A change of standing: a compare-and-set in the store, decided again when others got ahead of it.

use std::sync::Arc;

use fanfare_store::Store;
use fanfare_store::campaigns::{Changed, StoredCampaign};
use fanfare_types::{AppId, CampaignId, Standing};

/// How often it is decided again.
const TRIES_MAX: usize = 16;

/// What became of a change.
pub(super) enum Change {
    /// Durable; this is the standing.
    Written(Standing),
    /// There was nothing to write.
    Stands(Box<StoredCampaign>),
    /// Others got ahead of it every time.
    Contended,
    /// There is no such campaign in this app.
    Gone,
}

/// The campaign as it is stored, and what is to be written of it, if anything.
pub(super) type Decided = (Box<StoredCampaign>, Option<Standing>);

/// Writes what `decide` makes of the campaign.
pub(super) async fn change<E, F>(
    store: &Arc<dyn Store>,
    app: &AppId,
    id: CampaignId,
    decide: impl Fn(Box<StoredCampaign>) -> F,
) -> Result<Change, E>
where
    E: From<fanfare_store::Error>,
    F: Future<Output = Result<Decided, E>>,
{
    let Some(stored) = store.campaign(app, id).await? else {
        return Ok(Change::Gone);
    };
    let mut stored = Box::new(stored);
    for _ in 0..TRIES_MAX {
        let (found, next) = decide(stored).await?;
        let Some(next) = next else {
            return Ok(Change::Stands(found));
        };
        match store.change(app, id, next.clone()).await? {
            Changed::Done => return Ok(Change::Written(next)),
            Changed::Conflict(now) => stored = now,
            Changed::Gone => return Ok(Change::Gone),
        }
    }
    Ok(Change::Contended)
}
