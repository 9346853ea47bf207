//! One row of an upload: whom it names, and the variables it brings.

use std::collections::BTreeSet;
use std::sync::Arc;

use fanfare_providers::asked_variables;
use fanfare_store::campaigns::{Named, UploadRow};
use fanfare_types::message::Variables;
use fanfare_types::{CampaignRecord, MissingVariable, UserId};
use serde_json::{Map, Value};

use crate::json;
use crate::path;

/// Most members of a row's `variables`. Beyond it the row is a bad one.
const VARIABLES_MAX: usize = 256;

/// Most bytes that a row's variables may have, those that the message asks for, with their names: far more than any
/// provider takes in one push. Beyond it the row is a bad one.
const VARIABLES_BYTES_MAX: usize = 8 << 10;

pub(super) const USER_ID: &str = "user_id";
pub(super) const DEVICE_ID: &str = "device_id";
const VARIABLES: &str = "variables";

/// What is wrong with a row: a stable word, and the member that has it, if it is one.
pub(super) type Bad = (&'static str, Option<&'static str>);

/// What the campaign asks of its rows.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    /// Variables that the message asks for; others are passed over.
    asked: BTreeSet<String>,
    /// Those of them that each row must bring.
    required: BTreeSet<String>,
}

impl Rules {
    pub(super) fn of(campaign: &CampaignRecord) -> Self {
        let asked = asked_variables(&campaign.message);
        let mut required = BTreeSet::new();
        if campaign.missing_variable == MissingVariable::Fail {
            let is_missing = |name: &&String| !campaign.variables.contains_key(*name);
            required.extend(asked.iter().filter(is_missing).cloned());
        }
        Rules { asked, required }
    }

    /// The row of a line of NDJSON; `None` for an empty line.
    pub(super) fn json(&self, line: &[u8]) -> Result<Option<UploadRow>, Bad> {
        if line.trim_ascii().is_empty() {
            return Ok(None);
        }
        let value = json::read(line).map_err(|(code, _)| (code, None))?;
        let Value::Object(mut members) = value else {
            return Err(("wrong_type", None));
        };
        let mut take = |name: &str| members.remove(name).filter(|value| !value.is_null());
        let (user, device) = (take(USER_ID), take(DEVICE_ID));
        let variables = take(VARIABLES);
        if !members.is_empty() {
            return Err(("unknown", None));
        }
        let (user, device) = (text(user, USER_ID)?, text(device, DEVICE_ID)?);
        let to = named(user.as_deref(), device.as_deref())?;
        let variables = match variables {
            None => Map::new(),
            Some(Value::Object(variables)) => variables,
            Some(_) => return Err(("wrong_type", Some(VARIABLES))),
        };
        if variables.len() > VARIABLES_MAX {
            return Err(("too_many", Some(VARIABLES)));
        }
        let texts = variables.into_iter().map(|(name, value)| match value {
            Value::String(text) => Ok((name, text)),
            Value::Null => Err(("null", Some(VARIABLES))),
            _ => Err(("wrong_type", Some(VARIABLES))),
        });
        let texts = texts.collect::<Result<Vec<_>, _>>()?;
        self.row(to, texts.into_iter()).map(Some)
    }

    /// The row of named fields. One that is empty says nothing: CSV has no other way to leave something out.
    pub(super) fn fields<'f>(
        &self,
        fields: impl Iterator<Item = (&'f str, &'f str)> + Clone,
    ) -> Result<UploadRow, Bad> {
        let fields = fields.filter(|(_, text)| !text.is_empty());
        let id = |wanted: &str| {
            let mut fields = fields.clone();
            fields
                .find(|(name, _)| *name == wanted)
                .map(|(_, text)| text)
        };
        let to = named(id(USER_ID), id(DEVICE_ID))?;
        let is_variable = |(name, _): &(&str, &str)| ![USER_ID, DEVICE_ID].contains(name);
        let owned = |(name, text): (&str, &str)| (name.to_owned(), text.to_owned());
        self.row(to, fields.filter(is_variable).map(owned))
    }

    fn row(
        &self,
        to: Named,
        variables: impl Iterator<Item = (String, String)>,
    ) -> Result<UploadRow, Bad> {
        let asked = variables.filter(|(name, _)| self.asked.contains(name));
        let variables: Variables = asked.collect();
        let bytes: usize = variables
            .iter()
            .map(|(name, text)| name.len() + text.len())
            .sum();
        if bytes > VARIABLES_BYTES_MAX {
            return Err(("too_large", Some(VARIABLES)));
        }
        if !self
            .required
            .iter()
            .all(|name| variables.contains_key(name))
        {
            return Err(("missing_variable", Some(VARIABLES)));
        }
        Ok(UploadRow {
            to,
            variables: (!variables.is_empty()).then(|| Arc::new(variables)),
        })
    }
}

fn text(value: Option<Value>, name: &'static str) -> Result<Option<String>, Bad> {
    match value {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(("wrong_type", Some(name))),
    }
}

fn named(user: Option<&str>, device: Option<&str>) -> Result<Named, Bad> {
    match (user, device) {
        (None, None) => Err(("missing", Some(USER_ID))),
        (Some(_), Some(_)) => Err(("not_allowed", Some(DEVICE_ID))),
        (Some(user), None) => match UserId::new(user) {
            Ok(user) => Ok(Named::User(user)),
            Err(_) => Err(("malformed", Some(USER_ID))),
        },
        (None, Some(device)) => match path::device_id(device) {
            Ok(Some(device)) => Ok(Named::Device(device)),
            // A UUID that is not one of ours is no device's.
            Ok(None) => Err(("unknown", Some(DEVICE_ID))),
            Err(_) => Err(("malformed", Some(DEVICE_ID))),
        },
    }
}
