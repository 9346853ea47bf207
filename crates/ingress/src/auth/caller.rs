//! Callers as handlers ask for them: an extractor for each kind, so that no route forgets to ask.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::request::Parts;

use super::{Caller, Claims, KeyKind, Who};
use crate::api::Shared;
use crate::config::{AppDoor, Contract};
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
    pub(crate) claims: Claims,
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
            Who::User(claims) => Ok(User {
                app: caller.app,
                claims,
            }),
            Who::Key(_) => Err(Problem::forbidden(
                "user_token_required",
                "only a user may do this; services use /v1/users/{user_id}/devices",
            )),
        }
    }
}

/// Whoever calls `contract`; 404 when the caller's app does not serve it.
pub(crate) async fn caller(
    parts: &Parts,
    api: &Shared,
    contract: Contract,
) -> Result<Caller, Problem> {
    let caller = authenticate(parts, api).await?;
    caller.app.serves(contract)?;
    Ok(caller)
}

/// The user who calls `contract`, which knows users alone: an API key is no credential to it.
pub(crate) async fn user(parts: &Parts, api: &Shared, contract: Contract) -> Result<User, Problem> {
    let Caller { app, who } = caller(parts, api, contract).await?;
    match who {
        Who::User(claims) => Ok(User { app, claims }),
        Who::Key(_) => Err(Problem::unauthorized(
            "user_token_required",
            "only a user may do this, by JWT",
        )),
    }
}

async fn authenticate(parts: &Parts, api: &Shared) -> Result<Caller, Problem> {
    api.now()
        .doors
        .authenticate(&parts.headers, api.clock.wall())
        .await
}
