//! Callers as handlers ask for them: an extractor for each kind, so that no route forgets to ask.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use fanfare_types::UserId;
use http::request::Parts;

use super::{Caller, KeyKind, Who};
use crate::api::Shared;
use crate::config::AppDoor;
use crate::problem::Problem;

/// A service, by its API key.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) app: Arc<AppDoor>,
}

/// A user of an app, by JWT.
#[derive(Debug)]
pub(crate) struct User {
    pub(crate) app: Arc<AppDoor>,
    pub(crate) id: UserId,
    pub(crate) tenant: Option<String>,
}

impl FromRequestParts<Shared> for Service {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Shared) -> Result<Self, Problem> {
        let caller = authenticate(parts, api).await?;
        caller.refuse_agents()?;
        match caller.who {
            Who::Key(KeyKind::Service) => Ok(Service { app: caller.app }),
            _ => Err(Problem::forbidden(
                "service_key_required",
                "only a service's API key may do this",
            )),
        }
    }
}

impl FromRequestParts<Shared> for User {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Shared) -> Result<Self, Problem> {
        let caller = authenticate(parts, api).await?;
        caller.refuse_agents()?;
        match caller.who {
            Who::User { id, tenant } => Ok(User {
                app: caller.app,
                id,
                tenant,
            }),
            Who::Key(_) => Err(Problem::forbidden(
                "user_token_required",
                "only a user may do this; services use /v1/users/{user_id}/devices",
            )),
        }
    }
}

async fn authenticate(parts: &Parts, api: &Shared) -> Result<Caller, Problem> {
    api.now()
        .doors
        .authenticate(&parts.headers, api.clock.wall())
        .await
}
