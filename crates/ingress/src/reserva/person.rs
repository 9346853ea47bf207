//! Who calls: staff or a customer, by what the JWT says of them.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use fanfare_types::UserId;
use http::request::Parts;

use crate::api::Shared;
use crate::auth::{self, User};
use crate::config::{AppDoor, Contract};
use crate::problem::Problem;

/// A caller of this contract, whichever population they are of.
#[derive(Debug)]
pub(super) struct Person {
    pub(super) app: Arc<AppDoor>,
    /// With the population before it.
    pub(super) user: UserId,
    pub(super) tenant: Option<String>,
}

/// Staff, of the organisation in the tenant claim.
pub(super) struct Staff(pub(super) Person);

/// A customer.
pub(super) struct Customer(pub(super) Person);

impl FromRequestParts<Shared> for Staff {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Shared) -> Result<Self, Problem> {
        let person = person(parts, api, "staff").await?;
        if person.tenant.is_none() {
            return Err(Problem::forbidden("no_tenant", "User has no tenant access"));
        }
        Ok(Staff(person))
    }
}

impl FromRequestParts<Shared> for Customer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Shared) -> Result<Self, Problem> {
        person(parts, api, "customer").await.map(Customer)
    }
}

/// A JWT of the other population is no JWT for this route.
async fn person(parts: &Parts, api: &Shared, population: &str) -> Result<Person, Problem> {
    let User { app, claims } = auth::user(parts, api, Contract::Reserva).await?;
    if claims.user_type.as_deref() != Some(population) {
        return Err(Problem::unauthorized(
            "wrong_user_type",
            "the token is of another kind of user",
        ));
    }
    let user = UserId::new(&format!("{population}:{}", claims.id));
    let user =
        user.map_err(|_| Problem::unauthorized("invalid_token", "the token names no valid user"))?;
    Ok(Person {
        app,
        user,
        tenant: claims.tenant,
    })
}
