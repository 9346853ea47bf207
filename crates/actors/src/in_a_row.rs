//! Equal things that come one after the other, counted, so that what is told of each is told of all of them at once.

/// What came last, and how often in a row.
#[derive(Debug)]
pub(crate) struct InARow<T>(Option<(T, u64)>);

impl<T: PartialEq> InARow<T> {
    pub(crate) fn new() -> Self {
        InARow(None)
    }

    /// One more. Returns those before it when it is another.
    pub(crate) fn add(&mut self, one: T) -> Option<(T, u64)> {
        match &mut self.0 {
            Some((last, count)) if *last == one => {
                *count += 1;
                None
            }
            _ => self.0.replace((one, 1)),
        }
    }

    /// Those that are left.
    pub(crate) fn end(self) -> Option<(T, u64)> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_ones_in_a_row_are_counted() {
        let mut row = InARow::new();
        let told: Vec<_> = "aabccca".chars().filter_map(|one| row.add(one)).collect();
        assert_eq!(told, [('a', 2), ('b', 1), ('c', 3)]);
        assert_eq!(row.end(), Some(('a', 1)));
        assert_eq!(InARow::<char>::new().end(), None);
    }
}
