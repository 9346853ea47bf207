//! One change of the registry: read, decide, carry out.
//!
//! ```text
//! rows and addresses ─▶ plan ─▶ [the former address: leaving] ─▶ decide ─▶ removals ─▶ the row ─▶ done
//! ```

use std::sync::atomic::{AtomicBool, Ordering};

use fanfare_types::{AppId, DeviceRef};
use futures_util::future::{join_all, join4};
use futures_util::stream::{StreamExt, TryStreamExt, iter};

use super::address::State;
use super::judge::unknown;
use super::plan::{Plan, Seen, Step, named};
use super::settle::{LOOKS_MAX, contended};
use super::{AT_ONCE, Room};
use crate::{Applied, Change, Error, Expect, Put, Result};

impl Room {
    pub(super) async fn apply(&self, change: Change) -> Result<Applied> {
        let is_sent = AtomicBool::new(false);
        let steps = Box::pin(self.steps(&change, &is_sent));
        match tokio::time::timeout(self.patience, steps).await {
            Ok(applied) => applied,
            Err(_) if is_sent.into_inner() => {
                Err(Error::Unknown("a change took too long".to_owned()))
            }
            Err(_) => Err(Error::Unavailable("no answer in time".to_owned())),
        }
    }

    async fn steps(&self, change: &Change, is_sent: &AtomicBool) -> Result<Applied> {
        let Some(put) = &change.put else {
            return self.removals(change, is_sent).await;
        };
        for _ in 0..LOOKS_MAX {
            let seen = self.see(change, put).await?;
            match seen.plan(change, put) {
                Plan::Conflict => return Ok(Applied::Conflict),
                Plan::Settle(key) => self.settle(&change.app, &key).await?,
                Plan::LookAgain(name) => self.look_again(&change.app, &name).await?,
                Plan::Decide(step) => {
                    is_sent.store(true, Ordering::Relaxed);
                    return self.take(&change.app, put, &step).await;
                }
            }
        }
        Err(contended())
    }

    /// Decides, and carries out what is decided.
    pub(super) async fn take(&self, app: &AppId, put: &Put, step: &Step) -> Result<Applied> {
        if let Some(from) = &step.from
            && !self
                .decide(app, &from.key, Some(from.seen), &from.leaving)
                .await?
        {
            return Ok(Applied::Conflict);
        }
        let decided = self.decide(app, &put.key, step.seen, &step.decision).await;
        let is_decided = match (decided, &step.from) {
            // Whoever found the device leaving may have decided in our name.
            (Ok(false), Some(_)) => {
                let there = self
                    .address_serially(app, &put.key)
                    .await
                    .map_err(unknown)?;
                Ok(there.is_some_and(|there| there.is(&step.decision)))
            }
            (decided, _) => decided,
        };
        match (is_decided, &step.from) {
            (Ok(true), from) => {
                let finished = self.finish(app, &step.decision.holder, &step.held).await;
                finished.map_err(unknown)?;
                if let Some(from) = from {
                    self.forget(app, &from.key, from.leaving.change).await;
                }
                Ok(Applied::Done)
            }
            (Err(error @ Error::Unknown(_)), _) => Err(error),
            (refused, Some(from)) => {
                // Whoever finds it leaving finds that out, too.
                drop(self.stay(app, &from.key, &from.leaving, &from.held).await);
                refused.map(|_| Applied::Conflict)
            }
            (refused, None) => refused.map(|_| Applied::Conflict),
        }
    }

    async fn removals(&self, change: &Change, is_sent: &AtomicBool) -> Result<Applied> {
        if let Some(claim) = &change.claim {
            let found = self.holder(&change.app, claim.key).await?;
            if found.map(|device| device.as_ref()) != claim.holder {
                return Ok(Applied::Conflict);
            }
        }
        is_sent.store(true, Ordering::Relaxed);
        let removals = iter(change.remove.clone());
        let removals =
            removals.map(|name| async move { self.remove(&change.app, &name, None).await });
        let removals = removals.buffer_unordered(AT_ONCE);
        let removed = removals.try_collect::<()>().await;
        // Of several, some may be gone.
        match change.remove.len() {
            0 | 1 => removed?,
            _ => removed.map_err(unknown)?,
        }
        Ok(Applied::Done)
    }

    /// Reads all that a put is decided on: in one round trip, and another where an address is another row's.
    pub(super) async fn see(&self, change: &Change, put: &Put) -> Result<Seen> {
        let app = &change.app;
        let named = named(change, put);
        let is_known = async {
            match put.expect {
                Expect::Absent => self
                    .owner(app, put.device.id)
                    .await
                    .map(|user| user.is_some()),
                Expect::Present { .. } => Ok(false),
            }
        };
        let claimed = change.claim.as_ref().map(|claim| claim.key);
        let keys = [Some(put.key), claimed.filter(|key| *key != put.key)];
        let keys = keys.into_iter().flatten();
        let addresses = keys.map(|key| async move {
            let decision = self.address(app, &key).await?;
            Ok::<_, Error>((key, decision))
        });
        let (own, others, addresses, is_known) = join4(
            self.own_timed(app, &put.device.user),
            join_all(named.iter().map(|name| self.one_timed(app, name))),
            join_all(addresses),
            is_known,
        )
        .await;
        let mut seen = Seen {
            own: own?,
            is_known: is_known?,
            ..Seen::default()
        };
        for row in others {
            seen.others.extend(row?);
        }
        for found in addresses {
            let (key, decision) = found?;
            seen.addresses.insert(key, decision);
        }
        self.see_further(app, put, &mut seen).await?;
        Ok(seen)
    }

    /// The address that the row has now, and the rows that hold the addresses.
    async fn see_further(&self, app: &AppId, put: &Put, seen: &mut Seen) -> Result<()> {
        if let Expect::Present { user, .. } = &put.expect {
            let name = DeviceRef {
                user: user.clone(),
                id: put.device.id,
            };
            let key = seen.row(&name).map(|row| row.key);
            if let Some(key) = key.filter(|key| !seen.addresses.contains_key(key)) {
                let decision = self.address(app, &key).await?;
                seen.addresses.insert(key, decision);
            }
        }
        let holders = seen.addresses.values().flatten();
        let holders = holders.map(|found| &found.holder);
        let unseen: Vec<DeviceRef> = holders
            .filter(|name| name.user != put.device.user && seen.row(name).is_none())
            .cloned()
            .collect();
        for name in unseen {
            seen.others.extend(self.one_timed(app, &name).await?);
        }
        for (key, decision) in &seen.addresses {
            if let Some(State::Held(held)) = decision.as_ref().map(|found| &found.state)
                && !self.is_rid_of(app, &held.gone, held.at).await?
            {
                seen.lingering.insert(*key);
            }
        }
        Ok(())
    }
}
