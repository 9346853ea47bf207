//! Permits: the bound on work in memory. One is taken for each delivery at the door and comes back on drop.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// One limit on deliveries in memory (the gateway's, an app's, a lane's) and how much of it is taken.
#[derive(Debug)]
pub struct Budget {
    max: AtomicUsize,
    taken: AtomicUsize,
}

impl Budget {
    pub fn new(max: usize) -> Arc<Self> {
        Arc::new(Budget {
            max: AtomicUsize::new(max),
            taken: AtomicUsize::new(0),
        })
    }

    pub fn max(&self) -> usize {
        self.max.load(Ordering::Acquire)
    }

    /// Another limit from now on. Permits that were given out stay good: below what is taken nothing more is
    /// given until enough has come back.
    pub fn set_max(&self, max: usize) {
        self.max.store(max, Ordering::Release);
    }

    pub fn taken(&self) -> usize {
        self.taken.load(Ordering::Acquire)
    }

    fn try_take(&self, count: usize) -> bool {
        let max = self.max();
        let take = |taken: usize| taken.checked_add(count).filter(|sum| *sum <= max);
        self.taken
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, take)
            .is_ok()
    }

    fn give_back(&self, count: usize) {
        self.taken.fetch_sub(count, Ordering::AcqRel);
    }
}

/// Room for `count` deliveries under every one of several budgets; what is not split off comes back on drop.
pub struct Permits {
    budgets: Arc<[Arc<Budget>]>,
    count: usize,
}

/// Room for one delivery; comes back on drop, or before.
pub struct Permit {
    room: Option<Permits>,
}

impl Permit {
    /// The delivery has ended and needs no room any more.
    pub fn give_back(&mut self) {
        self.room = None;
    }

    pub fn is_held(&self) -> bool {
        self.room.is_some()
    }

    /// Gives many back at once: those of the same budgets, one after the other, by one step.
    pub fn give_back_all<'p>(permits: impl IntoIterator<Item = &'p mut Permit>) {
        let mut gathered: Option<Permits> = None;
        for mut room in permits.into_iter().filter_map(|permit| permit.room.take()) {
            match &mut gathered {
                Some(all) if Arc::ptr_eq(&all.budgets, &room.budgets) => {
                    all.count += std::mem::take(&mut room.count);
                }
                _ => gathered = Some(room),
            }
        }
    }
}

impl Permits {
    /// Takes `count` of every budget, or of none. On refusal says which budget (by index) was full.
    pub fn try_take(budgets: &Arc<[Arc<Budget>]>, count: usize) -> Result<Self, usize> {
        for (index, budget) in budgets.iter().enumerate() {
            if !budget.try_take(count) {
                for taken in &budgets[..index] {
                    taken.give_back(count);
                }
                return Err(index);
            }
        }
        Ok(Permits {
            budgets: budgets.clone(),
            count,
        })
    }

    pub fn count(&self) -> usize {
        self.count
    }

    /// Makes them `count`: what is too much comes back, what is missing is taken. False, and as many as before, when
    /// there is no room for more.
    pub fn resize(&mut self, count: usize) -> bool {
        let Some(missing) = count.checked_sub(self.count) else {
            let budgets = self.budgets.clone();
            let back = self.count - count;
            self.count = count;
            drop(Permits {
                budgets,
                count: back,
            });
            return true;
        };
        let Ok(mut more) = Permits::try_take(&self.budgets, missing) else {
            return false;
        };
        more.count = 0;
        self.count = count;
        true
    }

    /// Splits one permit off; `None` when all are spent.
    pub fn split(&mut self) -> Option<Permit> {
        self.count = self.count.checked_sub(1)?;
        Some(Permit {
            room: Some(Permits {
                budgets: self.budgets.clone(),
                count: 1,
            }),
        })
    }
}

impl Drop for Permits {
    fn drop(&mut self) {
        if self.count == 0 {
            return;
        }
        for budget in self.budgets.iter() {
            budget.give_back(self.count);
        }
    }
}

impl fmt::Debug for Permits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Permits({})", self.count)
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Permit")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_or_nothing_and_back_on_drop() {
        let (global, app) = (Budget::new(10), Budget::new(3));
        let budgets: Arc<[Arc<Budget>]> = [global.clone(), app.clone()].into();
        assert_eq!(Permits::try_take(&budgets, 4).err(), Some(1));
        assert_eq!((global.taken(), app.taken()), (0, 0));
        let mut permits = Permits::try_take(&budgets, 3).unwrap();
        let one = permits.split();
        drop(permits);
        assert_eq!((global.taken(), app.taken()), (1, 1));
        drop(one);
        assert_eq!((global.taken(), app.taken()), (0, 0));
        let mut one = Permits::try_take(&budgets, 1).unwrap().split().unwrap();
        one.give_back();
        assert_eq!((global.taken(), one.is_held()), (0, false));
        drop(one);
        assert_eq!((global.taken(), app.taken()), (0, 0));
    }

    #[test]
    fn many_come_back_together_whatever_their_budgets() {
        let (one, other) = (Budget::new(9), Budget::new(9));
        let of = |budget: &Arc<Budget>| -> Permits {
            Permits::try_take(&[budget.clone()].into(), 3).unwrap()
        };
        let (mut of_one, mut of_other) = (of(&one), of(&other));
        let mut permits = [of_one.split(), of_other.split(), of_one.split()].map(Option::unwrap);
        permits[1].give_back();
        Permit::give_back_all(&mut permits);
        assert!(!permits.iter().any(Permit::is_held));
        assert_eq!((one.taken(), other.taken()), (1, 2));
        drop((permits, of_one, of_other));
        assert_eq!((one.taken(), other.taken()), (0, 0));
    }

    #[test]
    fn another_size_takes_what_is_missing_and_gives_back_the_rest() {
        let budget = Budget::new(10);
        let budgets: Arc<[Arc<Budget>]> = [budget.clone()].into();
        let mut permits = Permits::try_take(&budgets, 4).unwrap();
        assert!(permits.resize(10) && permits.count() == 10 && budget.taken() == 10);
        assert!(!permits.resize(11) && permits.count() == 10 && budget.taken() == 10);
        assert!(permits.resize(3) && permits.count() == 3 && budget.taken() == 3);
        assert!(permits.resize(0) && budget.taken() == 0);
        drop(permits);
        assert_eq!(budget.taken(), 0);
    }

    #[test]
    fn another_limit_takes_nothing_back() {
        let budget = Budget::new(4);
        let budgets: Arc<[Arc<Budget>]> = [budget.clone()].into();
        let mut four = Permits::try_take(&budgets, 4).unwrap();
        budget.set_max(2);
        assert_eq!((budget.max(), budget.taken()), (2, 4));
        drop((four.split(), four.split()));
        assert!(Permits::try_take(&budgets, 1).is_err(), "still full");
        drop(four);
        assert!(Permits::try_take(&budgets, 2).is_ok());
        budget.set_max(8);
        assert!(Permits::try_take(&budgets, 8).is_ok());
    }
}
