//! One upload of a campaign at a time.

use std::collections::HashSet;
use std::sync::Arc;

use fanfare_types::{AppId, CampaignId};
use parking_lot::Mutex;

/// Campaigns that are being uploaded to; never more than requests are under way.
#[derive(Clone, Debug, Default)]
pub(crate) struct Turns(Arc<Mutex<HashSet<(AppId, CampaignId)>>>);

/// Held while an upload is under way.
#[derive(Debug)]
pub(super) struct Turn {
    of: Turns,
    campaign: (AppId, CampaignId),
}

impl Turns {
    /// `None` while another one is under way.
    pub(super) fn begin(&self, app: &AppId, id: CampaignId) -> Option<Turn> {
        let campaign = (app.clone(), id);
        let is_first = self.0.lock().insert(campaign.clone());
        is_first.then(|| Turn {
            of: self.clone(),
            campaign,
        })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.of.0.lock().remove(&self.campaign);
    }
}
