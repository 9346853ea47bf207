//! The books' insides: totals, and a log whose strings are stored once.

use std::collections::HashMap;
use std::sync::Arc;

use super::turn::Ids;
use super::{
    AddressTotal, AnswerTotal, ConnectionTotals, Entry, PAGE_MAX, ProviderTotals, Query, Record,
    Totals,
};
use crate::Provider;

/// Different (status, reason) pairs kept per provider: a script could make up any number. Further ones are counted
/// under their status with [`OTHER`].
const ANSWERS_MAX: usize = 512;
const OTHER: &str = "(other reasons)";

pub(super) struct Ledger {
    pub(super) limit: usize,
    pub(super) log_full: bool,
    sides: [Side; 3],
    log: Vec<Line>,
    /// How often an `apns-id` was accepted.
    ids: HashMap<u128, u32>,
    order: Vec<(Provider, Arc<str>)>,
    /// Of the fast mode.
    pub(super) accepted_ids: Ids,
}

#[derive(Default)]
pub(super) struct Side {
    pub(super) requests: u64,
    pub(super) accepted: u64,
    lost: u64,
    pub(super) duplicates: u64,
    accepted_addresses: u64,
    pub(super) answers: Vec<Answer>,
    pub(super) connections: ConnectionTotals,
    addresses: HashMap<Arc<str>, Address>,
}

pub(super) struct Answer {
    status: u16,
    reason: Box<str>,
    pub(super) count: u64,
}

#[derive(Default)]
struct Address {
    requests: u64,
    accepted: u64,
    last: usize,
}

struct Line {
    provider: Provider,
    answer: u16,
    lost: bool,
    priority: Option<u8>,
    duplicate: u32,
    address: Arc<str>,
    apns_id: Option<u128>,
    at_ms: u64,
    collapse: Option<Box<str>>,
    expiration: Option<i64>,
    body_bytes: u64,
}

impl Ledger {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            log_full: false,
            sides: Default::default(),
            log: Vec::new(),
            ids: HashMap::new(),
            order: Vec::new(),
            accepted_ids: Ids::default(),
        }
    }

    pub(super) fn side(&mut self, provider: Provider) -> &mut Side {
        &mut self.sides[provider.index()]
    }

    pub(super) fn reset(&mut self) {
        let open = [0, 1, 2].map(|index: usize| self.sides[index].connections.open);
        *self = Self::new(self.limit);
        for (side, open) in self.sides.iter_mut().zip(open) {
            side.connections.open = open;
        }
    }

    pub(super) fn connections(&mut self, provider: Provider) -> &mut ConnectionTotals {
        &mut self.sides[provider.index()].connections
    }

    pub(super) fn record(&mut self, provider: Provider, record: &Record<'_>, at_ms: u64) {
        let side = &mut self.sides[provider.index()];
        let accepted = record.status == 200;
        side.requests += 1;
        side.accepted += u64::from(accepted);
        side.lost += u64::from(record.lost);
        let answer = side.answer(record.status, record.reason);
        side.answers[answer].count += 1;
        if self.log.len() >= self.limit {
            self.log_full = true;
            return;
        }
        let duplicate = match record.apns_id {
            Some(id) if accepted => {
                let seen = self.ids.entry(id).or_insert(0);
                *seen += 1;
                *seen - 1
            }
            Some(id) => self.ids.get(&id).copied().unwrap_or(0),
            None => 0,
        };
        side.duplicates += u64::from(accepted && duplicate > 0);
        let (address, fresh) = side.address(record.address, accepted, answer);
        if fresh {
            self.order.push((provider, Arc::clone(&address)));
        }
        self.log.push(Line {
            provider,
            answer: u16::try_from(answer).unwrap_or(u16::MAX),
            lost: record.lost,
            priority: record.priority,
            duplicate,
            address,
            apns_id: record.apns_id,
            at_ms,
            collapse: record.collapse.map(Into::into),
            expiration: record.expiration,
            body_bytes: record.body_bytes,
        });
    }

    pub(super) fn totals(&self) -> Totals {
        let [apns, fcm, oauth] = [0, 1, 2].map(|index: usize| self.sides[index].totals());
        Totals {
            apns,
            fcm,
            oauth,
            logged: self.log.len() as u64,
            log_full: self.log_full,
        }
    }

    pub(super) fn requests(&self, query: &Query) -> Vec<Entry> {
        let after = query.after.map_or(0, |after| {
            usize::try_from(after).map_or(usize::MAX, |after| after.saturating_add(1))
        });
        let id = query.apns_id.as_deref().map(parse_uuid);
        let matches = |line: &Line| {
            query
                .provider
                .is_none_or(|provider| provider == line.provider)
                && query
                    .address
                    .as_deref()
                    .is_none_or(|address| address == &*line.address)
                && id.is_none_or(|id| id.is_some() && line.apns_id == id)
                && query
                    .status
                    .is_none_or(|status| status == self.answer_of(line).status)
        };
        let limit = query.limit.unwrap_or(1000).min(PAGE_MAX);
        let lines = self.log.iter().enumerate().skip(after);
        lines
            .filter(|(_, line)| matches(line))
            .take(limit)
            .map(|(seq, line)| self.entry(seq, line))
            .collect()
    }

    pub(super) fn addresses(&self, after: usize, limit: usize) -> Vec<AddressTotal> {
        let total = |(provider, address): &(Provider, Arc<str>)| {
            let side = &self.sides[provider.index()];
            let account = side.addresses.get(address)?;
            let last = &side.answers[account.last];
            Some(AddressTotal {
                provider: *provider,
                address: address.to_string(),
                requests: account.requests,
                accepted: account.accepted,
                last_status: last.status,
                last_reason: last.reason.to_string(),
            })
        };
        self.order
            .iter()
            .skip(after)
            .take(limit.min(PAGE_MAX))
            .filter_map(total)
            .collect()
    }

    fn answer_of(&self, line: &Line) -> &Answer {
        &self.sides[line.provider.index()].answers[usize::from(line.answer)]
    }

    fn entry(&self, seq: usize, line: &Line) -> Entry {
        let answer = self.answer_of(line);
        Entry {
            seq: seq as u64,
            provider: line.provider,
            address: line.address.to_string(),
            apns_id: line.apns_id.map(format_uuid),
            status: answer.status,
            reason: answer.reason.to_string(),
            lost: line.lost,
            at_ms: line.at_ms,
            collapse: line.collapse.as_deref().map(str::to_owned),
            expiration: line.expiration,
            priority: line.priority,
            body_bytes: line.body_bytes,
            duplicate_of_accepted: line.duplicate,
        }
    }
}

impl Side {
    /// Position of an answer. There are few, and the common ones come first, so a scan is quickest.
    pub(super) fn answer(&mut self, status: u16, reason: &str) -> usize {
        let find = |answers: &[Answer], reason: &str| {
            answers
                .iter()
                .position(|answer| answer.status == status && *answer.reason == *reason)
        };
        if let Some(found) = find(&self.answers, reason) {
            return found;
        }
        let reason = if self.answers.len() < ANSWERS_MAX {
            reason
        } else {
            OTHER
        };
        find(&self.answers, reason).unwrap_or_else(|| {
            self.answers.push(Answer {
                status,
                reason: reason.into(),
                count: 0,
            });
            self.answers.len() - 1
        })
    }

    fn address(&mut self, address: &str, accepted: bool, answer: usize) -> (Arc<str>, bool) {
        let (key, fresh) = match self.addresses.get_key_value(address) {
            Some((key, _)) => (Arc::clone(key), false),
            None => (Arc::from(address), true),
        };
        let account = self.addresses.entry(Arc::clone(&key)).or_default();
        account.requests += 1;
        account.last = answer;
        if accepted {
            account.accepted += 1;
            self.accepted_addresses += u64::from(account.accepted == 1);
        }
        (key, fresh)
    }

    fn totals(&self) -> ProviderTotals {
        let total = |answer: &Answer| AnswerTotal {
            status: answer.status,
            reason: answer.reason.to_string(),
            count: answer.count,
        };
        let mut answers: Vec<AnswerTotal> = self.answers.iter().map(total).collect();
        answers.sort();
        ProviderTotals {
            requests: self.requests,
            accepted: self.accepted,
            lost: self.lost,
            duplicates: self.duplicates,
            accepted_addresses: self.accepted_addresses,
            answers,
            connections: self.connections.clone(),
        }
    }
}

/// A canonical UUID (RFC 9562: 8-4-4-4-12, hexadecimal) as a number.
pub(crate) fn parse_uuid(text: &str) -> Option<u128> {
    let bytes = text.as_bytes();
    if bytes.len() != 36 {
        return None;
    }
    let mut number = 0_u128;
    for (at, byte) in bytes.iter().enumerate() {
        if matches!(at, 8 | 13 | 18 | 23) {
            if *byte != b'-' {
                return None;
            }
        } else {
            number = number << 4 | u128::from(char::from(*byte).to_digit(16)?);
        }
    }
    Some(number)
}

pub(crate) fn format_uuid(id: u128) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(36);
    for (place, byte) in id.to_be_bytes().into_iter().enumerate() {
        if matches!(place, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}
