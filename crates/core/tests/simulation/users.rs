//! A user's writes, one after the other, as `actors/src/user.rs` carries them out.

use fanfare_core::cleanup::OnDeadToken;
use fanfare_core::registration::{self, Decision, Known, Patch, Policy, Register};
use fanfare_types::{Address, Device, DeviceId, Timestamp};

use crate::coverage::Seen;
use crate::event::Task;
use crate::gateway::Drain;
use crate::sim::Sim;
use crate::store::{Trouble, Write, Wrote};

const TRIES_MAX: u32 = 32;

#[derive(Clone, Debug)]
pub(crate) enum Command {
    Register(Register),
    Patch(DeviceId, Patch),
    Remove(DeviceId),
    Bury(DeviceId, Timestamp),
}

/// A call under way.
#[derive(Clone, Debug)]
pub(crate) struct Op {
    pub(crate) app: usize,
    pub(crate) user: usize,
    pub(crate) command: Command,
    tries: u32,
    /// Of the user's actor that has it: one that died answers nobody.
    life: u64,
}

impl Op {
    pub(crate) fn new(app: usize, user: usize, command: Command) -> Self {
        Op {
            app,
            user,
            command,
            tries: 0,
            life: 0,
        }
    }

    fn address(&self) -> Option<&Address> {
        match &self.command {
            Command::Register(register) => Some(&register.address),
            Command::Patch(_, patch) => patch.address.as_ref(),
            Command::Remove(_) | Command::Bury(..) => None,
        }
    }

    fn device(&self) -> Option<DeviceId> {
        match &self.command {
            Command::Register(_) => None,
            Command::Patch(id, _) | Command::Remove(id) | Command::Bury(id, _) => Some(*id),
        }
    }
}

impl Sim {
    pub(crate) fn policy(&self) -> Policy {
        Policy {
            address_sharing: self.options.sharing,
            devices_per_user_max: self.options.devices_per_user_max,
            deactivate_after: 5,
        }
    }

    pub(crate) fn call_user(&mut self, op: Op) {
        if self.g.drain != Drain::No {
            return;
        }
        let calls = self.g.users.entry((op.app, op.user)).or_default();
        calls.push_back(op);
        if calls.len() == 1 {
            let first = calls.front().cloned();
            self.begin_call(first);
        }
    }

    fn begin_call(&mut self, op: Option<Op>) {
        if let Some(mut op) = op {
            op.life = self.g.user_lives;
            self.read_then(Task::Own(Box::new(op)));
        }
    }

    /// A user's actor dies: its calls are lost; a write under way goes on without it.
    pub(crate) fn user_dies(&mut self, app: usize, user: usize) {
        let calls = self.g.users.remove(&(app, user));
        if calls.is_some_and(|calls| !calls.is_empty()) {
            self.mark(Seen::UserDied);
        }
        self.g.user_deaths.push((app, user, self.g.user_lives));
        self.g.user_lives += 1;
    }

    /// Whether the actor that began this call is no more.
    fn is_orphaned(&self, op: &Op) -> bool {
        let mut deaths = self.g.user_deaths.iter();
        deaths.any(|(app, user, life)| (*app, *user) == (op.app, op.user) && op.life <= *life)
    }

    fn end_call(&mut self, op: &Op) {
        let calls = self.g.users.entry((op.app, op.user)).or_default();
        calls.pop_front();
        let next = calls.front().cloned();
        self.begin_call(next);
    }

    pub(crate) fn read_own(&mut self, op: Box<Op>) {
        if self.is_orphaned(&op) {
            return;
        }
        if self.read_fails() {
            return self.end_call(&op);
        }
        let app = &self.apps[op.app];
        let own = match op.device() {
            None => self.store.devices_of(app, &self.users[op.user]),
            Some(id) => self.store.row(app, id).cloned().into_iter().collect(),
        };
        self.read_then(Task::Holder(op, own));
    }

    pub(crate) fn read_holder(&mut self, op: Box<Op>, own: Vec<Device>) {
        if self.is_orphaned(&op) {
            return;
        }
        let key = op
            .address()
            .map(|address| self.policy().key(address, &self.users[op.user]));
        let holder = key.and_then(|key| self.store.holder(&self.apps[op.app], key).cloned());
        self.read_then(Task::Decide(op, own, holder.map(Box::new)));
    }

    pub(crate) fn decide(&mut self, op: Box<Op>, own: &[Device], holder: Option<&Device>) {
        if self.is_orphaned(&op) {
            return;
        }
        let Some(decision) = self.decision(&op, own, holder) else {
            return self.end_call(&op);
        };
        let write = Write::Apply(Box::new(decision.change.clone()));
        self.write(write, Task::Applied(op, Box::new(decision)));
    }

    fn decision(&mut self, op: &Op, own: &[Device], holder: Option<&Device>) -> Option<Decision> {
        let (now, policy) = (self.now(), self.policy());
        let user = &self.users[op.user];
        let mut rows = own.iter().filter(|row| row.user == *user);
        match &op.command {
            Command::Register(register) => {
                let known = Known {
                    app: &self.apps[op.app],
                    user,
                    own,
                    holder,
                    now,
                };
                let new_id = DeviceId::new(now, self.dice.next());
                let register = register.clone();
                Some(registration::register(register, known, new_id, &policy))
            }
            Command::Patch(_, patch) => {
                let row = rows.next()?;
                Some(registration::patch(
                    patch.clone(),
                    row,
                    holder,
                    None,
                    now,
                    &policy,
                ))
            }
            Command::Remove(_) => Some(registration::remove(rows.next()?)),
            Command::Bury(_, since) => {
                let row = rows.next()?;
                let on_dead = match self.options.delete_dead {
                    true => OnDeadToken::Delete,
                    false => OnDeadToken::Invalidate,
                };
                let buried = registration::bury(row, *since, on_dead, now, &policy);
                match &buried {
                    Some(_) => assert!(row.registered_at <= *since, "buried alive"),
                    None => self.coverage.mark(Seen::NotBuried),
                }
                buried
            }
        }
    }

    pub(crate) fn applied(
        &mut self,
        mut op: Box<Op>,
        decision: Decision,
        wrote: Result<Wrote, Trouble>,
        change: Option<u64>,
    ) {
        if self.is_orphaned(&op) {
            // The write and what follows from it at once are a task of their own.
            if matches!(wrote, Ok(Wrote::Done) | Err(Trouble::Unknown)) {
                self.revoke(&decision);
            }
            return;
        }
        match wrote {
            Ok(Wrote::Done) => {
                self.revoke(&decision);
                self.acknowledge(&op, &decision, change);
                self.end_call(&op);
            }
            Ok(Wrote::Conflict) => {
                self.mark(Seen::Contended);
                op.tries += 1;
                match op.tries < TRIES_MAX {
                    true => self.read_then(Task::Own(op)),
                    false => self.end_call(&op),
                }
            }
            Err(Trouble::Unknown) => {
                // It may have happened, so what it revokes is revoked either way.
                self.revoke(&decision);
                self.read_then(Task::ReadBack(op, Box::new(decision), change));
            }
            Err(Trouble::Unavailable) => self.end_call(&op),
        }
    }

    pub(crate) fn read_back(&mut self, mut op: Box<Op>, decision: &Decision, change: Option<u64>) {
        if self.is_orphaned(&op) {
            return;
        }
        if self.read_fails() {
            return self.end_call(&op);
        }
        let row = self.store.row(&self.apps[op.app], decision.device.id);
        if decision.stands_in(row.cloned().as_slice()) {
            self.acknowledge(&op, decision, change);
            return self.end_call(&op);
        }
        op.tries += 1;
        match op.tries < TRIES_MAX {
            true => self.read_then(Task::Own(op)),
            false => self.end_call(&op),
        }
    }

    /// Before the answer.
    fn revoke(&mut self, decision: &Decision) {
        let now = self.now();
        for id in &decision.revoked {
            let before = self.g.revocations.entries();
            self.g.revocations.revoke(*id, now);
            if self.g.revocations.entries() < before {
                self.mark(Seen::RevocationFloor);
            }
        }
    }

    fn acknowledge(&mut self, op: &Op, decision: &Decision, change: Option<u64>) {
        if let Some(change) = change {
            self.books.acknowledged(change);
        }
        let removes = !decision.change.remove.is_empty();
        match &op.command {
            Command::Register(_) => {
                self.mark(match (decision.is_new, decision.is_move()) {
                    (true, _) => Seen::Created,
                    (false, true) => Seen::Moved,
                    (false, false) => Seen::Refreshed,
                });
                if removes {
                    self.mark(Seen::Evicted);
                }
            }
            Command::Patch(..) => self.mark(Seen::Patched),
            Command::Remove(_) => self.mark(Seen::Removed),
            Command::Bury(..) => self.mark(Seen::Buried),
        }
    }
}
