//! Carrying a decision out, by whoever made it or finds it.
//!
//! Everything is written at the timestamp of the decision, so that what is written again, or late, neither changes nor
//! covers anything. The new row comes and former owners' rows go in one logged batch, so that a writer that dies in
//! between leaves neither nobody with the device nor two for long; and an address counts as settled only when its former
//! owners' rows were seen to be gone.

use fanfare_types::{AddressKey, AppId, DeviceRef};
use scylla::statement::prepared::PreparedStatement;
use scylla::value::CqlValue;

use super::Room;
use super::address::{Decision, Gone, Held, Next, State};
use super::judge::{Standing, later_than, name, unknown};
use crate::{Error, Result};

/// Most times one call looks at what others change meanwhile.
pub(super) const LOOKS_MAX: usize = 16;

/// Others changed it each time.
pub(super) fn contended() -> Error {
    Error::Unavailable("an address is changed by others all the time".to_owned())
}

impl Room {
    /// Finishes what was decided on an address. Afterwards it is free, or held and all of it is written.
    pub(super) async fn settle(&self, app: &AppId, key: &AddressKey) -> Result<()> {
        for _ in 0..LOOKS_MAX {
            let Some(decision) = self.address(app, key).await? else {
                return Ok(());
            };
            // In this order: what the row shows is of after the decision.
            let row = self.one_timed(app, &decision.holder).await?;
            let is_settled = match &decision.state {
                State::Held(held)
                    if Standing::of(key, Some(&decision), row.as_ref()) == Standing::Held
                        && self.is_rid_of(app, &held.gone, held.at).await? =>
                {
                    true
                }
                // It has gone on to another address: since this was read, or without saying so here.
                State::Held(held) if row.as_ref().is_some_and(|row| row.at > held.at) => {
                    self.forget(app, key, decision.change).await;
                    false
                }
                State::Held(held) => self
                    .finish(app, &decision.holder, held)
                    .await
                    .map_err(others)
                    .map(|()| true)?,
                State::Freed(gone) => {
                    self.bury(app, key, &decision, gone).await.map_err(others)?;
                    true
                }
                State::Leaving(held, next) => self.leave(app, key, &decision, held, next).await?,
            };
            if is_settled {
                return Ok(());
            }
        }
        Err(contended())
    }

    /// Whether the rows that a decision of this timestamp removes are gone. Most decisions remove none. Those with an
    /// address of their own went before the new row came.
    pub(super) async fn is_rid_of(&self, app: &AppId, gone: &[Gone], at: i64) -> Result<bool> {
        for gone in gone.iter().filter(|gone| gone.key.is_none()) {
            let row = self.one_timed(app, &gone.name).await?;
            // A later one has come back.
            if row.is_some_and(|row| row.at < at) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Removals of what has an address of its own, then all the rest at once.
    pub(super) async fn finish(&self, app: &AppId, holder: &DeviceRef, held: &Held) -> Result<()> {
        for gone in &held.gone {
            if gone.key.is_some() {
                let removed = Box::pin(self.remove(app, &gone.name, Some(held.at)));
                removed.await?;
            }
        }
        let mut writes = self.writes(app, held.at);
        for gone in held.gone.iter().filter(|gone| gone.key.is_none()) {
            writes.remove(gone, gone.name.id != holder.id);
        }
        writes.put(holder, held);
        writes.write().await
    }

    /// Removes a device whose address was freed, then the address's row.
    pub(super) async fn bury(
        &self,
        app: &AppId,
        key: &AddressKey,
        decision: &Decision,
        gone: &Gone,
    ) -> Result<()> {
        let mut writes = self.writes(app, decision.ts);
        writes.remove(gone, true);
        writes.write().await?;
        self.forget(app, key, decision.change).await;
        Ok(())
    }

    /// Makes the decision on the next address of a device, if it can still be made; else the device stays. Whether
    /// this address is settled now.
    async fn leave(
        &self,
        app: &AppId,
        key: &AddressKey,
        decision: &Decision,
        held: &Held,
        next: &Next,
    ) -> Result<bool> {
        if self.has_left(app, decision, held).await? {
            self.forget(app, key, decision.change).await;
            return Ok(true);
        }
        let there = self.address_serially(app, &next.key).await?;
        let is_made = there.as_ref().is_some_and(|there| there.is(&next.decision));
        if !is_made && there.map(|there| there.change) == next.seen {
            // Whoever else finds this does the same, so refused it may be made all the same: look again.
            self.decide(app, &next.key, next.seen, &next.decision)
                .await
                .map_err(others)?;
            return Ok(false);
        }
        if is_made {
            if let State::Held(onward) = &next.decision.state {
                let holder = &next.decision.holder;
                self.finish(app, holder, onward).await.map_err(others)?;
            }
            self.forget(app, key, decision.change).await;
            return Ok(true);
        }
        // Refused; or made, and then others decided over it, but not before it was carried out.
        if self.has_left(app, decision, held).await? {
            self.forget(app, key, decision.change).await;
            return Ok(true);
        }
        self.stay(app, key, decision, held).await.map_err(others)
    }

    /// Whether the device's row shows that its next address was decided on.
    async fn has_left(&self, app: &AppId, decision: &Decision, held: &Held) -> Result<bool> {
        let row = self.one_timed(app, &decision.holder).await?;
        Ok(row.is_none_or(|row| row.at > held.at))
    }

    /// A device that was leaving stays. `false`: others have decided meanwhile.
    pub(super) async fn stay(
        &self,
        app: &AppId,
        key: &AddressKey,
        leaving: &Decision,
        held: &Held,
    ) -> Result<bool> {
        let stays = Decision {
            change: name(),
            previous: Some(leaving.change),
            ts: later_than([leaving.ts]),
            holder: leaving.holder.clone(),
            state: State::Held(held.clone()),
        };
        self.decide(app, key, Some(leaving.change), &stays).await
    }

    /// What is written at one timestamp.
    pub(super) fn writes<'a>(&'a self, app: &'a AppId, at: i64) -> Writes<'a> {
        Writes {
            room: self,
            app,
            at,
            statements: Vec::new(),
            values: Vec::new(),
        }
    }
}

/// What failed of somebody else's change: of the caller's own nothing has happened.
fn others(error: Error) -> Error {
    match unknown(error) {
        Error::Unknown(what) => Error::Unavailable(what),
        error => error,
    }
}

/// Writes of one timestamp, all of them or none.
pub(super) struct Writes<'a> {
    room: &'a Room,
    app: &'a AppId,
    at: i64,
    statements: Vec<PreparedStatement>,
    values: Vec<Vec<CqlValue>>,
}

impl Writes<'_> {
    /// A row goes, and what leads to it. `is_gone`: the device is nowhere else.
    pub(super) fn remove(&mut self, gone: &Gone, is_gone: bool) {
        let DeviceRef { user, id } = &gone.name;
        let (app, at) = (text(self.app.as_str()), CqlValue::BigInt(self.at));
        let id_blob = CqlValue::Blob(id.0.0.to_vec());
        let key = [app.clone(), text(user.as_str()), id_blob.clone()];
        let delete = [[at.clone()].as_slice(), &key].concat();
        self.add(&self.room.statements.delete, delete);
        if is_gone {
            self.add(&self.room.statements.delete_owner, vec![at, app, id_blob]);
        }
        if let Some(tenant) = &gone.tenant {
            self.unlist(&gone.name, tenant);
        }
    }

    fn put(&mut self, holder: &DeviceRef, held: &Held) {
        let (app, at) = (text(self.app.as_str()), CqlValue::BigInt(self.at));
        let (user, id) = (text(holder.user.as_str()), blob(holder));
        let body = CqlValue::Blob(held.body.clone());
        let mut row = vec![app.clone(), user.clone(), id.clone(), body];
        if !held.is_new {
            row.push(at.clone());
            self.add(&self.room.statements.put, row);
        } else {
            // A campaign that was cut before passes it over: it may have been sent to its former user.
            row.extend([at.clone(), at.clone()]);
            self.add(&self.room.statements.put_new, row);
            let owner = vec![app.clone(), id.clone(), user.clone(), at.clone()];
            self.add(&self.room.statements.put_owner, owner);
        }
        if let Some(tenant) = &held.listed {
            let row = vec![app, text(tenant), bucket(holder), id, user, at];
            self.add(&self.room.statements.list, row);
        }
        if let Some(tenant) = &held.unlisted {
            self.unlist(holder, tenant);
        }
    }

    fn unlist(&mut self, name: &DeviceRef, tenant: &str) {
        let (app, at) = (text(self.app.as_str()), CqlValue::BigInt(self.at));
        let key = vec![at, app, text(tenant), bucket(name), blob(name)];
        self.add(&self.room.statements.unlist, key);
    }

    fn add(&mut self, statement: &PreparedStatement, values: Vec<CqlValue>) {
        self.statements.push(statement.clone());
        self.values.push(values);
    }

    pub(super) async fn write(self) -> Result<()> {
        let Writes {
            room,
            statements,
            values,
            ..
        } = self;
        match (statements.as_slice(), values.as_slice()) {
            ([], _) => Ok(()),
            ([statement], [values]) => room.db.write(statement, values).await,
            _ => room.db.write_all(statements, values).await,
        }
    }
}

fn text(text: &str) -> CqlValue {
    CqlValue::Text(text.to_owned())
}

fn blob(name: &DeviceRef) -> CqlValue {
    CqlValue::Blob(name.id.0.0.to_vec())
}

fn bucket(name: &DeviceRef) -> CqlValue {
    CqlValue::SmallInt(super::listing::bucket(name.id))
}
