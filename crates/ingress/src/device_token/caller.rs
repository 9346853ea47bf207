//! Who calls, and what the caller may: one permission an endpoint, from the JWT, and one tenant's rows.

use std::marker::PhantomData;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use fanfare_types::{Device, DeviceId, UserId};
use http::StatusCode;
use http::request::Parts;

use super::guid::Guid;
use super::ids::place;
use crate::api::Shared;
use crate::auth;
use crate::config::{AppDoor, Contract};
use crate::fields::Faults;
use crate::problem::Problem;

/// A user, who sees and changes rows of the own tenant alone; one without a tenant, rows without one.
pub(super) struct Caller {
    pub(super) app: Arc<AppDoor>,
    pub(super) user: UserId,
    pub(super) tenant: Option<String>,
}

/// A caller who has the permission `P`; anybody else is 403.
pub(super) struct May<P>(pub(super) Caller, pub(super) PhantomData<P>);

/// What a JWT's permissions claim may hold.
pub(super) trait Permission {
    const NAME: &'static str;
    const REFUSAL: &'static str;
}

macro_rules! permissions {
    ($($kind:ident = $name:literal;)+) => {$(
        pub(super) struct $kind;

        impl Permission for $kind {
            const NAME: &'static str = $name;
            const REFUSAL: &'static str = concat!("the permission ", $name, " is needed");
        }
    )+};
}

permissions! {
    ViewAll = "DeviceTokens.ViewAll";
    View = "DeviceTokens.View";
    Edit = "DeviceTokens.Edit";
    Register = "DeviceTokens.Register";
    Delete = "DeviceTokens.Delete";
    Active = "DeviceTokens.Active";
    Deactive = "DeviceTokens.Deactive";
}

impl<P: Permission> FromRequestParts<Shared> for May<P> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Shared) -> Result<Self, Problem> {
        let auth::User { app, claims } = auth::user(parts, api, Contract::DeviceToken).await?;
        if !claims.permissions.iter().any(|name| name == P::NAME) {
            return Err(Problem::forbidden("permission_required", P::REFUSAL));
        }
        let caller = Caller {
            app,
            user: claims.id,
            tenant: claims.tenant,
        };
        Ok(May(caller, PhantomData))
    }
}

/// Whether soft-deleted rows count.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Deleted {
    Included,
    LeftOut,
}

impl Caller {
    /// Whether the row is one of the caller's tenant.
    pub(super) fn sees(&self, device: &Device) -> bool {
        device.tenant == self.tenant
    }

    /// The row with this id.
    pub(super) async fn row(
        &self,
        api: &Shared,
        guid: Guid,
        deleted: Deleted,
    ) -> Result<Device, Problem> {
        let found = self.find(api, guid.device().into_iter().collect(), deleted);
        found.await?.pop().ok_or_else(no_such_device)
    }

    /// The rows with these ids, each once, in the order of the list; a fault for each id without one.
    pub(super) async fn rows(
        &self,
        api: &Shared,
        guids: &[Guid],
        deleted: Deleted,
    ) -> Result<Vec<Device>, Problem> {
        let ids = guids.iter().filter_map(|guid| guid.device());
        let mut found = self.find(api, ids.collect(), deleted).await?;
        let mut faults = Faults::default();
        let place_of = |id: DeviceId| guids.iter().rposition(|guid| guid.device() == Some(id));
        for (index, guid) in guids.iter().enumerate() {
            let id = guid.device();
            if !found.iter().any(|row| Some(row.id) == id) {
                faults.add(format!("{}.id", place(index)), "unknown", NO_SUCH_DEVICE);
            }
        }
        if !faults.is_empty() {
            return Err(Problem::invalid(StatusCode::NOT_FOUND, faults.into_vec()));
        }
        found.sort_by_cached_key(|row| place_of(row.id));
        Ok(found)
    }

    async fn find(
        &self,
        api: &Shared,
        ids: Vec<DeviceId>,
        deleted: Deleted,
    ) -> Result<Vec<Device>, Problem> {
        let mut rows = api.rooms.find(&self.app.id, ids).await?;
        rows.retain(|row| {
            self.sees(row) && (deleted == Deleted::Included || row.deleted_at.is_none())
        });
        Ok(rows)
    }
}

const NO_SUCH_DEVICE: &str = "there is no such DeviceToken";

/// Missing, deleted, or another tenant's: nobody is told which.
pub(super) fn no_such_device() -> Problem {
    Problem::not_found("device_not_found", NO_SUCH_DEVICE)
}
