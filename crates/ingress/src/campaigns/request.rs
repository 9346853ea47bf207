//! Reading what is asked of campaigns: everything that is wrong with it, at once.

use std::time::Duration;

use fanfare_actors::campaigns::NewCampaign;
use fanfare_providers::{Fault, check_message, check_open_message};
use fanfare_types::message::Variables;
use fanfare_types::{
    AppId, Audience, Lane, Message, MissingVariable, OnUnknown, Options, Priority, Timestamp,
};
use serde_json::Value;

use super::audience;
use crate::config::Config;
use crate::fields::{Faults, Fields};
use crate::notifications::{is_consequence, message, variables};

/// Longest name, in characters.
const NAME_CHARS_MAX: usize = 128;

/// Most pushes a second that a rate can say.
const RATE_MAX: u64 = 1_000_000;

/// The campaign in a body, or all that is wrong with it.
pub(super) fn read(
    value: Value,
    app: &AppId,
    config: &Config,
    now: Timestamp,
) -> Result<NewCampaign, Vec<Fault>> {
    let mut faults = Faults::default();
    let read = Fields::of(value, "", &mut faults).map(|fields| members(fields, config));
    let Some(read) = read else {
        return Err(faults.into_vec());
    };
    if let Some(message) = &read.message {
        for fault in check(message, &read, now) {
            if !is_consequence(&fault, &faults) {
                faults.push(fault);
            }
        }
    }
    match read.into_campaign(app) {
        Some(new) if faults.is_empty() => Ok(new),
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

/// What a body says; members with faults are left out.
struct Read {
    name: Option<String>,
    audience: Option<Audience>,
    message: Option<Message>,
    variables: Variables,
    missing_variable: MissingVariable,
    priority: Priority,
    collapse_key: Option<String>,
    on_unknown: OnUnknown,
    ttl: Duration,
    rate: Option<u32>,
    start_at: Option<Timestamp>,
}

fn members(mut fields: Fields<'_>, config: &Config) -> Read {
    let name = name(&mut fields);
    let audience = audience::read(&mut fields);
    let message = message::read(&mut fields);
    let variables = variables(&mut fields);
    let words = ["fail", "skip", "empty"];
    let missing_variable = fields.word("missing_variable", MissingVariable::parse, &words);
    let priority = fields.word("priority", Priority::parse, &["high", "normal"]);
    let on_unknown = fields.word("on_unknown", OnUnknown::parse, &["retry", "drop"]);
    let ttl = fields.integer("ttl", 1..=config.ttl_max.as_secs());
    let read = Read {
        name,
        audience,
        message,
        variables,
        missing_variable: missing_variable.unwrap_or(MissingVariable::Fail),
        priority: priority.unwrap_or(Priority::Normal),
        collapse_key: fields.text("collapse_key", usize::MAX),
        on_unknown: on_unknown.unwrap_or(OnUnknown::Retry),
        ttl: ttl.map_or(config.ttl_default, Duration::from_secs),
        rate: rate(&mut fields),
        start_at: start_at(&mut fields),
    };
    fields.finish();
    read
}

impl Read {
    fn into_campaign(self, app: &AppId) -> Option<NewCampaign> {
        Some(NewCampaign {
            app: app.clone(),
            name: self.name?,
            audience: self.audience?,
            message: self.message?,
            variables: self.variables,
            missing_variable: self.missing_variable,
            priority: self.priority,
            collapse_key: self.collapse_key,
            on_unknown: self.on_unknown,
            ttl: self.ttl,
            rate: self.rate,
            start_at: self.start_at,
            idempotency: None,
        })
    }
}

fn name(fields: &mut Fields<'_>) -> Option<String> {
    fields.require("name");
    let name = fields.text("name", usize::MAX)?;
    let (code, detail) = match name.chars().count() {
        0 => ("empty", "must not be empty".to_owned()),
        chars if chars > NAME_CHARS_MAX => (
            "too_long",
            format!("may have {NAME_CHARS_MAX} characters at most"),
        ),
        _ if name.chars().any(char::is_control) => {
            ("malformed", "must have no control characters".to_owned())
        }
        _ => return Some(name),
    };
    fields.fault("name", code, detail);
    None
}

fn rate(fields: &mut Fields<'_>) -> Option<u32> {
    let rate = fields.integer("rate", 1..=RATE_MAX)?;
    u32::try_from(rate).ok()
}

/// One that has passed is kept: the campaign starts at once.
fn start_at(fields: &mut Fields<'_>) -> Option<Timestamp> {
    let text = fields.text("start_at", usize::MAX)?;
    let at = Timestamp::parse_rfc3339(&text).ok();
    if at.is_none() {
        let detail = "must be an RFC 3339 time, as 2026-01-31T08:00:00Z";
        fields.fault("start_at", "malformed", detail);
    }
    at
}

/// What providers would not take. A placeholder without a value is a fault where every recipient would miss it, and
/// none may.
fn check(message: &Message, read: &Read, now: Timestamp) -> Vec<Fault> {
    let options = Options {
        priority: read.priority,
        collapse_key: read.collapse_key.clone(),
        lane: Lane::Bulk,
        on_unknown: read.on_unknown,
        expires_at: now + read.ttl,
        send_at: None,
    };
    let rows_have_it = read.audience == Some(Audience::Upload);
    match read.missing_variable {
        MissingVariable::Fail if !rows_have_it => check_message(message, &read.variables, &options),
        _ => check_open_message(message, &read.variables, &options),
    }
}

/// The rate in the body of a PATCH; `Ok(None)` for as fast as may be.
pub(super) fn read_rate(value: Value) -> Result<Option<u32>, Vec<Fault>> {
    let mut faults = Faults::default();
    let Some(mut fields) = Fields::of(value, "", &mut faults) else {
        return Err(faults.into_vec());
    };
    let mut read = None;
    if !fields.take_null("rate") {
        fields.require("rate");
        read = rate(&mut fields);
    }
    fields.finish();
    match faults.is_empty() {
        true => Ok(read),
        false => Err(faults.into_vec()),
    }
}
