//! Reading the devices a request is about: one in the path, or a list of `DeleteDto` in the body.

use axum::extract::FromRequestParts;
use fanfare_providers::Fault;
use fanfare_types::UserId;
use http::StatusCode;
use http::request::Parts;
use serde_json::Value;
use utoipa::ToSchema;

use super::guid::Guid;
use super::members;
use crate::fields::{Faults, wrong_type};
use crate::path;
use crate::problem::Problem;

/// Most devices in one list. Beyond it 400.
pub(super) const IDS_MAX: usize = 1_000;

/// `{id}`: a GUID, ours or not; anything else is 400.
pub(super) struct IdPath(pub(super) Guid);

/// `{userId}`: 1 to 128 bytes without control characters; anything else is 400.
pub(super) struct UserPath(pub(super) UserId);

impl<S: Send + Sync> FromRequestParts<S> for IdPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let text = path::param(parts, "id").await;
        let guid = text.and_then(|text| Guid::parse(&text));
        guid.map(IdPath).ok_or_else(|| malformed("id", Guid::FORM))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for UserPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let text = path::param(parts, "userId").await;
        let user = text.and_then(|text| UserId::new(&text).ok());
        let form = "must have 1 to 128 bytes and no control characters";
        user.map(UserPath).ok_or_else(|| malformed("userId", form))
    }
}

fn malformed(field: &str, detail: &str) -> Problem {
    invalid(vec![Fault {
        field: field.to_owned(),
        code: "malformed",
        detail: detail.to_owned(),
    }])
}

/// 400, with every fault.
pub(super) fn invalid(faults: Vec<Fault>) -> Problem {
    Problem::invalid(StatusCode::BAD_REQUEST, faults)
}

/// The list in a body, as it came; or all that is wrong with it.
pub(super) fn list(value: Value) -> Result<Vec<Guid>, Vec<Fault>> {
    let mut faults = Faults::default();
    let mut guids = Vec::new();
    match value {
        Value::Array(entries) if entries.len() > IDS_MAX => {
            let detail = format!("may have {IDS_MAX} entries at most");
            faults.add("body", "too_many", detail);
        }
        Value::Array(entries) => {
            for (index, entry) in entries.into_iter().enumerate() {
                guids.extend(id(entry, &place(index), &mut faults));
            }
        }
        other => wrong_type(&mut faults, "body", &other, "a list"),
    }
    match faults.is_empty() {
        true => Ok(guids),
        false => Err(faults.into_vec()),
    }
}

/// The path of an entry of the list.
pub(super) fn place(index: usize) -> String {
    format!("[{index}]")
}

fn id(entry: Value, path: &str, faults: &mut Faults) -> Option<Guid> {
    let mut fields = members::of(entry, path, &["id"], faults)?;
    fields.require("id");
    let text = fields.text("id", usize::MAX)?;
    let guid = Guid::parse(&text);
    if guid.is_none() {
        fields.fault("id", "malformed", Guid::FORM);
    }
    guid
}

/// Whether `?restore=` asks to restore: the name in any case, as the rest of the contract; an empty value is none.
pub(super) fn restore(query: Vec<(String, String)>) -> Result<bool, Vec<Fault>> {
    let mut faults = Faults::default();
    let mut restore = None;
    let is_restore = |name: &str| name.eq_ignore_ascii_case("restore");
    for (_, value) in query.into_iter().filter(|(name, _)| is_restore(name)) {
        if !value.is_empty() && restore.replace(value).is_some() {
            faults.add("restore", "duplicate", "may be given once");
        }
    }
    let restore = restore.map_or(Some(false), |text| members::truth(&text));
    if restore.is_none() {
        faults.add("restore", "malformed", "must be true or false");
    }
    match restore {
        Some(restore) if faults.is_empty() => Ok(restore),
        _ => Err(faults.into_vec()),
    }
}

/// One device of a list.
#[derive(ToSchema)]
#[schema(as = DeleteDto)]
#[expect(dead_code, reason = "documentation of `list`; a test compares the two")]
pub(super) struct IdDoc {
    #[schema(example = "0190c42f-0d6a-8000-8000-0123456789ab")]
    id: String,
}

#[cfg(test)]
mod tests {
    use fanfare_types::{DeviceId, Timestamp};
    use serde_json::json;

    use super::*;

    fn told<T>(read: Result<T, Vec<Fault>>) -> Result<T, Vec<(String, &'static str)>> {
        let pair = |fault: Fault| (fault.field, fault.code);
        read.map_err(|faults| faults.into_iter().map(pair).collect())
    }

    #[test]
    fn a_list_is_objects_with_ids() {
        let id = DeviceId::new(Timestamp(1_700_000_000_000), 7);
        let upper = id.to_string().to_uppercase();
        let ids = json!([{"id": id.to_string()}, {"Id": upper, "displayOrder": 3}]);
        let guids = list(ids).unwrap();
        assert!(guids.iter().all(|guid| guid.device() == Some(id)));
        assert_eq!((guids.len(), list(json!([])).unwrap().len()), (2, 0));
        let wrong =
            json!([{"id": null}, {}, {"id": 7}, {"id": id.0.to_hex()}, id.to_string(), null]);
        let expected = [
            ("[0].id", "null"),
            ("[1].id", "missing"),
            ("[2].id", "wrong_type"),
            ("[3].id", "malformed"),
            ("[4]", "wrong_type"),
            ("[5]", "null"),
        ];
        let expected = expected.map(|(field, code)| (field.to_owned(), code));
        assert_eq!(told(list(wrong)), Err(expected.to_vec()));
        for body in [json!({"id": id.to_string()}), json!("x"), json!(null)] {
            assert!(list(body).is_err());
        }
    }

    #[test]
    fn a_list_is_bounded() {
        let entry = json!({"id": "00000000-0000-0000-0000-000000000000"});
        let ids = |count: usize| told(list(json!(vec![entry.clone(); count])));
        assert_eq!(ids(IDS_MAX).map(|guids| guids.len()), Ok(IDS_MAX));
        let too_many = vec![("body".to_owned(), "too_many")];
        assert_eq!(ids(IDS_MAX + 1), Err(too_many.clone()));
        assert_eq!(ids(10_000), Err(too_many));
    }

    #[test]
    fn restoring_is_asked_for_once_and_plainly() {
        let read = |query: &[(&str, &str)]| {
            let owned = query
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            told(restore(owned.collect()))
        };
        for (query, expected) in [
            (&[][..], false),
            (&[("restore", "")], false),
            (&[("restore", "false")], false),
            (&[("restore", "true")], true),
            (&[("Restore", "True"), ("other", "1")], true),
        ] {
            assert_eq!(read(query), Ok(expected));
        }
        for query in [
            &[("restore", "1")][..],
            &[("restore", "true"), ("RESTORE", "false")],
        ] {
            assert!(read(query).is_err());
        }
    }
}
