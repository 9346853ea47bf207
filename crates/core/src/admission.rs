//! Admission: every delivery takes a permit at the door, under the gateway's, its app's and its lane's budget.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use fanfare_types::{AppId, Budget, Lane, Permits};

/// How many deliveries may be in memory at once.
#[derive(Clone, Debug)]
pub struct Limits {
    /// All together. Default 200,000 (about 100 MB). At it: 503 with `Retry-After`.
    pub deliveries_max: usize,
    /// Of one app. Default 100,000. At it: 429 with `Retry-After`.
    pub deliveries_per_app_max: usize,
    /// The bulk lane's part of `deliveries_max`, so that urgent work always finds room. Default 0.8.
    pub bulk_share: f64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            deliveries_max: 200_000,
            deliveries_per_app_max: 100_000,
            bulk_share: 0.8,
        }
    }
}

/// Why there is no room, and when to come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    pub scope: Scope,
    pub retry_after: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The gateway is full: 503.
    Gateway,
    /// The lane is full: 503.
    Lane,
    /// The app has its share: 429.
    App,
    /// More recipients in one call than the budgets could ever hold: 422, and no use in trying again.
    TooLarge,
}

impl Scope {
    /// Stable word for metrics and problem documents.
    pub fn label(self) -> &'static str {
        match self {
            Scope::Gateway => "gateway",
            Scope::Lane => "lane",
            Scope::App => "app",
            Scope::TooLarge => "too_large",
        }
    }
}

/// Shortest advice to a refused caller.
const RETRY_AFTER_MIN: Duration = Duration::from_secs(1);
/// What a completely full budget adds to it.
const RETRY_AFTER_FULL: Duration = Duration::from_secs(4);

/// The order in which a lane's budgets are asked, with the scope each stands for.
const URGENT: &[Scope] = &[Scope::Gateway, Scope::App];
const BULK: &[Scope] = &[Scope::Gateway, Scope::Lane, Scope::App];

/// The door. Shared by all; taking and giving back is a few atomic operations.
#[derive(Debug)]
pub struct Admission {
    gateway: Arc<Budget>,
    apps: HashMap<AppId, Doors>,
}

/// One app's budgets, by lane.
#[derive(Debug)]
struct Doors {
    urgent: Budgets,
    bulk: Budgets,
}

type Budgets = Arc<[Arc<Budget>]>;

impl Admission {
    pub fn new(limits: &Limits, apps: impl IntoIterator<Item = AppId>) -> Self {
        let gateway = Budget::new(limits.deliveries_max);
        let lane = Budget::new(share_of(limits.deliveries_max, limits.bulk_share));
        let doors = || {
            let app = Budget::new(limits.deliveries_per_app_max);
            Doors {
                urgent: [gateway.clone(), app.clone()].into(),
                bulk: [gateway.clone(), lane.clone(), app].into(),
            }
        };
        let apps = apps.into_iter().map(|app| (app, doors())).collect();
        Admission { gateway, apps }
    }

    /// Room for `count` deliveries of one app in one lane, or why not. All or nothing. An app that is not
    /// served has no room at all.
    pub fn try_take(&self, app: &AppId, lane: Lane, count: usize) -> Result<Permits, Refused> {
        let (budgets, scopes) = self.door(app, lane)?;
        fits(budgets, count)?;
        Permits::try_take(budgets, count)
            .map_err(|full| refused(scopes[full], retry_after(&budgets[full])))
    }

    /// Whether `count` deliveries, or as many as ever fit if they are fewer, would find room now; takes nothing.
    /// For turning work away before it costs a read; only [`Admission::try_take`] decides.
    pub fn check(&self, app: &AppId, lane: Lane, count: usize) -> Result<(), Refused> {
        let (budgets, scopes) = self.door(app, lane)?;
        let count = count.min(most(budgets));
        let full = |budget: &Arc<Budget>| budget.max().saturating_sub(budget.taken()) < count;
        match budgets.iter().position(full) {
            Some(full) => Err(refused(scopes[full], retry_after(&budgets[full]))),
            None => Ok(()),
        }
    }

    /// Whether `count` deliveries could ever find room; [`Scope::TooLarge`] when not.
    pub fn fits(&self, app: &AppId, lane: Lane, count: usize) -> Result<(), Refused> {
        let (budgets, _) = self.door(app, lane)?;
        fits(budgets, count)
    }

    /// Whether this app has a door here.
    pub fn serves(&self, app: &AppId) -> bool {
        self.apps.contains_key(app)
    }

    /// The most deliveries of one app and lane that could ever be in memory at once.
    pub fn most(&self, app: &AppId, lane: Lane) -> usize {
        self.door(app, lane).map_or(0, |(budgets, _)| most(budgets))
    }

    /// Deliveries in memory now.
    pub fn taken(&self) -> usize {
        self.gateway.taken()
    }

    /// Most deliveries in memory at once.
    pub fn max(&self) -> usize {
        self.gateway.max()
    }

    fn door(&self, app: &AppId, lane: Lane) -> Result<(&Budgets, &'static [Scope]), Refused> {
        let doors = self
            .apps
            .get(app)
            .ok_or_else(|| refused(Scope::App, RETRY_AFTER_MIN))?;
        Ok(match lane {
            Lane::Urgent => (&doors.urgent, URGENT),
            Lane::Bulk => (&doors.bulk, BULK),
        })
    }
}

fn refused(scope: Scope, retry_after: Duration) -> Refused {
    Refused { scope, retry_after }
}

fn most(budgets: &[Arc<Budget>]) -> usize {
    budgets.iter().map(|budget| budget.max()).min().unwrap_or(0)
}

fn fits(budgets: &[Arc<Budget>], count: usize) -> Result<(), Refused> {
    if count > most(budgets) {
        return Err(refused(Scope::TooLarge, Duration::ZERO));
    }
    Ok(())
}

/// From 1 s for a call that only just did not fit, to 5 s when the budget is full.
fn retry_after(budget: &Budget) -> Duration {
    let fill = f64_of(budget.taken()) / f64_of(budget.max().max(1));
    RETRY_AFTER_MIN + RETRY_AFTER_FULL.mul_f64(fill.clamp(0.0, 1.0))
}

fn f64_of(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to a share of a count"
)]
fn share_of(count: usize, share: f64) -> usize {
    (f64_of(count) * share.clamp(0.0, 1.0)).floor() as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app(name: &str) -> AppId {
        AppId::new(name).unwrap()
    }

    fn door() -> Admission {
        let limits = Limits {
            deliveries_max: 100,
            deliveries_per_app_max: 60,
            bulk_share: 0.5,
        };
        Admission::new(&limits, ["a", "b", "c"].map(app))
    }

    fn scope(taken: Result<Permits, Refused>) -> Option<Scope> {
        taken.err().map(|refused| refused.scope)
    }

    #[test]
    fn each_budget_refuses_under_its_own_name() {
        let door = door();
        assert_eq!(
            scope(door.try_take(&app("a"), Lane::Urgent, 61)),
            Some(Scope::TooLarge)
        );
        assert_eq!(
            scope(door.try_take(&app("a"), Lane::Bulk, 51)),
            Some(Scope::TooLarge)
        );
        let bulk = door.try_take(&app("a"), Lane::Bulk, 50).unwrap();
        assert_eq!(
            scope(door.try_take(&app("b"), Lane::Bulk, 1)),
            Some(Scope::Lane)
        );
        let urgent = door.try_take(&app("a"), Lane::Urgent, 10).unwrap();
        assert_eq!(
            scope(door.try_take(&app("a"), Lane::Urgent, 1)),
            Some(Scope::App)
        );
        let other = door.try_take(&app("b"), Lane::Urgent, 40).unwrap();
        assert_eq!(
            scope(door.try_take(&app("c"), Lane::Urgent, 1)),
            Some(Scope::Gateway)
        );
        assert_eq!(
            scope(door.try_take(&app("nobody"), Lane::Urgent, 1)),
            Some(Scope::App)
        );
        assert_eq!((door.taken(), door.max()), (100, 100));
        drop((bulk, urgent, other));
        assert_eq!(door.taken(), 0);
    }

    #[test]
    fn the_advice_grows_with_the_fill() {
        let door = door();
        let half = door.try_take(&app("a"), Lane::Urgent, 30).unwrap();
        let early = door.try_take(&app("a"), Lane::Urgent, 31).err().unwrap();
        let rest = door.try_take(&app("a"), Lane::Urgent, 30).unwrap();
        let late = door.try_take(&app("a"), Lane::Urgent, 31).err().unwrap();
        assert_eq!(early.retry_after, Duration::from_secs(3));
        assert_eq!(late.retry_after, Duration::from_secs(5));
        drop((half, rest));
    }

    #[test]
    fn checking_takes_nothing() {
        let door = door();
        door.check(&app("a"), Lane::Urgent, 60).unwrap();
        door.check(&app("a"), Lane::Urgent, 61).unwrap();
        let never = door.fits(&app("a"), Lane::Urgent, 61).unwrap_err();
        assert_eq!(never.scope, Scope::TooLarge);
        assert_eq!(door.taken(), 0);
        let kept = door.try_take(&app("a"), Lane::Urgent, 60).unwrap();
        let refused = door.check(&app("a"), Lane::Urgent, 1).unwrap_err();
        assert_eq!(refused.scope, Scope::App);
        assert_eq!(kept.count(), 60);
    }
}
