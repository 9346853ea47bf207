//! Rows that are taken together: in any order of their users, but each user's one after the other.

use std::collections::HashMap;

use fanfare_types::{AddressKey, UserId};

use super::bad::{Bad, BadRows};
use super::row::Row;
use super::rows::{Numbered, Place, Rows};

/// Rows of one batch at most.
const ROWS_MAX: usize = 4_096;

/// Some rows, in the order of the file.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) rows: Vec<(u64, Row)>,
    pub(super) bad: Vec<Bad>,
    /// Where the next one begins.
    pub(super) end: Place,
}

impl Batch {
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.bad.is_empty()
    }

    /// Each user's rows, in the order of the file.
    pub(super) fn by_user(&self) -> Vec<Vec<&(u64, Row)>> {
        let mut places: HashMap<&UserId, usize> = HashMap::new();
        let mut users: Vec<Vec<&(u64, Row)>> = Vec::new();
        for row in &self.rows {
            let place = *places.entry(&row.1.user).or_insert(users.len());
            if place == users.len() {
                users.push(Vec::new());
            }
            users[place].push(row);
        }
        users
    }
}

/// Cuts a file into batches.
pub(super) struct Batches {
    rows: Rows,
    /// The first line that counts.
    from_line: u64,
    end: Place,
    /// It belongs to the next batch: somebody else's row of this one has its address.
    held: Option<Numbered>,
}

impl Batches {
    pub(super) fn new(rows: Rows, from: Place, from_line: u64) -> Self {
        Batches {
            rows,
            from_line,
            end: from,
            held: None,
        }
    }

    /// The next batch, empty at the end. No address is in it for two users: who has it last is the file's to say.
    pub(super) fn next(&mut self) -> anyhow::Result<Batch> {
        let mut batch = Batch::default();
        let mut holders: HashMap<AddressKey, UserId> = HashMap::new();
        while batch.rows.len() + batch.bad.len() < ROWS_MAX {
            let next = match self.held.take() {
                Some(held) => Some(held),
                None => self.rows.next()?,
            };
            let Some(numbered) = next else { break };
            if numbered.line < self.from_line {
                self.end = numbered.end;
                continue;
            }
            if let Ok(row) = &numbered.row {
                let holder = holders.entry(row.register.address.key(None));
                if *holder.or_insert_with(|| row.user.clone()) != row.user {
                    self.held = Some(numbered);
                    break;
                }
            }
            self.end = numbered.end;
            match numbered.row {
                Ok(row) => batch.rows.push((numbered.line, row)),
                Err(bad) => batch.bad.push(bad),
            }
        }
        batch.end = self.end;
        Ok(batch)
    }
}

/// What became of a batch.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) registered: u64,
    /// The registry has seen the device since; it was left as it is.
    pub(super) newer: u64,
    pub(super) bad: Vec<Bad>,
}

/// What became of all of them.
#[derive(Debug, Default)]
pub(super) struct Totals {
    pub(super) registered: u64,
    pub(super) newer: u64,
    pub(super) bad: BadRows,
}

impl Totals {
    pub(super) fn add(&mut self, taken: Taken) {
        self.registered += taken.registered;
        self.newer += taken.newer;
        taken.bad.into_iter().for_each(|bad| self.bad.add(bad));
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::commands::Format;

    fn batches(text: &str, from_line: u64) -> Vec<Vec<u64>> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let open = |path: &Path| Rows::open(path, Format::Csv, Place::default()).unwrap();
        let mut batches = Batches::new(open(file.path()), Place::default(), from_line);
        let mut found = Vec::new();
        loop {
            let batch = batches.next().unwrap();
            if batch.is_empty() {
                return found;
            }
            found.push(batch.rows.iter().map(|(line, _)| *line).collect());
        }
    }

    #[test]
    fn an_address_of_two_users_is_never_in_one_batch() {
        let text = "user_id,channel,token\nada,fcm,t\nada,fcm,t\nbob,fcm,t\nada,fcm,t\nbob,fcm,u\n";
        assert_eq!(batches(text, 0), [vec![2, 3], vec![4], vec![5, 6]]);
        assert_eq!(batches(text, 5), [vec![5, 6]]);
    }

    #[test]
    fn batches_are_bounded() {
        let rows: String = (0..10_000)
            .map(|n| format!("user-{n},fcm,token-{n}\n"))
            .collect();
        let found = batches(&format!("user_id,channel,token\n{rows}"), 0);
        let sizes: Vec<_> = found.iter().map(Vec::len).collect();
        assert_eq!(sizes, [4096, 4096, 1808]);
    }

    #[test]
    fn a_users_rows_stay_in_order() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(
            file.path(),
            "user_id,channel,token\na,fcm,1\nb,fcm,2\na,fcm,3\n",
        )
        .unwrap();
        let rows = Rows::open(file.path(), Format::Csv, Place::default()).unwrap();
        let batch = Batches::new(rows, Place::default(), 0).next().unwrap();
        let lines: Vec<Vec<u64>> = batch
            .by_user()
            .iter()
            .map(|rows| rows.iter().map(|row| row.0).collect())
            .collect();
        assert_eq!(lines, [vec![2, 4], vec![3]]);
    }
}
