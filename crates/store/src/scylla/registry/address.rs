//! An address's row: what was decided on it, and all that is to be written elsewhere for it.
//!
//! ```text
//!   (no row: free) ─▶ held ─▶ held ─▶ …              refreshed, moved, taken over
//!                      │ ▲ └──▶ freed ─▶ (no row)     the device is removed
//!                      ▼ │ the other address was refused
//!                    leaving ─▶ (no row)             the device goes on to another address
//! ```
//!
//! Every arrow is one compare-and-set on `change`, a number of which no two are alike. A row is *settled* when all it
//! says was written; nothing is decided over one that is not, so that at most its last decision can be half done.

#[cfg(test)]
mod tests;

use fanfare_types::{AddressKey, DeviceRef, UserId};

use super::row::{device_id, opt, put_opt, put_text_opt, text_opt};
use crate::codec::{Input, VERSION, put_number, put_text};

/// What is decided on an address. `Debug` would show the packed row, and there is none.
#[derive(Clone, PartialEq)]
pub(super) struct Decision {
    /// Names this decision.
    pub(super) change: i64,
    /// The decision before.
    pub(super) previous: Option<i64>,
    /// µs; grows with each decision on the address, and is later than whatever was written of the rows involved.
    pub(super) ts: i64,
    /// Of the row that the address is, or was, of.
    pub(super) holder: DeviceRef,
    pub(super) state: State,
}

#[derive(Clone, PartialEq)]
pub(super) enum State {
    Held(Held),
    /// Held, until the decision on the device's next address is made.
    Leaving(Held, Next),
    /// The device is removed, then this row.
    Freed(Gone),
}

/// What is to be written for the address's holder: removals first.
#[derive(Clone, PartialEq)]
pub(super) struct Held {
    /// The timestamp of it all.
    pub(super) at: i64,
    /// [`super::row::pack`].
    pub(super) body: Vec<u8>,
    /// Whose the device is has to be written.
    pub(super) is_new: bool,
    /// The tenant that has it in its listing from now on.
    pub(super) listed: Option<String>,
    /// The tenant that had it.
    pub(super) unlisted: Option<String>,
    pub(super) gone: Vec<Gone>,
}

/// A row that goes.
#[derive(Clone, PartialEq)]
pub(super) struct Gone {
    pub(super) name: DeviceRef,
    /// Its address, where that is to be freed before; `None`: this decision does so.
    pub(super) key: Option<AddressKey>,
    pub(super) tenant: Option<String>,
}

/// Where a device goes on to.
#[derive(Clone, PartialEq)]
pub(super) struct Next {
    pub(super) key: AddressKey,
    /// What has to be the last decision on that address.
    pub(super) seen: Option<i64>,
    pub(super) decision: Box<Decision>,
}

impl Decision {
    /// Whether this is another decision or the one made over it, so that the other was made.
    pub(super) fn is(&self, other: &Decision) -> bool {
        self.change == other.change || self.previous == Some(other.change)
    }

    pub(super) fn pack(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(512);
        out.push(VERSION);
        put_opt(&mut out, self.previous.map(i64::cast_unsigned));
        put_name(&mut out, &self.holder);
        match &self.state {
            State::Held(held) => {
                out.push(0);
                put_held(&mut out, held);
            }
            State::Leaving(held, next) => {
                out.push(1);
                put_held(&mut out, held);
                out.extend(next.key.0);
                put_opt(&mut out, next.seen.map(i64::cast_unsigned));
                put_number(&mut out, next.decision.change.cast_unsigned());
                put_number(&mut out, next.decision.ts.cast_unsigned());
                out.extend(next.decision.pack());
            }
            State::Freed(gone) => {
                out.push(2);
                put_gone(&mut out, gone);
            }
        }
        out
    }

    /// `None` when the blob is damaged.
    pub(super) fn unpack(change: i64, ts: i64, blob: &[u8]) -> Option<Self> {
        let mut input = Input(blob);
        if input.byte()? != VERSION {
            return None;
        }
        let previous = opt(&mut input)?.map(u64::cast_signed);
        let holder = name(&mut input)?;
        let state = match input.byte()? {
            0 => State::Held(held(&mut input)?),
            1 => State::Leaving(held(&mut input)?, next(&mut input)?),
            2 => State::Freed(gone(&mut input)?),
            _ => return None,
        };
        input.0.is_empty().then_some(Decision {
            change,
            previous,
            ts,
            holder,
            state,
        })
    }
}

fn put_held(out: &mut Vec<u8>, held: &Held) {
    put_number(out, held.at.cast_unsigned());
    put_number(out, held.body.len() as u64);
    out.extend(&held.body);
    out.push(u8::from(held.is_new));
    put_text_opt(out, held.listed.as_deref());
    put_text_opt(out, held.unlisted.as_deref());
    put_number(out, held.gone.len() as u64);
    held.gone.iter().for_each(|gone| put_gone(out, gone));
}

fn held(input: &mut Input<'_>) -> Option<Held> {
    let at = input.number()?.cast_signed();
    let length = usize::try_from(input.number()?).ok()?;
    let body = input.take(length)?.to_vec();
    let is_new = input.byte()? != 0;
    let listed = text_opt(input)?;
    let unlisted = text_opt(input)?;
    let mut rows = Vec::new();
    for _ in 0..input.number()? {
        rows.push(gone(input)?);
    }
    Some(Held {
        at,
        body,
        is_new,
        listed,
        unlisted,
        gone: rows,
    })
}

fn next(input: &mut Input<'_>) -> Option<Next> {
    let key = key(input)?;
    let seen = opt(input)?.map(u64::cast_signed);
    let change = input.number()?.cast_signed();
    let ts = input.number()?.cast_signed();
    let rest = std::mem::take(&mut input.0);
    Some(Next {
        key,
        seen,
        decision: Box::new(Decision::unpack(change, ts, rest)?),
    })
}

fn put_gone(out: &mut Vec<u8>, gone: &Gone) {
    put_name(out, &gone.name);
    out.push(u8::from(gone.key.is_some()));
    out.extend(gone.key.iter().flat_map(|key| key.0));
    put_text_opt(out, gone.tenant.as_deref());
}

fn gone(input: &mut Input<'_>) -> Option<Gone> {
    Some(Gone {
        name: name(input)?,
        key: match input.byte()? {
            0 => None,
            _ => Some(key(input)?),
        },
        tenant: text_opt(input)?,
    })
}

fn key(input: &mut Input<'_>) -> Option<AddressKey> {
    Some(AddressKey(input.take(16)?.try_into().ok()?))
}

fn put_name(out: &mut Vec<u8>, name: &DeviceRef) {
    out.extend(name.id.0.0);
    put_text(out, name.user.as_str());
}

fn name(input: &mut Input<'_>) -> Option<DeviceRef> {
    let id = device_id(input.take(12)?).ok()?;
    let user = UserId::new(input.text()?).ok()?;
    Some(DeviceRef { user, id })
}
