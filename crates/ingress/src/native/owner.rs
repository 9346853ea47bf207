//! Whose devices a request is about, by either way in.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use fanfare_types::UserId;
use http::request::Parts;

use crate::api::Shared;
use crate::auth::{Service, User};
use crate::config::{AppDoor, Contract};
use crate::path;
use crate::problem::Problem;

/// The user whose devices are asked for or changed.
#[derive(Debug)]
pub(super) struct Owner {
    pub(super) app: Arc<AppDoor>,
    pub(super) user: UserId,
    pub(super) tenant: Option<String>,
}

/// `/v1/devices`: the user is the caller.
pub(super) struct Own(pub(super) Owner);

/// `/v1/users/{user_id}/devices`: a service acts for the user in the path.
pub(super) struct OnBehalf(pub(super) Owner);

impl FromRequestParts<Shared> for Own {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Shared) -> Result<Self, Problem> {
        let User { app, claims } = User::from_request_parts(parts, api).await?;
        app.serves(Contract::Native)?;
        Ok(Own(Owner {
            app,
            user: claims.id,
            tenant: claims.tenant,
        }))
    }
}

impl FromRequestParts<Shared> for OnBehalf {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Shared) -> Result<Self, Problem> {
        let Service { app } = Service::from_request_parts(parts, api).await?;
        app.serves(Contract::Native)?;
        let user = path::user(parts).await?;
        Ok(OnBehalf(Owner {
            app,
            user,
            tenant: None,
        }))
    }
}
