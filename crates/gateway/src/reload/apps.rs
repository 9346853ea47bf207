//! The apps of two configurations, told apart by their ids. Everything of an app is live.

use fanfare_actors::{ApnsCredential, App, FcmCredential};
use fanfare_ingress::AppDoor;
use fanfare_ingress::auth::ApiKey;

use super::{Change, What};

type Apps = [(AppDoor, App)];

pub(super) fn compare(before: &Apps, after: &Apps, changes: &mut Vec<Change>) {
    let find = |apps: &'_ Apps, app: &App| apps.iter().position(|(_, other)| other.id == app.id);
    for (_, app) in before {
        if find(after, app).is_none() {
            changes.push(Change::new(key(app, ""), What::Removed));
        }
    }
    for (door, app) in after {
        match find(before, app) {
            None => changes.push(Change::new(key(app, ""), What::Added)),
            Some(index) => {
                let (old_door, old) = &before[index];
                compare_doors(old_door, door, app, changes);
                compare_one(old, app, changes);
            }
        }
    }
}

fn key(app: &App, rest: &str) -> String {
    format!("apps.{}{rest}", app.id)
}

fn compare_doors(before: &AppDoor, after: &AppDoor, app: &App, changes: &mut Vec<Change>) {
    let AppDoor {
        id: _,
        api_keys,
        jwt,
        contracts,
        ring,
    } = before;
    compare_keys(api_keys, &after.api_keys, app, changes);
    changes.extend(whole(
        key(app, ".jwt"),
        jwt.as_ref(),
        after.jwt.as_ref(),
        |a, b| a == b,
    ));
    if *contracts != after.contracts {
        changes.push(Change::new(key(app, ".contracts"), What::Replaced));
    }
    changes.extend(Change::of(
        key(app, ".ring.registrations_per_minute"),
        &ring.per_window,
        &after.ring.per_window,
    ));
    changes.extend(Change::of(
        key(app, ".ring.users_max"),
        &ring.keys_max,
        &after.ring.keys_max,
    ));
}

/// By name: a key whose hash or kind is another's by now was replaced.
fn compare_keys(before: &[ApiKey], after: &[ApiKey], app: &App, changes: &mut Vec<Change>) {
    let key = |of: &ApiKey| key(app, &format!(".api_keys.{}", of.name));
    let is_named = |keys: &[ApiKey], of: &ApiKey| keys.iter().any(|other| other.name == of.name);
    for gone in before.iter().filter(|old| !after.contains(old)) {
        if !is_named(after, gone) {
            changes.push(Change::new(key(gone), What::Removed));
        }
    }
    for new in after.iter().filter(|new| !before.contains(new)) {
        let what = match is_named(before, new) {
            true => What::Replaced,
            false => What::Added,
        };
        changes.push(Change::new(key(new), what));
    }
}

fn compare_one(before: &App, after: &App, changes: &mut Vec<Change>) {
    let App {
        id: _,
        on_dead_token,
        registration,
        apns,
        fcm,
    } = before;
    let key = |rest| key(after, rest);
    changes.extend(Change::of(
        key(".on_dead_token"),
        on_dead_token,
        &after.on_dead_token,
    ));
    let (old, new) = (
        &registration.address_sharing,
        &after.registration.address_sharing,
    );
    changes.extend(Change::of(key(".address_sharing"), old, new));
    let (old, new) = (
        &registration.deactivate_after,
        &after.registration.deactivate_after,
    );
    changes.extend(Change::of(key(".deactivate_after"), old, new));
    let (old, new) = (apns.as_deref(), after.apns.as_deref());
    changes.extend(whole(
        key(".apns"),
        old,
        new,
        ApnsCredential::is_same_account,
    ));
    if let (Some(old), Some(new)) = (old, new) {
        changes.extend(apns_limits(&key, old, new));
    }
    let (old, new) = (fcm.as_deref(), after.fcm.as_deref());
    changes.extend(whole(key(".fcm"), old, new, FcmCredential::is_same_account));
    if let (Some(old), Some(new)) = (old, new) {
        changes.extend(fcm_limits(&key, old, new));
    }
}

fn apns_limits(
    key: &impl Fn(&'static str) -> String,
    old: &ApnsCredential,
    new: &ApnsCredential,
) -> impl Iterator<Item = Change> {
    let at = |rest| key(rest);
    let changes = [
        Change::of(
            at(".apns.endpoint_production"),
            &old.production,
            &new.production,
        ),
        Change::of(at(".apns.endpoint_sandbox"), &old.sandbox, &new.sandbox),
        Change::of(
            at(".apns.connections"),
            &old.connections_max,
            &new.connections_max,
        ),
    ];
    changes.into_iter().flatten()
}

fn fcm_limits(
    key: &impl Fn(&'static str) -> String,
    old: &FcmCredential,
    new: &FcmCredential,
) -> impl Iterator<Item = Change> {
    let at = |rest| key(rest);
    let changes = [
        Change::of(at(".fcm.endpoint"), &old.endpoint, &new.endpoint),
        Change::of(
            at(".fcm.connections"),
            &old.connections_max,
            &new.connections_max,
        ),
        Change::of(at(".fcm.rate_max"), &old.rate_max, &new.rate_max),
    ];
    changes.into_iter().flatten()
}

/// A table that came, went, or holds another secret.
fn whole<T>(
    key: String,
    before: Option<&T>,
    after: Option<&T>,
    is_same: impl Fn(&T, &T) -> bool,
) -> Option<Change> {
    let what = match (before, after) {
        (None, None) => return None,
        (None, Some(_)) => What::Added,
        (Some(_), None) => What::Removed,
        (Some(before), Some(after)) if is_same(before, after) => return None,
        (Some(_), Some(_)) => What::Replaced,
    };
    Some(Change::new(key, what))
}
