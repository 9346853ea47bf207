//! The packed columns: targets of a notification, and outcomes of a batch.
//!
//! Each blob starts with the version of its layout. Numbers are LEB128, words are their place in the `ALL`
//! of their type (so new words go to the end), texts have their length before them.

#[cfg(test)]
mod tests;

use std::ops::ControlFlow;

use fanfare_types::{
    Address, AddressKind, Channel, Counts, DeviceId, Environment, Outcome, Reason, Target,
    Timestamp, UserId,
};

use crate::Ended;

pub(crate) const VERSION: u8 = 1;

const HAS_DEVICE: u8 = 1;
const HAS_ADDRESS: u8 = 2;

/// Counts of outcomes, in the order of [`Outcome::ALL`]; nothing at all when there are none.
pub(crate) fn pack_counts(counts: &Counts) -> Vec<u8> {
    let mut counts = *counts;
    if counts.terminal() == 0 {
        return Vec::new();
    }
    let mut out = vec![VERSION];
    for outcome in Outcome::ALL {
        put_number(&mut out, *counts.of(*outcome));
    }
    out
}

/// `None` when the blob is damaged.
pub(crate) fn unpack_counts(blob: &[u8]) -> Option<Counts> {
    let (mut input, mut counts) = (Input(blob), Counts::default());
    if input.is_empty() {
        return Some(counts);
    }
    if input.byte()? != VERSION {
        return None;
    }
    for outcome in Outcome::ALL {
        *counts.of(*outcome) = input.number()?;
    }
    input.is_empty().then_some(counts)
}

/// Packs the targets of a notification, in order of their ordinals.
pub(crate) fn pack_targets(targets: &[Target]) -> Vec<u8> {
    let mut out = Vec::with_capacity(16 + targets.len() * 32);
    out.push(VERSION);
    put_number(&mut out, targets.len() as u64);
    for target in targets {
        let device = target.device.as_ref().map_or(0, |_| HAS_DEVICE);
        let address = target.address.as_ref().map_or(0, |_| HAS_ADDRESS);
        out.extend([device | address, target.channel as u8]);
        if let Some((id, user)) = &target.device {
            out.extend(id.0.0);
            put_text(&mut out, user.as_str());
        }
        if let Some(address) = &target.address {
            out.extend([
                address.channel as u8,
                address.kind as u8,
                address.environment as u8,
            ]);
            put_text(&mut out, address.expose());
        }
    }
    out
}

/// All targets; `None` when the blob is damaged.
pub(crate) fn unpack_targets(blob: &[u8]) -> Option<Vec<Target>> {
    let mut targets = Vec::new();
    visit_targets(blob, 0, |_, target| {
        targets.push(target);
        ControlFlow::Continue(())
    })?;
    Some(targets)
}

/// Hands over the targets from ordinal `start` on, until told to stop; the ones before it are skipped
/// without being made. `None` when the blob is damaged.
pub(crate) fn visit_targets(
    blob: &[u8],
    start: u32,
    mut visit: impl FnMut(u32, Target) -> ControlFlow<()>,
) -> Option<()> {
    let mut input = Input(blob);
    if input.byte()? != VERSION {
        return None;
    }
    let count = u32::try_from(input.number()?).ok()?;
    for ordinal in 0..count {
        if ordinal < start {
            skip_target(&mut input)?;
        } else if visit(ordinal, target(&mut input)?).is_break() {
            return Some(());
        }
    }
    input.0.is_empty().then_some(())
}

fn target(input: &mut Input<'_>) -> Option<Target> {
    let flags = input.byte()?;
    let channel = input.word(Channel::ALL)?;
    let device = if flags & HAS_DEVICE == 0 {
        None
    } else {
        let id = DeviceId(fanfare_types::ids::Id96(input.take(12)?.try_into().ok()?));
        Some((id, UserId::new(input.text()?).ok()?))
    };
    let address = if flags & HAS_ADDRESS == 0 {
        None
    } else {
        let channel = input.word(Channel::ALL)?;
        let kind = input.word(AddressKind::ALL)?;
        let environment = input.word(Environment::ALL)?;
        Some(Address::new(channel, kind, environment, input.text()?))
    };
    Some(Target {
        channel,
        device,
        address,
    })
}

fn skip_target(input: &mut Input<'_>) -> Option<()> {
    let flags = input.byte()?;
    input.take(1)?;
    if flags & HAS_DEVICE != 0 {
        input.take(12)?;
        input.text()?;
    }
    if flags & HAS_ADDRESS != 0 {
        input.take(3)?;
        input.text()?;
    }
    Some(())
}

/// Packs outcomes, ascending by ordinal. The few reasons of a batch are written once.
pub(crate) fn pack_ended(ended: &[&Ended]) -> Vec<u8> {
    let mut reasons: Vec<&str> = Vec::new();
    let mut out = Vec::with_capacity(16 + ended.len() * 10);
    let mut rows = Vec::with_capacity(ended.len() * 10);
    let base = ended.iter().map(|row| row.at.0).min().unwrap_or(0);
    let mut next = 0;
    for row in ended {
        let reason = row.reason.as_str();
        let place = reasons.iter().position(|known| *known == reason);
        let place = place.unwrap_or_else(|| {
            reasons.push(reason);
            reasons.len() - 1
        });
        put_number(&mut rows, u64::from(row.ordinal - next));
        next = row.ordinal;
        rows.push(row.outcome as u8);
        put_number(&mut rows, place as u64);
        put_number(&mut rows, u64::from(row.attempts));
        put_number(&mut rows, row.at.0 - base);
    }
    out.push(VERSION);
    put_number(&mut out, base);
    put_number(&mut out, reasons.len() as u64);
    for reason in reasons {
        put_text(&mut out, reason);
    }
    out.extend(rows);
    out
}

/// Adds the outcomes of one batch to `into`; `None` when the blob is damaged.
pub(crate) fn unpack_ended(blob: &[u8], into: &mut Vec<Ended>) -> Option<()> {
    let mut input = Input(blob);
    if input.byte()? != VERSION {
        return None;
    }
    let base = input.number()?;
    let mut reasons = Vec::new();
    for _ in 0..input.number()? {
        reasons.push(match input.text()? {
            "" => Reason::NONE,
            text => Reason::from_wire(text),
        });
    }
    let mut ordinal: u32 = 0;
    while !input.0.is_empty() {
        ordinal = ordinal.checked_add(u32::try_from(input.number()?).ok()?)?;
        into.push(Ended {
            ordinal,
            outcome: input.word(Outcome::ALL)?,
            reason: reasons.get(usize::try_from(input.number()?).ok()?)?.clone(),
            attempts: u32::try_from(input.number()?).ok()?,
            at: Timestamp(base.checked_add(input.number()?)?),
        });
    }
    Some(())
}

/// Which ordinals have their outcome: one bit each, as long as the highest of them asks.
#[derive(Debug, Default)]
pub(crate) struct Done(pub(crate) Vec<u8>);

impl Done {
    /// Sets the bit; whether it was clear before.
    pub(crate) fn set(&mut self, ordinal: u32) -> bool {
        let (byte, bit) = (ordinal as usize / 8, 1 << (ordinal % 8));
        if self.0.len() <= byte {
            self.0.resize(byte + 1, 0);
        }
        let clear = self.0[byte] & bit == 0;
        self.0[byte] |= bit;
        clear
    }

    /// The ordinals that are set, ascending.
    pub(crate) fn ordinals(&self) -> Vec<u32> {
        let mut ordinals = Vec::new();
        for (index, byte) in (0u32..).step_by(8).zip(&self.0) {
            ordinals.extend(
                (0..8)
                    .filter(|bit| byte & (1 << bit) != 0)
                    .map(|bit| index + bit),
            );
        }
        ordinals
    }
}

pub(crate) fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

pub(crate) fn put_text(out: &mut Vec<u8>, text: &str) {
    put_number(out, text.len() as u64);
    out.extend(text.as_bytes());
}

/// What is left to read.
pub(crate) struct Input<'a>(pub(super) &'a [u8]);

impl<'a> Input<'a> {
    pub(crate) fn new(blob: &'a [u8]) -> Self {
        Input(blob)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.0
    }

    pub(crate) fn take(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(bytes)?;
        self.0 = tail;
        Some(head)
    }

    pub(crate) fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|byte| byte[0])
    }

    pub(crate) fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return None;
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    pub(crate) fn text(&mut self) -> Option<&'a str> {
        let bytes = usize::try_from(self.number()?).ok()?;
        std::str::from_utf8(self.take(bytes)?).ok()
    }

    pub(crate) fn word<T: Copy>(&mut self, all: &[T]) -> Option<T> {
        all.get(usize::from(self.byte()?)).copied()
    }
}
