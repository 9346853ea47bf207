//! Which pool sends what.

use std::collections::HashMap;

use fanfare_link::Resolver;
use fanfare_types::{AppId, Channel, Delivery, Environment};

use crate::pool::credential::{self, Credential};
use crate::slot::Slot;
use crate::{App, Error, Result, pool};

const WAYS: usize = 3;

/// Index of a pool by way, of one app.
type Ways = [Option<usize>; WAYS];

/// The pools of every app that is served.
pub(crate) struct Table {
    entries: Vec<Entry>,
    apps: HashMap<AppId, Ways>,
}

/// A credential and where its pool is found, in the order of the apps.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) credential: Credential,
    pub(super) slot: Slot<pool::Msg>,
}

/// Where a delivery goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Pool(usize),
    NoCredential,
    NotServed,
}

/// Which of an app's pools sends to such an address; none for a channel that is not sent to.
fn way(channel: Channel, environment: Environment) -> Option<usize> {
    match (channel, environment) {
        (Channel::IosPush, Environment::Production) => Some(0),
        (Channel::IosPush, Environment::Sandbox) => Some(1),
        (Channel::Fcm, _) => Some(2),
        (Channel::WebPush, _) => None,
    }
}

impl Table {
    /// With slots that nobody stands in yet.
    pub(super) fn new(apps: &[App], resolver: &Resolver) -> Result<Self> {
        let unusable = |error: fanfare_providers::Error| Error::Start(error.to_string());
        let mut index: HashMap<_, _> = apps
            .iter()
            .map(|app| (app.id.clone(), Ways::default()))
            .collect();
        let mut entries = Vec::new();
        for credential in credential::all(apps, resolver).map_err(unusable)? {
            let ways = index.entry(credential.app().clone()).or_default();
            if let Some(way) = way(credential.channel(), credential.environment()) {
                ways[way] = Some(entries.len());
            }
            let slot = Slot::empty();
            entries.push(Entry { credential, slot });
        }
        Ok(Table {
            entries,
            apps: index,
        })
    }

    pub(super) fn place(&self, delivery: &Delivery) -> Place {
        let Some(ways) = self.apps.get(&delivery.live.app) else {
            return Place::NotServed;
        };
        let address = &delivery.address;
        let pool = way(address.channel, address.environment).and_then(|way| ways[way]);
        pool.map_or(Place::NoCredential, Place::Pool)
    }

    pub(super) fn slot(&self, pool: usize) -> &Slot<pool::Msg> {
        &self.entries[pool].slot
    }

    pub(super) fn slots(&self) -> impl Iterator<Item = &Slot<pool::Msg>> {
        self.entries.iter().map(|entry| &entry.slot)
    }

    pub(super) fn slots_of(&self, app: &AppId) -> impl Iterator<Item = &Slot<pool::Msg>> {
        let pools = self.apps.get(app).into_iter().flatten().flatten();
        pools.map(|pool| &self.entries[*pool].slot)
    }

    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The entry of the same app, provider and environment stands here from now on.
    pub(super) fn set_slot(&mut self, pool: usize, slot: Slot<pool::Msg>) {
        self.entries[pool].slot = slot;
    }
}

impl Entry {
    /// Whether `other` is of the same app, provider and environment.
    pub(super) fn is_place_of(&self, other: &Credential) -> bool {
        let own = &self.credential;
        own.app() == other.app()
            && own.channel() == other.channel()
            && own.environment() == other.environment()
    }
}
