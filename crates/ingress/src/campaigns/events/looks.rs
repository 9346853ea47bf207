//! Looks at campaigns, which all watchers of one share: the store is asked as often for a thousand as for two.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use fanfare_actors::Result;
use fanfare_actors::campaigns::CampaignView;
use fanfare_types::{AppId, CampaignId};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::api::Shared;

/// A look serves everybody who comes within this time: half as long as a watcher waits between two.
const SERVES_FOR: Duration = Duration::from_millis(250);

type Key = (AppId, CampaignId);

/// The campaigns that are watched. Bounded by the watchers.
#[derive(Default)]
pub(crate) struct Looks(Mutex<HashMap<Key, Weak<Watched>>>);

/// One campaign, for as long as anybody watches it.
pub(super) struct Watched {
    app: AppId,
    id: CampaignId,
    /// Held during a look: whoever comes meanwhile waits for it.
    latest: tokio::sync::Mutex<Option<Look>>,
}

struct Look {
    at: Instant,
    /// `None`: there is no such campaign.
    view: Option<Arc<CampaignView>>,
}

impl Looks {
    pub(super) fn at(&self, app: &AppId, id: CampaignId) -> Arc<Watched> {
        let mut all = self.0.lock();
        all.retain(|_, watched| watched.strong_count() > 0);
        let key = (app.clone(), id);
        let found = all.get(&key).and_then(Weak::upgrade);
        found.unwrap_or_else(|| {
            let watched = Arc::new(Watched {
                app: key.0.clone(),
                id,
                latest: tokio::sync::Mutex::default(),
            });
            all.insert(key, Arc::downgrade(&watched));
            watched
        })
    }
}

impl Watched {
    /// How it stands now, for whoever has just come.
    pub(super) async fn look_now(&self, api: &Shared) -> Result<Option<Arc<CampaignView>>> {
        self.look_again(&mut *self.latest.lock().await, api).await
    }

    /// How it stands, or stood a moment ago.
    pub(super) async fn look(&self, api: &Shared) -> Result<Option<Arc<CampaignView>>> {
        let mut latest = self.latest.lock().await;
        match &*latest {
            Some(look) if look.at.elapsed() < SERVES_FOR => Ok(look.view.clone()),
            _ => self.look_again(&mut latest, api).await,
        }
    }

    async fn look_again(
        &self,
        latest: &mut Option<Look>,
        api: &Shared,
    ) -> Result<Option<Arc<CampaignView>>> {
        let view = api.rooms.campaign(&self.app, self.id).await?.map(Arc::new);
        *latest = Some(Look {
            at: Instant::now(),
            view: view.clone(),
        });
        Ok(view)
    }
}
