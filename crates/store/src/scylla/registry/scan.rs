//! All rows, by ranges of the ring: one range for each slot.

use fanfare_types::{AppId, Slot, UserId};
use scylla::response::PagingState;

use super::Room;
use super::row::{Columns, Row};
use crate::scylla::fault::damaged;
use crate::{DevicePage, Error, Result, ScanCursor};

/// Ranges without a row that one call goes over at most.
const RANGES_MAX: usize = 8;

/// Tokens of one slot: more than `.0`, up to `.1`.
pub(in crate::scylla) fn range(slot: Slot) -> (i64, i64) {
    let width = 1_i128 << (64 - Slot::COUNT.trailing_zeros());
    let edge = |number: u8| i128::from(i64::MIN) + width * i128::from(number);
    let tokens = |edge: i128| i64::try_from(edge).unwrap_or(i64::MAX);
    (tokens(edge(slot.number())), tokens(edge(slot.number() + 1)))
}

/// Columns of a row that was found by its token.
type Found = (String, String, Vec<u8>, Option<Vec<u8>>, Option<Vec<u8>>);

impl Room {
    /// The rows of the slots that this node holds.
    pub(super) async fn scan(&self, after: Option<ScanCursor>, limit: usize) -> Result<DevicePage> {
        let (mut first, mut from) = match &after {
            None => (0, PagingState::start()),
            Some(cursor) => place(cursor)?,
        };
        let mut looked = 0;
        while let Some(slot) = self.held_from(first) {
            if slot.number() != first {
                from = PagingState::start();
            }
            let (rows, next) = self.of_range(range(slot), from, limit).await?;
            let devices: Vec<_> = rows.into_iter().map(|row| row.device).collect();
            let next = match next {
                Some(state) => Some(cursor(slot.number(), &state)),
                None => self
                    .held_from(slot.number() + 1)
                    .map(|slot| cursor(slot.number(), &PagingState::start())),
            };
            looked += 1;
            if !devices.is_empty() || next.is_none() || looked == RANGES_MAX {
                return Ok(DevicePage { devices, next });
            }
            (first, from) = next.as_ref().map(place).transpose()?.unwrap_or_default();
        }
        Ok(DevicePage::default())
    }

    fn held_from(&self, first: u8) -> Option<Slot> {
        let mut slots = Slot::all().filter(|slot| slot.number() >= first);
        slots.find(|slot| self.held.epoch(*slot).is_some())
    }

    /// A page of the rows of a range of tokens.
    pub(in crate::scylla) async fn of_range(
        &self,
        range: (i64, i64),
        from: PagingState,
        limit: usize,
    ) -> Result<(Vec<Row>, Option<PagingState>)> {
        let mut statement = self.statements.of_range.clone();
        statement.set_page_size(i32::try_from(limit.max(1)).unwrap_or(i32::MAX));
        let (found, next) = self.db.page::<Found>(&statement, range, from).await?;
        let rows = found.into_iter().filter_map(|row| read(row).transpose());
        Ok((rows.collect::<Result<_>>()?, next))
    }
}

fn read((app, user, id, body, facts): Found) -> Result<Option<Row>> {
    let app = AppId::new(&app).map_err(|_| damaged("devices.app"))?;
    let user = UserId::new(&user).map_err(|_| damaged("devices.user"))?;
    let columns = Columns {
        id,
        body,
        facts,
        times: (None, None),
    };
    Row::read(&app, &user, columns)
}

/// A slot, and how far its range was read.
fn cursor(slot: u8, state: &PagingState) -> ScanCursor {
    let state = state.as_bytes_slice().map_or(&[][..], |state| state);
    ScanCursor([&[slot], state].concat())
}

fn place(cursor: &ScanCursor) -> Result<(u8, PagingState)> {
    match cursor.0.split_first() {
        Some((slot, [])) => Ok((*slot, PagingState::start())),
        Some((slot, state)) => Ok((*slot, PagingState::new_from_raw_bytes(state))),
        None => Err(Error::Row("a cursor of something else".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ranges_of_all_slots_are_the_ring() {
        let mut edge = i64::MIN;
        for slot in Slot::all() {
            let (from, to) = range(slot);
            assert!(from == edge && to > from);
            edge = to;
        }
        assert_eq!(edge, i64::MAX);
    }

    #[test]
    fn a_cursor_comes_back_as_it_was() {
        for state in [
            PagingState::start(),
            PagingState::new_from_raw_bytes(&[1, 2, 3][..]),
        ] {
            let (slot, read) = place(&cursor(63, &state)).expect("it is a cursor");
            assert_eq!(slot, 63);
            assert_eq!(read.as_bytes_slice(), state.as_bytes_slice());
        }
        assert!(place(&ScanCursor(Vec::new())).is_err());
    }
}
