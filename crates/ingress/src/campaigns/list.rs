//! The list of campaigns, a page at a time, newest first.

use fanfare_actors::campaigns::CampaignView;
use fanfare_types::ids::Id96;
use fanfare_types::{AppId, CampaignId, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use super::view::Campaign;
use crate::cursor;
use crate::paging::Pages;

/// A campaign comes out of the store with its message, so that pages are short.
pub(super) const PAGES: Pages = Pages {
    limit_default: 20,
    limit_max: 100,
    outcomes: &[],
};

/// A page of campaigns.
#[derive(Serialize, ToSchema)]
pub(super) struct Campaigns {
    campaigns: Vec<Campaign>,
    /// For the next page; `null` at the end.
    next_cursor: Option<String>,
}

impl Campaigns {
    /// The first `limit` of `found`, which has one more if there is a next page.
    pub(super) fn of(
        app: &AppId,
        mut found: Vec<CampaignView>,
        limit: usize,
        now: Timestamp,
    ) -> Self {
        let is_last = found.len() <= limit;
        found.truncate(limit);
        let last = found.last().filter(|_| !is_last);
        Campaigns {
            next_cursor: last.map(|last| cursor::write(&list(app), &last.record.id.0.0)),
            campaigns: found
                .into_iter()
                .map(|view| Campaign::of(view, now))
                .collect(),
        }
    }
}

/// The campaign before which a page starts.
pub(super) fn read(app: &AppId, text: &str) -> Option<CampaignId> {
    cursor::read(&list(app), text).map(|id| CampaignId(Id96(id)))
}

fn list(app: &AppId) -> [&[u8]; 2] {
    [b"campaigns", app.as_str().as_bytes()]
}
