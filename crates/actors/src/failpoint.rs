//! Points where a test makes the code panic, to show what a bug there would cost. In any other build there is
//! nothing of them.
//!
//! Every actor passes one with each message, with each event of supervision and at its start, and so does every
//! task that is spawned. In this crate's own tests a plan holds for the thread, that is for one test with the
//! runtime it runs on; with the feature `failpoints` (tests of other crates, never the shipped binary)
//! `TEST_PANIC_AT=actor/point` names one point that panics each time.

/// Passes the point `point` of `actor`.
macro_rules! failpoint {
    ($actor:expr, $point:expr) => {
        #[cfg(any(test, feature = "failpoints"))]
        crate::failpoint::pass($actor, $point);
        #[cfg(not(any(test, feature = "failpoints")))]
        let _ = ($actor, $point);
    };
}

/// Names every variant of an actor's message; one that is left out does not compile.
macro_rules! failpoints {
    ($actor:literal, $message:ident: $($variant:ident),+ $(,)?) => {
        #[cfg(any(test, feature = "failpoints"))]
        impl crate::failpoint::Named for $message {
            const ACTOR: &'static str = $actor;
            #[cfg(test)]
            const POINTS: &'static [&'static str] = &[$(stringify!($variant)),+];

            fn point(&self) -> &'static str {
                match self {
                    $($message::$variant { .. } => stringify!($variant),)+
                }
            }
        }
    };
}

/// Passes the point of a message; first in every `handle`.
macro_rules! handling {
    ($message:expr) => {
        #[cfg(any(test, feature = "failpoints"))]
        crate::failpoint::pass_message($message);
    };
}

pub(crate) use {failpoint, failpoints, handling};

#[cfg(any(test, feature = "failpoints"))]
pub(crate) use armed::{Named, pass, pass_message};

#[cfg(any(test, feature = "failpoints"))]
mod armed {
    /// A message whose variants have names.
    pub(crate) trait Named {
        const ACTOR: &'static str;
        #[cfg(test)]
        const POINTS: &'static [&'static str];

        fn point(&self) -> &'static str;
    }

    pub(crate) fn pass_message<M: Named>(message: &M) {
        pass(M::ACTOR, message.point());
    }

    #[cfg(test)]
    pub(crate) fn pass(actor: &'static str, point: &'static str) {
        super::plan::pass(actor, point);
    }

    #[cfg(not(test))]
    pub(crate) fn pass(actor: &'static str, point: &'static str) {
        use std::sync::OnceLock;
        static AT: OnceLock<Option<String>> = OnceLock::new();
        let at = AT.get_or_init(|| std::env::var("TEST_PANIC_AT").ok());
        let is_it = |at: &str| at.split_once('/') == Some((actor, point));
        assert!(
            !at.as_deref().is_some_and(is_it),
            "failpoint {actor}/{point}"
        );
    }
}

/// What the tests of this crate arrange.
#[cfg(test)]
pub(crate) mod plan {
    use std::cell::RefCell;
    use std::collections::BTreeMap;

    /// An actor and one of its points.
    pub(crate) type Point = (&'static str, &'static str);

    #[derive(Default)]
    struct Plan {
        /// At which passes of a point to panic, counted from 1.
        armed: BTreeMap<Point, Vec<usize>>,
        passed: BTreeMap<Point, usize>,
        panicked: BTreeMap<Point, usize>,
    }

    thread_local! {
        static PLAN: RefCell<Plan> = RefCell::default();
    }

    /// Panics at these passes of these points from now on, counted from now.
    pub(crate) fn arm(points: &[(Point, &[usize])]) {
        let armed = points.iter().map(|(point, at)| (*point, at.to_vec()));
        let plan = Plan {
            armed: armed.collect(),
            ..Plan::default()
        };
        PLAN.set(plan);
    }

    /// How often the point has panicked since it was armed.
    pub(crate) fn panicked(point: Point) -> usize {
        PLAN.with_borrow(|plan| plan.panicked.get(&point).copied().unwrap_or(0))
    }

    pub(super) fn pass(actor: &'static str, name: &'static str) {
        let point = (actor, name);
        let panics = PLAN.with_borrow_mut(|plan| {
            let passed = plan.passed.entry(point).or_default();
            *passed += 1;
            let panics = plan.armed.get(&point).is_some_and(|at| at.contains(passed));
            if panics {
                *plan.panicked.entry(point).or_default() += 1;
            }
            panics
        });
        assert!(!panics, "failpoint {actor}/{name}");
    }
}
