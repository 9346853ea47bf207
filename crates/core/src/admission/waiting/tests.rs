use std::time::Duration;

use super::*;
use crate::admission::Limits;

fn app(name: &str) -> AppId {
    AppId::new(name).unwrap()
}

const START: Timestamp = Timestamp(1_000_000);
const PATIENCE: Duration = Duration::from_secs(2);

/// A door of 100, 60 for an app, 50 for bulk; and who waits at it.
struct Hall {
    door: Admission,
    waiting: Waiting<&'static str>,
    inside: Vec<(&'static str, Permits)>,
    refused: Vec<(&'static str, Scope)>,
    now: Timestamp,
}

impl Hall {
    fn new(max: usize) -> Self {
        let limits = Limits {
            deliveries_max: 100,
            deliveries_per_app_max: 60,
            bulk_share: 0.5,
        };
        Hall {
            door: Admission::new(&limits, ["a", "b", "c"].map(app)),
            waiting: Waiting::new(max),
            inside: Vec::new(),
            refused: Vec::new(),
            now: START,
        }
    }

    fn comes(&mut self, who: &'static str, of: &str, lane: Lane, count: usize) -> Place {
        self.comes_in(Turn::Last, who, of, lane, count)
    }

    fn comes_in(
        &mut self,
        turn: Turn,
        who: &'static str,
        of: &str,
        lane: Lane,
        count: usize,
    ) -> Place {
        let wanted = Wanted {
            app: app(of),
            lane,
            count,
            until: self.now + PATIENCE,
        };
        let mut answers = Vec::new();
        let place = self
            .waiting
            .arrive(wanted, turn, who, &self.door, self.now, &mut answers);
        self.told(answers);
        place
    }

    fn look(&mut self) {
        let mut answers = Vec::new();
        self.waiting.look(&self.door, self.now, &mut answers);
        self.told(answers);
    }

    fn told(&mut self, answers: Vec<Answer<&'static str>>) {
        for Answer { who, room } in answers {
            match room {
                Ok(permits) => self.inside.push((who, permits)),
                Err(refused) => self.refused.push((who, refused.scope)),
            }
        }
    }

    /// Those that came in since somebody asked last; the permits are kept.
    fn in_order(&self) -> Vec<&'static str> {
        self.inside.iter().map(|(who, _)| *who).collect()
    }

    fn leaves(&mut self, who: &str) {
        self.inside.retain(|(inside, _)| *inside != who);
        self.look();
    }
}

#[test]
fn who_finds_room_does_not_wait_and_who_never_will_is_told() {
    let mut hall = Hall::new(1);
    hall.comes("a1", "a", Lane::Urgent, 60);
    hall.comes("b1", "b", Lane::Urgent, 61);
    hall.comes("stranger", "nobody", Lane::Urgent, 1);
    assert_eq!(hall.in_order(), ["a1"]);
    let refused = [("b1", Scope::TooLarge), ("stranger", Scope::App)];
    assert_eq!((&hall.refused[..], hall.waiting.len()), (&refused[..], 0));
}

#[test]
fn first_come_first_served_and_small_ones_do_not_overtake() {
    let mut hall = Hall::new(10);
    hall.comes("full", "a", Lane::Urgent, 50);
    hall.comes("rest", "a", Lane::Urgent, 10);
    hall.comes("large", "a", Lane::Urgent, 40);
    hall.comes("small", "a", Lane::Urgent, 1);
    hall.leaves("rest");
    assert_eq!(hall.in_order(), ["full"], "it fits, and it is not its turn");
    hall.leaves("full");
    assert_eq!(hall.in_order(), ["large", "small"]);
    assert!(hall.waiting.is_empty() && hall.refused.is_empty());
}

#[test]
fn apps_and_lanes_have_their_turns() {
    let mut hall = Hall::new(10);
    hall.comes("full", "a", Lane::Urgent, 60);
    hall.comes("rest", "b", Lane::Urgent, 40);
    for who in ["b1", "b2", "b3"] {
        hall.comes(who, "b", Lane::Urgent, 10);
    }
    for who in ["bulk1", "bulk2"] {
        hall.comes(who, "b", Lane::Bulk, 10);
    }
    hall.comes("c1", "c", Lane::Urgent, 10);
    hall.inside.remove(0);
    hall.look();
    // All of b together had 20 left, and turns about.
    assert_eq!(hall.in_order(), ["rest", "b1", "bulk1", "c1"]);
    hall.leaves("rest");
    assert_eq!(hall.in_order()[3..], ["b2", "bulk2", "b3"]);
}

#[test]
fn who_waits_for_its_own_budget_holds_up_nobody_else() {
    let mut hall = Hall::new(10);
    hall.comes("a1", "a", Lane::Bulk, 50);
    hall.comes("lane", "a", Lane::Bulk, 1);
    hall.comes("behind", "b", Lane::Bulk, 1);
    assert_eq!(hall.waiting.len(), 2, "the lane is full");
    hall.comes("urgent", "a", Lane::Urgent, 10);
    hall.comes("app", "a", Lane::Urgent, 10);
    assert_eq!(hall.waiting.len(), 3, "and so is the app");
    hall.comes("other", "c", Lane::Urgent, 20);
    assert_eq!(hall.in_order(), ["a1", "urgent", "other"]);
}

#[test]
fn a_large_call_gets_its_room_at_the_gateway_in_the_end() {
    let mut hall = Hall::new(10);
    for who in ["1", "2", "3", "4", "5"] {
        hall.comes(who, if who < "4" { "a" } else { "b" }, Lane::Urgent, 20);
    }
    hall.comes("large", "c", Lane::Urgent, 60);
    for (who, next) in [("1", "x"), ("2", "y")] {
        hall.leaves(who);
        hall.comes(next, "b", Lane::Urgent, 1);
    }
    assert_eq!(hall.in_order(), ["3", "4", "5"], "they would fit");
    hall.leaves("3");
    assert_eq!(hall.in_order(), ["4", "5", "large"]);
    hall.leaves("4");
    assert_eq!(hall.in_order(), ["5", "large", "x", "y"]);
}

#[test]
fn patience_ends_with_what_was_waited_for() {
    let mut hall = Hall::new(10);
    hall.comes("full", "a", Lane::Urgent, 60);
    hall.comes("early", "a", Lane::Urgent, 60);
    hall.now = hall.now + PATIENCE / 2;
    hall.comes("late", "a", Lane::Urgent, 1);
    hall.inside[0].1.resize(59);
    hall.now = START + PATIENCE;
    hall.look();
    assert_eq!(hall.refused, [("early", Scope::App)]);
    assert_eq!(hall.in_order(), ["full", "late"], "nobody is before it now");
}

#[test]
fn at_the_most_it_is_the_longest_queue_that_gives_way() {
    let mut hall = Hall::new(3);
    hall.comes("a0", "a", Lane::Urgent, 60);
    hall.comes("b0", "b", Lane::Urgent, 40);
    for who in ["a1", "a2", "a3", "a4"] {
        hall.comes(who, "a", Lane::Urgent, 1);
    }
    assert_eq!(hall.refused, [("a4", Scope::App)], "the one that came last");
    hall.comes("c1", "c", Lane::Urgent, 1);
    assert_eq!(hall.refused[1..], [("a3", Scope::App)], "not the other app");
    hall.leaves("b0");
    assert_eq!(hall.in_order(), ["a0", "c1"]);
}

#[test]
fn who_needs_more_than_it_thought_is_next() {
    let mut hall = Hall::new(10);
    hall.comes("full", "a", Lane::Urgent, 60);
    hall.comes("rest", "b", Lane::Urgent, 40);
    hall.comes("b1", "b", Lane::Urgent, 1);
    hall.comes("c1", "c", Lane::Urgent, 1);
    hall.comes("c2", "c", Lane::Urgent, 1);
    hall.comes_in(Turn::First, "again", "c", Lane::Urgent, 2);
    hall.leaves("rest");
    assert_eq!(hall.in_order(), ["full", "again", "b1", "c1", "c2"]);
}

#[test]
fn who_leaves_is_not_answered_and_closing_refuses_the_rest() {
    let mut hall = Hall::new(10);
    hall.comes("full", "a", Lane::Urgent, 60);
    let gone = hall.comes("gone", "a", Lane::Urgent, 60);
    hall.comes("next", "a", Lane::Bulk, 1);
    hall.waiting.leave(gone);
    hall.waiting.leave(gone);
    assert_eq!(hall.waiting.len(), 1);
    let mut answers = Vec::new();
    hall.waiting.close(&mut answers);
    hall.told(answers);
    assert_eq!(hall.refused, [("next", Scope::App)]);
    assert!(hall.waiting.is_empty());
}
