//! What a start needs to know of the audience.

use std::sync::Arc;

use fanfare_core::campaign::Known;
use fanfare_store::campaigns::StoredCampaign;
use fanfare_store::{Result, Store};
use fanfare_types::Audience;

/// Rows looked at to find out, at a start, that an audience is empty; a larger one is started without knowing.
const EMPTY_LOOK_ROWS_MAX: u64 = 100_000;

pub(super) async fn known(store: &Arc<dyn Store>, stored: &StoredCampaign) -> Result<Known> {
    let record = &stored.record;
    let mut known = Known::of_any(record.ttl);
    if record.audience == Audience::Upload {
        known.upload_incomplete = !stored.upload.is_complete;
        known.is_empty = stored.upload.rows == 0;
    } else {
        let audience = Arc::new(record.audience.clone());
        let counted = store.count(&record.app, None, audience, EMPTY_LOOK_ROWS_MAX, 1);
        known.is_empty = counted.await?.is_surely_empty();
    }
    Ok(known)
}
