//! The packed columns of campaigns: recipients of a chunk, blocks of uploaded rows, and what was not simply delivered.
//!
//! Laid out as in [`crate::codec`].

#[cfg(test)]
mod tests;

use std::ops::ControlFlow;
use std::sync::Arc;

use fanfare_types::ids::Id96;
use fanfare_types::message::Variables;
use fanfare_types::{Channel, DeviceId, Recipient, UserId};

use crate::Ended;
use crate::campaigns::{Named, UploadRow};
use crate::codec::{self, Input, VERSION, put_number, put_text};

const HAS_USER: u8 = 1;
const HAS_DEVICE: u8 = 2;
const HAS_CHANNEL: u8 = 4;
const HAS_VARIABLES: u8 = 8;
/// The variables of the recipient before: two devices of one uploaded row.
const SAME_VARIABLES: u8 = 16;

/// Packs recipients, in order of their ordinals.
pub(crate) fn pack_recipients<'a>(
    recipients: impl ExactSizeIterator<Item = &'a Recipient>,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(16 + recipients.len() * 40);
    out.push(VERSION);
    put_number(&mut out, recipients.len() as u64);
    let mut before: Option<&Arc<Variables>> = None;
    for recipient in recipients {
        let same = |known: &Arc<Variables>| before.is_some_and(|before| Arc::ptr_eq(before, known));
        let variables = match &recipient.variables {
            None => 0,
            Some(known) if same(known) => SAME_VARIABLES,
            Some(_) => HAS_VARIABLES,
        };
        let mut flags = variables;
        flags |= recipient.user.as_ref().map_or(0, |_| HAS_USER);
        flags |= recipient.device.map_or(0, |_| HAS_DEVICE);
        flags |= recipient.channel.map_or(0, |_| HAS_CHANNEL);
        out.push(flags);
        if let Some(user) = &recipient.user {
            put_text(&mut out, user.as_str());
        }
        if let Some(device) = recipient.device {
            out.extend(device.0.0);
        }
        if let Some(channel) = recipient.channel {
            out.push(channel as u8);
        }
        if let (HAS_VARIABLES, Some(known)) = (variables, &recipient.variables) {
            put_variables(&mut out, known);
        }
        before = recipient.variables.as_ref();
    }
    out
}

/// All recipients; `None` when the blob is damaged.
pub(crate) fn unpack_recipients(blob: &[u8]) -> Option<Vec<Recipient>> {
    let mut recipients = Vec::new();
    visit_recipients(blob, |_, raw, variables| {
        recipients.push(raw.recipient(variables.get()?)?);
        Some(ControlFlow::Continue(()))
    })?;
    Some(recipients)
}

/// The recipients with these ordinals, which ascend, without their variables. `None` when the blob is damaged or has
/// no such ordinal.
pub(crate) fn recipients_at(blob: &[u8], ordinals: &[u32]) -> Option<Vec<Recipient>> {
    let mut found = Vec::with_capacity(ordinals.len());
    visit_recipients(blob, |ordinal, raw, _| {
        if ordinals.get(found.len()) == Some(&ordinal) {
            found.push(raw.recipient(None)?);
        }
        Some(if found.len() == ordinals.len() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        })
    })?;
    (found.len() == ordinals.len()).then_some(found)
}

/// A recipient as it lies in the blob.
struct Raw<'a> {
    user: Option<&'a str>,
    device: Option<DeviceId>,
    channel: Option<Channel>,
}

impl Raw<'_> {
    fn recipient(&self, variables: Option<Arc<Variables>>) -> Option<Recipient> {
        let user = match self.user {
            None => None,
            Some(user) => Some(UserId::new(user).ok()?),
        };
        Some(Recipient {
            user,
            device: self.device,
            channel: self.channel,
            variables,
        })
    }
}

/// Variables that are made when somebody wants them, and shared by the recipients that share them.
#[derive(Default)]
struct Shared<'a> {
    packed: Option<&'a [u8]>,
    made: Option<Arc<Variables>>,
}

impl Shared<'_> {
    /// `None` when they are damaged.
    fn get(&mut self) -> Option<Option<Arc<Variables>>> {
        if let (Some(packed), None) = (self.packed, &self.made) {
            self.made = Some(Arc::new(variables(packed)?));
        }
        Some(self.made.clone())
    }
}

fn visit_recipients<'a>(
    blob: &'a [u8],
    mut visit: impl FnMut(u32, Raw<'a>, &mut Shared<'a>) -> Option<ControlFlow<()>>,
) -> Option<()> {
    let mut input = Input(blob);
    if input.byte()? != VERSION {
        return None;
    }
    let mut shared = Shared::default();
    for ordinal in 0..u32::try_from(input.number()?).ok()? {
        let flags = input.byte()?;
        let user = (flags & HAS_USER != 0).then(|| input.text());
        let device = (flags & HAS_DEVICE != 0).then(|| id(&mut input));
        let channel = (flags & HAS_CHANNEL != 0).then(|| input.word(Channel::ALL));
        if flags & HAS_VARIABLES != 0 {
            shared = Shared {
                packed: Some(part(&mut input)?),
                made: None,
            };
        } else if flags & SAME_VARIABLES == 0 {
            shared = Shared::default();
        }
        let raw = Raw {
            user: all(user)?,
            device: all(device)?,
            channel: all(channel)?,
        };
        if visit(ordinal, raw, &mut shared)?.is_break() {
            return Some(());
        }
    }
    input.0.is_empty().then_some(())
}

/// What is there must be readable.
fn all<T>(read: Option<Option<T>>) -> Option<Option<T>> {
    match read {
        None => Some(None),
        Some(read) => read.map(Some),
    }
}

fn id(input: &mut Input<'_>) -> Option<DeviceId> {
    Some(DeviceId(Id96(input.take(12)?.try_into().ok()?)))
}

fn part<'a>(input: &mut Input<'a>) -> Option<&'a [u8]> {
    let bytes = usize::try_from(input.number()?).ok()?;
    input.take(bytes)
}

fn put_variables(out: &mut Vec<u8>, variables: &Variables) {
    let mut packed = Vec::with_capacity(64);
    for (name, value) in variables.iter() {
        put_text(&mut packed, name);
        put_text(&mut packed, value);
    }
    put_number(out, packed.len() as u64);
    out.extend(packed);
}

fn variables(packed: &[u8]) -> Option<Variables> {
    let mut input = Input(packed);
    let mut variables = Variables::new();
    while !input.0.is_empty() {
        let name = input.text()?.to_owned();
        variables.insert(name, input.text()?.to_owned());
    }
    Some(variables)
}

const NAMES_DEVICE: u8 = 1;

/// Packs uploaded rows, in their order.
pub(crate) fn pack_rows(rows: &[UploadRow]) -> Vec<u8> {
    let mut out = Vec::with_capacity(16 + rows.len() * 40);
    out.push(VERSION);
    put_number(&mut out, rows.len() as u64);
    for row in rows {
        let variables = row.variables.as_ref().map_or(0, |_| HAS_VARIABLES);
        match &row.to {
            Named::User(user) => {
                out.push(variables);
                put_text(&mut out, user.as_str());
            }
            Named::Device(device) => {
                out.push(variables | NAMES_DEVICE);
                out.extend(device.0.0);
            }
        }
        if let Some(known) = &row.variables {
            put_variables(&mut out, known);
        }
    }
    out
}

/// An uploaded row as it lies in its block.
pub(crate) struct RawRow<'a> {
    pub(crate) to: RawName<'a>,
    variables: Option<&'a [u8]>,
}

#[derive(PartialEq, Eq)]
pub(crate) enum RawName<'a> {
    User(&'a str),
    Device(DeviceId),
}

impl RawRow<'_> {
    /// `None` when the blob is damaged.
    pub(crate) fn row(&self) -> Option<UploadRow> {
        let to = match self.to {
            RawName::User(user) => Named::User(UserId::new(user).ok()?),
            RawName::Device(device) => Named::Device(device),
        };
        let variables = match self.variables {
            None => None,
            Some(packed) => Some(Arc::new(variables(packed)?)),
        };
        Some(UploadRow { to, variables })
    }
}

/// A place in an upload: before this row of this block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) block: u64,
    pub(crate) row: u32,
}

impl Place {
    pub(crate) fn pack(self) -> Vec<u8> {
        let mut bytes = self.block.to_be_bytes().to_vec();
        bytes.extend(self.row.to_be_bytes());
        bytes
    }

    pub(crate) fn unpack(bytes: &[u8]) -> Option<Self> {
        let (block, row) = bytes.split_at_checked(8)?;
        Some(Place {
            block: u64::from_be_bytes(block.try_into().ok()?),
            row: u32::from_be_bytes(row.try_into().ok()?),
        })
    }
}

/// Hands over the rows from `start` on, until told to stop. `None` when the blob is damaged, or `visit` finds it so.
pub(crate) fn visit_rows<'a>(
    blob: &'a [u8],
    start: u32,
    mut visit: impl FnMut(RawRow<'a>) -> Option<ControlFlow<()>>,
) -> Option<()> {
    let mut input = Input(blob);
    if input.byte()? != VERSION {
        return None;
    }
    for index in 0..u32::try_from(input.number()?).ok()? {
        let flags = input.byte()?;
        let to = match flags & NAMES_DEVICE {
            0 => RawName::User(input.text()?),
            _ => RawName::Device(id(&mut input)?),
        };
        let variables = match flags & HAS_VARIABLES {
            0 => None,
            _ => Some(part(&mut input)?),
        };
        if index >= start && visit(RawRow { to, variables })?.is_break() {
            return Some(());
        }
    }
    input.0.is_empty().then_some(())
}

/// Packs what was not simply delivered, ascending by ordinal.
pub(crate) fn pack_exceptions(ended: &[&Ended], recipients: &[Recipient]) -> Vec<u8> {
    let ended = codec::pack_ended(ended);
    let mut out = Vec::with_capacity(ended.len() + recipients.len() * 32 + 8);
    put_number(&mut out, ended.len() as u64);
    out.extend(ended);
    out.extend(pack_recipients(recipients.iter()));
    out
}

/// The outcomes of a batch and their recipients; `None` when the blob is damaged.
pub(crate) fn unpack_exceptions(blob: &[u8]) -> Option<Vec<(Recipient, Ended)>> {
    let mut input = Input(blob);
    let mut ended = Vec::new();
    codec::unpack_ended(part(&mut input)?, &mut ended)?;
    let recipients = unpack_recipients(input.0)?;
    (recipients.len() == ended.len()).then(|| recipients.into_iter().zip(ended).collect())
}
