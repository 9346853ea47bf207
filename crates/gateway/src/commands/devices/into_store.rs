//! Rows straight into the embedded store, while nothing serves it: by the same rules as registrations, a batch a read
//! and a commit.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::{Context, bail};
use fanfare_core::registration::{self, Decision, Known, Policy};
use fanfare_store::{Applied, Change, Store};
use fanfare_types::{AppId, Clock, Device, DeviceId, Status, Timestamp, UserId};
use futures_util::poll;

use super::bad::Bad;
use super::batch::{Batch, Taken};
use super::row::{Kept, Row};

/// Decisions of one row that somebody else's row got ahead of.
const TRIES_MAX: usize = 8;

pub(in crate::commands) struct IntoStore {
    store: Arc<dyn Store>,
    app: AppId,
    policy: Policy,
    clock: Clock,
}

/// What a row came to.
enum Came {
    /// To be written.
    Decided(Box<Decision>),
    Newer,
}

impl IntoStore {
    pub(in crate::commands) fn new(store: Arc<dyn Store>, app: AppId, policy: Policy) -> Self {
        IntoStore {
            store,
            app,
            policy,
            clock: Clock::system(),
        }
    }

    /// Registers all rows of a batch, or fails; repeating it is harmless.
    pub(super) async fn take(&self, batch: &Batch) -> anyhow::Result<Taken> {
        let users: Vec<UserId> = batch
            .by_user()
            .iter()
            .map(|rows| rows[0].1.user.clone())
            .collect();
        let mut own: HashMap<UserId, Vec<Device>> = HashMap::new();
        for device in self.store.devices_of(&self.app, users).await? {
            own.entry(device.user.clone()).or_default().push(device);
        }
        let (mut taken, mut changes) = (Taken::default(), Vec::new());
        for (line, row) in &batch.rows {
            let rows = own.entry(row.user.clone()).or_default();
            match self.decide(row, rows, None)? {
                Came::Newer => taken.newer += 1,
                Came::Decided(decision) => {
                    settle(rows, &decision);
                    changes.push((*line, row, decision.change));
                }
            }
        }
        self.apply(changes, &mut taken).await?;
        Ok(taken)
    }

    /// In the order of the file. What was decided without knowing that somebody else has the address is decided anew.
    async fn apply(
        &self,
        changes: Vec<(u64, &Row, Change)>,
        taken: &mut Taken,
    ) -> anyhow::Result<()> {
        let mut waiting = Vec::with_capacity(changes.len());
        for (line, row, change) in changes {
            let mut applied = self.store.apply(change);
            // Once it is polled it stands in the writer's queue, behind the one before.
            let first = poll!(&mut applied);
            waiting.push((line, row, applied, first));
        }
        let mut anew = Vec::new();
        for (line, row, applied, first) in waiting {
            let applied = match first {
                std::task::Poll::Ready(applied) => applied,
                std::task::Poll::Pending => applied.await,
            };
            match applied? {
                Applied::Done => taken.registered += 1,
                Applied::Conflict => anew.push((line, row)),
            }
        }
        for (line, row) in anew {
            self.take_alone(line, row, taken).await?;
        }
        Ok(())
    }

    async fn take_alone(&self, line: u64, row: &Row, taken: &mut Taken) -> anyhow::Result<()> {
        let key = self.policy.key(&row.register.address, &row.user);
        for _ in 0..TRIES_MAX {
            let own = self
                .store
                .devices_of(&self.app, vec![row.user.clone()])
                .await?;
            let holder = self.store.holder(&self.app, key).await?;
            match self.decide(row, &own, holder)? {
                Came::Newer => {
                    taken.newer += 1;
                    return Ok(());
                }
                Came::Decided(decision) => match self.store.apply(decision.change).await? {
                    Applied::Done => {
                        taken.registered += 1;
                        return Ok(());
                    }
                    Applied::Conflict => {}
                },
            }
        }
        // Nobody else writes: the id is another device's.
        if row.kept.id.is_some() {
            taken.bad.push(Bad::new(line, "duplicate", Some("id")));
            return Ok(());
        }
        bail!("line {line} changes under our hands: does something else write to the store?")
    }

    fn decide(&self, row: &Row, own: &[Device], holder: Option<Device>) -> anyhow::Result<Came> {
        let register = row.register.clone();
        let key = self.policy.key(&register.address, &row.user);
        let is_ours = |device: &&Device| self.policy.key(&device.address, &device.user) == key;
        let holder = holder.as_ref().or_else(|| own.iter().find(is_ours));
        let found = match &register.device_key {
            Some(_) => own
                .iter()
                .find(|device| device.device_key == register.device_key),
            None => holder,
        };
        let seen_later = |device: &Device| {
            let seen = row.kept.last_seen_at;
            seen.is_some_and(|seen| device.last_seen_at > seen)
        };
        if found.is_some_and(seen_later) {
            return Ok(Came::Newer);
        }
        let known = Known {
            app: &self.app,
            user: &row.user,
            own,
            holder,
            now: self.clock.now(),
        };
        let new_id = match row.kept.id {
            Some(id) => id,
            None => DeviceId::new(known.now, random()?),
        };
        let mut decision = registration::register(register, known, new_id, &self.policy);
        keep(&mut decision, &row.kept, known.now);
        Ok(Came::Decided(Box::new(decision)))
    }
}

fn random() -> anyhow::Result<u64> {
    let mut bytes = [0; 8];
    aws_lc_rs::rand::fill(&mut bytes).context("the system gives no random numbers")?;
    Ok(u64::from_be_bytes(bytes))
}

/// What the file knows of the device beside its registration.
fn keep(decision: &mut Decision, kept: &Kept, now: Timestamp) {
    let Some(put) = &mut decision.change.put else {
        return;
    };
    let device = &mut put.device;
    if let Some(status) = kept.status {
        device.status = status;
        device.invalidated_at = (status == Status::Invalid).then_some(now);
    }
    if let Some(seen) = kept.last_seen_at {
        device.last_seen_at = seen;
        device.registered_at = kept.registered_at.unwrap_or(seen);
    }
    if decision.is_new {
        device.created_at = kept
            .created_at
            .unwrap_or_else(|| device.last_seen_at.min(now));
        device.token_refreshed_at = kept.token_refreshed_at;
    }
    decision.device = device.clone();
}

/// The user's rows as they are once the decision is carried out.
fn settle(own: &mut Vec<Device>, decision: &Decision) {
    let gone = &decision.change.remove;
    let stays =
        |row: &Device| row.id != decision.device.id && !gone.iter().any(|gone| gone.id == row.id);
    own.retain(stays);
    own.push(decision.device.clone());
}
