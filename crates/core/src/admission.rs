//! Admission: every delivery takes a permit at the door, under the gateway's, its app's and its lane's budget.

mod estimate;
mod waiting;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use fanfare_types::{AppId, Budget, Lane, Permits};

use estimate::Estimate;
pub use waiting::{Answer, Place, Turn, Waiting, Wanted};

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

/// The order in which a lane's budgets are asked, with the scope each stands for: the narrowest first, so that who is
/// refused by a wider one would have found room in all that are its own.
const URGENT: &[Scope] = &[Scope::App, Scope::Gateway];
const BULK: &[Scope] = &[Scope::App, Scope::Lane, Scope::Gateway];

/// The door. Shared by all; taking and giving back is a few atomic operations.
#[derive(Debug)]
pub struct Admission {
    gateway: Arc<Budget>,
    bulk: Arc<Budget>,
    /// Replaced as a whole when the configuration is.
    apps: RwLock<Arc<HashMap<AppId, Doors>>>,
}

/// One app's budgets, by lane.
#[derive(Clone, Debug)]
struct Doors {
    app: Arc<Budget>,
    urgent: Budgets,
    bulk: Budgets,
    /// What its calls come to.
    estimate: Arc<Mutex<Estimate>>,
    /// An app that is served no more is kept while it holds permits, so that it finds them counted when it comes
    /// back.
    is_served: bool,
}

type Budgets = Arc<[Arc<Budget>]>;

impl Admission {
    pub fn new(limits: &Limits, apps: impl IntoIterator<Item = AppId>) -> Self {
        let admission = Admission {
            gateway: Budget::new(0),
            bulk: Budget::new(0),
            apps: RwLock::default(),
        };
        admission.reload(limits, apps);
        admission
    }

    /// Other limits and other apps from now on. Permits that were given out stay good; an app that is not named
    /// any more gets no further ones.
    pub fn reload(&self, limits: &Limits, apps: impl IntoIterator<Item = AppId>) {
        self.gateway.set_max(limits.deliveries_max);
        let bulk = share_of(limits.deliveries_max, limits.bulk_share);
        self.bulk.set_max(bulk);
        let before = self.apps();
        let mut doors: HashMap<_, _> = before
            .iter()
            .filter(|(_, doors)| doors.app.taken() > 0)
            .map(|(app, doors)| (app.clone(), doors.serving(false)))
            .collect();
        for app in apps {
            let known = before.get(&app).map(|doors| doors.serving(true));
            let open = known.unwrap_or_else(|| self.doors(Budget::new(0)));
            open.app.set_max(limits.deliveries_per_app_max);
            doors.insert(app, open);
        }
        *self.apps.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(doors);
    }

    fn doors(&self, app: Arc<Budget>) -> Doors {
        Doors {
            urgent: [app.clone(), self.gateway.clone()].into(),
            bulk: [app.clone(), self.bulk.clone(), self.gateway.clone()].into(),
            app,
            estimate: Arc::default(),
            is_served: true,
        }
    }

    fn apps(&self) -> Arc<HashMap<AppId, Doors>> {
        let apps = self.apps.read().unwrap_or_else(PoisonError::into_inner);
        apps.clone()
    }

    /// Room for `count` deliveries of one app in one lane, or why not. All or nothing. An app that is not
    /// served has no room at all.
    pub fn try_take(&self, app: &AppId, lane: Lane, count: usize) -> Result<Permits, Refused> {
        let (budgets, scopes) = self.door(app, lane)?;
        fits(&budgets, count)?;
        Permits::try_take(&budgets, count)
            .map_err(|full| refused(scopes[full], retry_after(&budgets[full])))
    }

    /// Whether `count` deliveries could ever find room; [`Scope::TooLarge`] when not.
    pub fn fits(&self, app: &AppId, lane: Lane, count: usize) -> Result<(), Refused> {
        let (budgets, _) = self.door(app, lane)?;
        fits(&budgets, count)
    }

    /// Whether this app has a door here.
    pub fn serves(&self, app: &AppId) -> bool {
        self.apps().get(app).is_some_and(|doors| doors.is_served)
    }

    /// The most deliveries of one app and lane that could ever be in memory at once.
    pub fn most(&self, app: &AppId, lane: Lane) -> usize {
        self.door(app, lane)
            .map_or(0, |(budgets, _)| most(&budgets))
    }

    /// Most deliveries of the bulk lane, of all apps together.
    pub fn bulk_max(&self) -> usize {
        self.bulk.max()
    }

    /// About how many deliveries a call of one app and lane that names so many users or devices will come to; no more
    /// than could ever be in memory at once, for many names may have no device.
    pub fn expected(&self, app: &AppId, lane: Lane, names: usize) -> usize {
        let estimate = self.estimate(app).map_or(names, |estimate| {
            let estimate = estimate.lock().unwrap_or_else(PoisonError::into_inner);
            estimate.of(names)
        });
        estimate.min(self.most(app, lane))
    }

    /// What such a call came to.
    pub fn learn(&self, app: &AppId, names: usize, deliveries: usize) {
        if let Some(estimate) = self.estimate(app) {
            let mut estimate = estimate.lock().unwrap_or_else(PoisonError::into_inner);
            estimate.learn(names, deliveries);
        }
    }

    fn estimate(&self, app: &AppId) -> Option<Arc<Mutex<Estimate>>> {
        self.apps().get(app).map(|doors| doors.estimate.clone())
    }

    /// Deliveries in memory now.
    pub fn taken(&self) -> usize {
        self.gateway.taken()
    }

    /// Most deliveries in memory at once.
    pub fn max(&self) -> usize {
        self.gateway.max()
    }

    fn door(&self, app: &AppId, lane: Lane) -> Result<(Budgets, &'static [Scope]), Refused> {
        let apps = self.apps.read().unwrap_or_else(PoisonError::into_inner);
        let doors = apps
            .get(app)
            .filter(|doors| doors.is_served)
            .ok_or_else(|| refused(Scope::App, RETRY_AFTER_MIN))?;
        Ok(match lane {
            Lane::Urgent => (doors.urgent.clone(), URGENT),
            Lane::Bulk => (doors.bulk.clone(), BULK),
        })
    }
}

impl Doors {
    fn serving(&self, is_served: bool) -> Self {
        Doors {
            is_served,
            ..self.clone()
        }
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

fn share_of(count: usize, share: f64) -> usize {
    whole((f64_of(count) * share.clamp(0.0, 1.0)).floor())
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a small multiple of a count; less than none is none"
)]
fn whole(count: f64) -> usize {
    count as usize
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
    fn what_could_ever_fit_takes_nothing() {
        let door = door();
        let _all = door.try_take(&app("a"), Lane::Urgent, 60).unwrap();
        door.fits(&app("a"), Lane::Urgent, 60).unwrap();
        let never = door.fits(&app("a"), Lane::Urgent, 61).unwrap_err();
        assert_eq!(never.scope, Scope::TooLarge);
        assert_eq!(door.taken(), 60);
    }

    #[test]
    fn other_limits_and_other_apps_take_no_permit_back() {
        let door = door();
        let (a, b) = (app("a"), app("b"));
        let of_a = door.try_take(&a, Lane::Bulk, 40).unwrap();
        let of_b = door.try_take(&b, Lane::Urgent, 20).unwrap();
        let less = Limits {
            deliveries_max: 50,
            deliveries_per_app_max: 30,
            bulk_share: 0.5,
        };
        door.reload(&less, ["a", "d"].map(app));
        assert_eq!((door.taken(), door.max()), (60, 50));
        assert_eq!(scope(door.try_take(&a, Lane::Urgent, 1)), Some(Scope::App));
        assert_eq!(
            scope(door.try_take(&app("d"), Lane::Urgent, 1)),
            Some(Scope::Gateway)
        );
        assert!(!door.serves(&b) && door.serves(&app("d")));
        assert_eq!(scope(door.try_take(&b, Lane::Urgent, 1)), Some(Scope::App));
        assert_eq!(
            (door.most(&a, Lane::Bulk), door.most(&b, Lane::Bulk)),
            (25, 0)
        );
        drop(of_a);
        door.try_take(&app("d"), Lane::Urgent, 30).unwrap();
        // Back again: what it still holds counts.
        door.reload(&less, ["a", "b"].map(app));
        assert_eq!(scope(door.try_take(&b, Lane::Urgent, 11)), Some(Scope::App));
        door.try_take(&b, Lane::Urgent, 10).unwrap();
        drop(of_b);
        door.reload(&less, []);
        assert!(!door.serves(&a) && door.taken() == 0);
    }
}
