//! The slots this node holds.

use std::sync::Arc;

use fanfare_types::{Hold, Slot, Tenure};

/// By slot, and in a row to pick from.
#[derive(Debug)]
pub(super) struct Held {
    by_slot: [Option<Arc<Hold>>; SLOTS],
    in_a_row: Vec<Arc<Hold>>,
    /// Told how many there are.
    tenure: Option<Arc<Tenure>>,
}

const SLOTS: usize = Slot::COUNT as usize;

impl Held {
    pub(super) fn none() -> Self {
        Held {
            by_slot: [const { None }; SLOTS],
            in_a_row: Vec::new(),
            tenure: None,
        }
    }

    pub(super) fn all() -> Self {
        let mut held = Held::none();
        for slot in Slot::all() {
            held.gain(slot);
        }
        held
    }

    /// From now on a tenure says how many there are: rates go by it.
    pub(super) fn tell(&mut self, tenure: &Arc<Tenure>) {
        self.tenure = Some(tenure.clone());
        self.tell_count();
    }

    fn tell_count(&self) {
        if let Some(tenure) = &self.tenure {
            tenure.set_slots(self.len());
        }
    }

    pub(super) fn of(&self, slot: Slot) -> Option<Arc<Hold>> {
        self.by_slot[usize::from(slot.number())].clone()
    }

    /// Each as likely as the others.
    pub(super) fn pick(&self, random: u64) -> Option<Arc<Hold>> {
        let count = u64::try_from(self.in_a_row.len()).unwrap_or(1);
        let place = random.checked_rem(count)?;
        self.in_a_row.get(usize::try_from(place).ok()?).cloned()
    }

    pub(super) fn len(&self) -> usize {
        self.in_a_row.len()
    }

    /// From now on it is held; a former hold stays lost.
    pub(super) fn gain(&mut self, slot: Slot) {
        self.lose(slot);
        let hold = Hold::new(slot);
        self.by_slot[usize::from(slot.number())] = Some(hold.clone());
        self.in_a_row.push(hold);
        self.tell_count();
    }

    /// From now on whoever has something of it drops it. Returns whether it was held.
    pub(super) fn lose(&mut self, slot: Slot) -> bool {
        let Some(hold) = self.by_slot[usize::from(slot.number())].take() else {
            return false;
        };
        hold.lose();
        self.in_a_row.retain(|held| held.slot != slot);
        self.tell_count();
        true
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn each_held_slot_is_picked_as_often() {
        let mut held = Held::none();
        assert!(held.pick(7).is_none());
        for number in [3, 9, 63] {
            held.gain(Slot::new(number).unwrap());
        }
        let mut picked = HashMap::<_, u32>::new();
        for random in 0..300 {
            *picked.entry(held.pick(random).unwrap().slot).or_default() += 1;
        }
        assert_eq!(picked.len(), 3);
        assert!(picked.values().all(|count| *count == 100));
    }

    #[test]
    fn what_is_lost_is_so_for_good() {
        let mut held = Held::all();
        let slot = Slot::new(5).unwrap();
        let hold = held.of(slot).unwrap();
        assert!(held.lose(slot) && !held.lose(slot));
        assert!(hold.is_lost() && held.of(slot).is_none());
        assert_eq!(held.len(), 63);
        held.gain(slot);
        assert!(hold.is_lost() && !held.of(slot).unwrap().is_lost());
        assert_eq!(held.len(), 64);
    }
}
