//! A walk over the devices of a part of the ring, by token: whole partitions, so that a user's devices stay together and
//! a place is nothing but a token, good on any node and after any restart.

use std::ops::ControlFlow;

use super::Room;
use super::cut::Range;
use super::sight::Sight;
use crate::Result;
use crate::scylla::fault::damaged;

/// Rows in one answer at most.
const ROWS_A_READ: usize = 4_096;

/// A user with as many devices as an answer has rows is read with more of them, up to this many.
const ROWS_OF_ONE_MAX: usize = 1 << 20;

/// Of which app; and how far.
pub(super) struct Walk<'a> {
    pub(super) room: &'a Room,
    pub(super) app: &'a str,
    pub(super) range: Range,
    /// Rows to look at in this read.
    pub(super) rows: usize,
}

/// Where it stands.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Walked {
    /// Of all apps.
    pub(super) rows: u64,
    /// Everything up to this token was handed over.
    pub(super) at: i64,
    pub(super) is_end: bool,
}

type Row<'r> = (
    i64,
    &'r str,
    &'r str,
    &'r [u8],
    Option<&'r [u8]>,
    Option<i64>,
);

impl Walk<'_> {
    /// One read. Hands over the app's rows, those of a token together, until told to stop.
    pub(super) async fn step(
        &self,
        mut visit: impl FnMut(i64, &[Sight<'_>]) -> Result<ControlFlow<()>>,
    ) -> Result<Walked> {
        let mut limit = self.rows.clamp(2, ROWS_A_READ);
        loop {
            let Range { after, last } = self.range;
            let select = &self.room.sql.devices;
            let answer = self
                .room
                .db
                .answer(select, (after, last, limit as i32))
                .await?;
            let rows = answer.rows::<Row<'_>>().map_err(|_| damaged("devices"))?;
            let is_end = answer.rows_num() < limit;
            let mut group = Group::new(self);
            for row in rows {
                let row = row.map_err(|_| damaged("devices"))?;
                if group.take(row, &mut visit)?.is_break() {
                    return Ok(group.walked(false));
                }
            }
            if is_end {
                // Whether it goes on or not, this was the last one.
                let _flow = group.hand_over(&mut visit)?;
                return Ok(group.walked(true));
            }
            if group.handed_over > 0 || limit >= ROWS_OF_ONE_MAX {
                return Ok(group.walked(false));
            }
            // All of it was one token's.
            limit *= 2;
        }
    }
}

/// Rows of one token, as they come.
struct Group<'a, 'r> {
    walk: &'a Walk<'a>,
    token: Option<i64>,
    sights: Vec<Sight<'r>>,
    rows: u64,
    handed_over: u64,
    at: i64,
}

impl<'a, 'r> Group<'a, 'r> {
    fn new(walk: &'a Walk<'a>) -> Group<'a, 'r> {
        Group {
            walk,
            token: None,
            sights: Vec::new(),
            rows: 0,
            handed_over: 0,
            at: walk.range.after,
        }
    }

    fn take(
        &mut self,
        (token, app, user, id, body, since): Row<'r>,
        visit: &mut impl FnMut(i64, &[Sight<'_>]) -> Result<ControlFlow<()>>,
    ) -> Result<ControlFlow<()>> {
        if self.token != Some(token) {
            if self.hand_over(visit)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
            self.token = Some(token);
        }
        self.rows += 1;
        // One without a body is no device: what is told of one that is gone.
        if let (true, Some(body)) = (app == self.walk.app, body) {
            self.sights.push(Sight::read(user, id, body, since)?);
        }
        Ok(ControlFlow::Continue(()))
    }

    fn hand_over(
        &mut self,
        visit: &mut impl FnMut(i64, &[Sight<'_>]) -> Result<ControlFlow<()>>,
    ) -> Result<ControlFlow<()>> {
        let Some(token) = self.token.take() else {
            return Ok(ControlFlow::Continue(()));
        };
        if self.sights.len() > 1 {
            let all = self.sights.clone();
            let is_older =
                |sight: &Sight<'_>| all.iter().any(|other| sight.is_older_twin_of(other));
            self.sights.retain(|sight| !is_older(sight));
        }
        let flow = match self.sights.is_empty() {
            true => ControlFlow::Continue(()),
            false => visit(token, &self.sights)?,
        };
        self.sights.clear();
        self.handed_over = self.rows;
        self.at = token;
        Ok(flow)
    }

    fn walked(&self, is_end: bool) -> Walked {
        let last = self.walk.range.last;
        Walked {
            rows: self.handed_over,
            at: if is_end { last } else { self.at },
            is_end: is_end || self.at == last,
        }
    }
}
