//! Reading a notification: everything that is wrong with it, at once.

use std::time::Duration;

use fanfare_actors::notifications::{NewNotification, To};
use fanfare_providers::{Fault, check_message};
use fanfare_types::message::Variables;
use fanfare_types::{AppId, Lane, Message, OnUnknown, Options, Priority, Timestamp};
use serde_json::Value;

use super::{message, targets};
use crate::config::Config;
use crate::fields::{Faults, Fields};

/// Most variables of one notification.
const VARIABLES_MAX: usize = 256;

/// The notification in a body, or all that is wrong with it.
pub(super) fn read(
    value: Value,
    app: &AppId,
    config: &Config,
    now: Timestamp,
) -> Result<NewNotification, Vec<Fault>> {
    let mut faults = Faults::default();
    let parts = Fields::of(value, "", &mut faults).map(|fields| members(fields, config, now));
    let Some((to, message, variables, options)) = parts else {
        return Err(faults.into_vec());
    };
    if let Some(message) = &message {
        for fault in check_message(message, &variables, &options) {
            // A member that was left out for a fault of its own looks empty or missing to this check.
            if !is_consequence(&fault, &faults) {
                faults.push(fault);
            }
        }
    }
    match (to, message) {
        (Some(to), Some(message)) if faults.is_empty() => Ok(NewNotification {
            app: app.clone(),
            to,
            message,
            variables,
            options,
            idempotency: None,
        }),
        _ => Err(faults.into_vec()),
    }
}

/// What is wrong with a body; for the test that compares the reader with its documentation.
#[cfg(test)]
pub(crate) fn faults_of(value: Value) -> Vec<Fault> {
    let app = AppId::new("shop").expect("an id");
    read(value, &app, &crate::tests::config(), Timestamp(0))
        .err()
        .unwrap_or_default()
}

/// Whether a fault of the check only shows because a member was left out for a fault of its own.
pub(crate) fn is_consequence(fault: &Fault, found: &Faults) -> bool {
    found.concern(&fault.field)
        || fault.code == "missing_variable" && found.concern("variables")
        || fault.code == "never_sent" && (found.concern("ttl") || found.concern("send_at"))
}

fn members(
    mut fields: Fields<'_>,
    config: &Config,
    now: Timestamp,
) -> (Option<To>, Option<Message>, Variables, Options) {
    let to = targets::read(&mut fields, config.targets_max);
    let message = message::read(&mut fields);
    let variables = variables(&mut fields);
    let options = options(&mut fields, config, now);
    fields.finish();
    (to, message, variables, options)
}

pub(crate) fn variables(fields: &mut Fields<'_>) -> Variables {
    let variables = fields.texts("variables").unwrap_or_default();
    let variables: Variables = variables.into_iter().collect();
    if variables.len() > VARIABLES_MAX {
        let detail = format!("may have {VARIABLES_MAX} members at most");
        fields.fault("variables", "too_many", detail);
    }
    variables
}

fn options(fields: &mut Fields<'_>, config: &Config, now: Timestamp) -> Options {
    let lane = fields
        .word("lane", Lane::parse, &["urgent", "bulk"])
        .unwrap_or(Lane::Urgent);
    let implied = match lane {
        Lane::Urgent => Priority::High,
        Lane::Bulk => Priority::Normal,
    };
    let priority = fields.word("priority", Priority::parse, &["high", "normal"]);
    let on_unknown = fields.word("on_unknown", OnUnknown::parse, &["retry", "drop"]);
    let ttl = fields.integer("ttl", 1..=config.ttl_max.as_secs());
    let ttl = ttl.map_or(config.ttl_default, Duration::from_secs);
    let send_at = send_at(fields, config.ttl_max, now);
    Options {
        priority: priority.unwrap_or(implied),
        collapse_key: fields.text("collapse_key", usize::MAX),
        lane,
        on_unknown: on_unknown.unwrap_or(OnUnknown::Retry),
        expires_at: send_at.unwrap_or(now) + ttl,
        send_at,
    }
}

/// A time to come; one that has passed means now.
fn send_at(fields: &mut Fields<'_>, furthest: Duration, now: Timestamp) -> Option<Timestamp> {
    let text = fields.text("send_at", usize::MAX)?;
    match Timestamp::parse_rfc3339(&text) {
        Err(_) => {
            let detail = "must be an RFC 3339 time, as 2026-01-31T08:00:00Z";
            fields.fault("send_at", "malformed", detail);
            None
        }
        Ok(at) if at > now + furthest => {
            let detail = format!("may be {} seconds from now at most", furthest.as_secs());
            fields.fault("send_at", "out_of_range", detail);
            None
        }
        Ok(at) => (at > now).then_some(at),
    }
}
