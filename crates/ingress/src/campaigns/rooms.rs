//! What the API asks of campaigns, as one seam: handlers are tested against a stand-in.

use fanfare_actors::campaigns::{Appended, CampaignView, NewCampaign};
use fanfare_actors::{Result, System};
use fanfare_core::campaign::Command;
use fanfare_store::campaigns::{
    Audienced, Block, CampaignDeliveries, DeliveryCursor, Named, UploadRow,
};
use fanfare_types::{AppId, Audience, CampaignId, Outcome};
use futures_util::future::BoxFuture;

/// The calls of [`fanfare_actors::Campaigns`] that the API makes; each means what it means there.
pub(crate) trait CampaignRooms {
    fn create(&self, new: NewCampaign) -> BoxFuture<'_, Result<CampaignView>>;

    fn campaign<'a>(
        &'a self,
        app: &'a AppId,
        id: CampaignId,
    ) -> BoxFuture<'a, Result<Option<CampaignView>>>;

    fn campaigns<'a>(
        &'a self,
        app: &'a AppId,
        before: Option<CampaignId>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<CampaignView>>>;

    fn steer<'a>(
        &'a self,
        app: &'a AppId,
        id: CampaignId,
        command: Command,
    ) -> BoxFuture<'a, Result<Option<CampaignView>>>;

    fn append<'a>(
        &'a self,
        app: &'a AppId,
        id: CampaignId,
        block: Block,
    ) -> BoxFuture<'a, Result<Option<Appended>>>;

    fn campaign_deliveries<'a>(
        &'a self,
        app: &'a AppId,
        id: CampaignId,
        outcome: Option<Outcome>,
        from: DeliveryCursor,
        limit: usize,
    ) -> BoxFuture<'a, Result<Option<CampaignDeliveries>>>;

    fn count<'a>(
        &'a self,
        app: &'a AppId,
        id: CampaignId,
        audience: Audience,
        rows_max: u64,
    ) -> BoxFuture<'a, Result<Audienced>>;

    fn uploaded<'a>(
        &'a self,
        app: &'a AppId,
        id: CampaignId,
        named: Vec<Named>,
    ) -> BoxFuture<'a, Result<Option<UploadRow>>>;
}

impl CampaignRooms for System {
    fn create(&self, new: NewCampaign) -> BoxFuture<'_, Result<CampaignView>> {
        Box::pin(async move { self.campaigns().create(new).await })
    }

    fn campaign<'a>(
        &'a self,
        app: &'a AppId,
        id: CampaignId,
    ) -> BoxFuture<'a, Result<Option<CampaignView>>> {
        Box::pin(async move { self.campaigns().view(app, id).await })
    }

    fn campaigns<'a>(
        &'a self,
        app: &'a AppId,
        before: Option<CampaignId>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<CampaignView>>> {
        Box::pin(async move { System::campaigns(self).list(app, before, limit).await })
    }

    fn steer<'a>(
        &'a self,
        app: &'a AppId,
        id: CampaignId,
        command: Command,
    ) -> BoxFuture<'a, Result<Option<CampaignView>>> {
        Box::pin(async move { System::campaigns(self).steer(app, id, command).await })
    }

    fn append<'a>(
        &'a self,
        app: &'a AppId,
        id: CampaignId,
        block: Block,
    ) -> BoxFuture<'a, Result<Option<Appended>>> {
        Box::pin(async move { System::campaigns(self).append(app, id, block).await })
    }

    fn campaign_deliveries<'a>(
        &'a self,
        app: &'a AppId,
        id: CampaignId,
        outcome: Option<Outcome>,
        from: DeliveryCursor,
        limit: usize,
    ) -> BoxFuture<'a, Result<Option<CampaignDeliveries>>> {
        Box::pin(async move {
            let campaigns = System::campaigns(self);
            campaigns.deliveries(app, id, outcome, from, limit).await
        })
    }

    fn count<'a>(
        &'a self,
        app: &'a AppId,
        id: CampaignId,
        audience: Audience,
        rows_max: u64,
    ) -> BoxFuture<'a, Result<Audienced>> {
        Box::pin(async move {
            System::campaigns(self)
                .count(app, id, audience, rows_max)
                .await
        })
    }

    fn uploaded<'a>(
        &'a self,
        app: &'a AppId,
        id: CampaignId,
        named: Vec<Named>,
    ) -> BoxFuture<'a, Result<Option<UploadRow>>> {
        Box::pin(async move { System::campaigns(self).uploaded(app, id, named).await })
    }
}
