//! What the API asks of the rest of the house, as one seam: handlers are tested against a stand-in.

use fanfare_actors::notifications::{Acceptance, NewNotification, View};
use fanfare_actors::registry::Registered;
use fanfare_actors::system::Stats;
use fanfare_actors::{Result, System};
use fanfare_core::registration::{Patch, Register};
use fanfare_store::{DeliveryPage, DeviceQuery, Listing};
use fanfare_types::{AppId, Device, DeviceId, NotificationId, Outcome, UserId};
use futures_util::future::BoxFuture;

use crate::campaigns::CampaignRooms;

/// The calls of [`System`]'s handles that the API makes; each means what it means there.
pub(crate) trait Rooms: CampaignRooms + Send + Sync + 'static {
    fn register<'a>(
        &'a self,
        app: &'a AppId,
        user: &'a UserId,
        command: Register,
    ) -> BoxFuture<'a, Result<Registered>>;

    fn devices<'a>(
        &'a self,
        app: &'a AppId,
        user: &'a UserId,
    ) -> BoxFuture<'a, Result<Vec<Device>>>;

    fn device<'a>(
        &'a self,
        app: &'a AppId,
        user: &'a UserId,
        id: DeviceId,
    ) -> BoxFuture<'a, Result<Option<Device>>>;

    fn patch<'a>(
        &'a self,
        app: &'a AppId,
        user: &'a UserId,
        id: DeviceId,
        patch: Patch,
    ) -> BoxFuture<'a, Result<Option<Device>>>;

    fn delete<'a>(
        &'a self,
        app: &'a AppId,
        user: &'a UserId,
        id: DeviceId,
    ) -> BoxFuture<'a, Result<bool>>;

    fn unregister<'a>(
        &'a self,
        app: &'a AppId,
        user: &'a UserId,
        device_key: &'a str,
    ) -> BoxFuture<'a, Result<bool>>;

    fn find<'a>(&'a self, app: &'a AppId, ids: Vec<DeviceId>)
    -> BoxFuture<'a, Result<Vec<Device>>>;

    fn listing(&self, query: DeviceQuery) -> BoxFuture<'_, Result<Listing>>;

    fn accept(&self, new: NewNotification) -> BoxFuture<'_, Result<Acceptance>>;

    fn view<'a>(
        &'a self,
        app: &'a AppId,
        id: NotificationId,
    ) -> BoxFuture<'a, Result<Option<View>>>;

    fn deliveries<'a>(
        &'a self,
        app: &'a AppId,
        id: NotificationId,
        outcome: Option<Outcome>,
        start: u32,
        limit: usize,
    ) -> BoxFuture<'a, Result<Option<DeliveryPage>>>;

    fn cancel<'a>(
        &'a self,
        app: &'a AppId,
        id: NotificationId,
    ) -> BoxFuture<'a, Result<Option<View>>>;

    fn stats(&self) -> BoxFuture<'_, Result<Stats>>;

    fn unready(&self) -> BoxFuture<'_, Vec<String>>;

    fn is_draining(&self) -> bool;
}

impl Rooms for System {
    fn register<'a>(
        &'a self,
        app: &'a AppId,
        user: &'a UserId,
        command: Register,
    ) -> BoxFuture<'a, Result<Registered>> {
        Box::pin(async move { self.registry().register(app, user, command).await })
    }

    fn devices<'a>(
        &'a self,
        app: &'a AppId,
        user: &'a UserId,
    ) -> BoxFuture<'a, Result<Vec<Device>>> {
        Box::pin(async move { self.registry().list(app, user).await })
    }

    fn device<'a>(
        &'a self,
        app: &'a AppId,
        user: &'a UserId,
        id: DeviceId,
    ) -> BoxFuture<'a, Result<Option<Device>>> {
        Box::pin(async move { self.registry().get(app, user, id).await })
    }

    fn patch<'a>(
        &'a self,
        app: &'a AppId,
        user: &'a UserId,
        id: DeviceId,
        patch: Patch,
    ) -> BoxFuture<'a, Result<Option<Device>>> {
        Box::pin(async move { self.registry().patch(app, user, id, patch).await })
    }

    fn delete<'a>(
        &'a self,
        app: &'a AppId,
        user: &'a UserId,
        id: DeviceId,
    ) -> BoxFuture<'a, Result<bool>> {
        Box::pin(async move { self.registry().delete(app, user, id).await })
    }

    fn unregister<'a>(
        &'a self,
        app: &'a AppId,
        user: &'a UserId,
        device_key: &'a str,
    ) -> BoxFuture<'a, Result<bool>> {
        Box::pin(async move { self.registry().unregister(app, user, device_key).await })
    }

    fn find<'a>(
        &'a self,
        app: &'a AppId,
        ids: Vec<DeviceId>,
    ) -> BoxFuture<'a, Result<Vec<Device>>> {
        Box::pin(async move { self.registry().find(app, ids).await })
    }

    fn listing(&self, query: DeviceQuery) -> BoxFuture<'_, Result<Listing>> {
        Box::pin(async move { self.registry().listing(query).await })
    }

    fn accept(&self, new: NewNotification) -> BoxFuture<'_, Result<Acceptance>> {
        Box::pin(async move { self.notifications().accept(new).await })
    }

    fn view<'a>(
        &'a self,
        app: &'a AppId,
        id: NotificationId,
    ) -> BoxFuture<'a, Result<Option<View>>> {
        Box::pin(async move { self.notifications().view(app, id).await })
    }

    fn deliveries<'a>(
        &'a self,
        app: &'a AppId,
        id: NotificationId,
        outcome: Option<Outcome>,
        start: u32,
        limit: usize,
    ) -> BoxFuture<'a, Result<Option<DeliveryPage>>> {
        Box::pin(async move {
            let notifications = self.notifications();
            notifications
                .deliveries(app, id, outcome, start, limit)
                .await
        })
    }

    fn cancel<'a>(
        &'a self,
        app: &'a AppId,
        id: NotificationId,
    ) -> BoxFuture<'a, Result<Option<View>>> {
        Box::pin(async move { self.notifications().cancel(app, id).await })
    }

    fn stats(&self) -> BoxFuture<'_, Result<Stats>> {
        Box::pin(self.stats())
    }

    fn unready(&self) -> BoxFuture<'_, Vec<String>> {
        Box::pin(self.unready())
    }

    fn is_draining(&self) -> bool {
        self.is_draining()
    }
}
