//! What an FCM error body says, whatever is missing or malformed in it.

use serde_json::Value;

/// The parts of `google.rpc.Status` that the table of answers asks for.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    /// Whether the body holds an `error` object at all.
    pub(super) is_error: bool,
    pub(super) status: Option<String>,
    pub(super) message: String,
    /// `FcmError.errorCode`.
    pub(super) code: Option<String>,
    /// `BadRequest.fieldViolations[].field`.
    fields: Vec<String>,
    /// `ApnsError.statusCode` and `reason`.
    pub(super) apns_status: Option<u16>,
    pub(super) apns_reason: Option<String>,
    /// Whether a `QuotaFailure` speaks of one device.
    pub(super) device_quota: bool,
}

/// Paths of the fields that hold the address.
const TARGET_FIELDS: &[&str] = &["message.token", "message.fid", "token", "fid"];

impl Evidence {
    pub(super) fn read(body: &[u8]) -> Self {
        let answer: Value = serde_json::from_slice(body).unwrap_or_default();
        let mut evidence = Evidence::default();
        let Some(error) = answer.get("error").filter(|error| error.is_object()) else {
            return evidence;
        };
        evidence.is_error = true;
        evidence.status = text(error, "status");
        evidence.message = text(error, "message").unwrap_or_default();
        for detail in items(error, "details") {
            let kind = detail
                .get("@type")
                .and_then(Value::as_str)
                .unwrap_or_default();
            evidence.note(kind, detail);
        }
        evidence
    }

    fn note(&mut self, kind: &str, detail: &Value) {
        if kind.ends_with("google.firebase.fcm.v1.FcmError") {
            self.code = text(detail, "errorCode");
        } else if kind.ends_with("google.rpc.BadRequest") {
            let fields = items(detail, "fieldViolations").filter_map(|item| text(item, "field"));
            self.fields.extend(fields);
        } else if kind.ends_with("google.firebase.fcm.v1.ApnsError") {
            let status = detail.get("statusCode").and_then(Value::as_u64);
            self.apns_status = status.and_then(|status| u16::try_from(status).ok());
            self.apns_reason = text(detail, "reason");
        } else if kind.ends_with("google.rpc.QuotaFailure") {
            self.device_quota |= items(detail, "violations").any(is_about_a_device);
        }
    }

    pub(super) fn only_the_target_is_wrong(&self) -> bool {
        let is_target = |field: &String| TARGET_FIELDS.contains(&field.as_str());
        !self.fields.is_empty() && self.fields.iter().all(is_target)
    }
}

/// Google documents no fixed subject: the subject or the sentence names the device.
fn is_about_a_device(violation: &Value) -> bool {
    ["subject", "description"].iter().any(|name| {
        text(violation, name).is_some_and(|text| text.to_ascii_lowercase().contains("device"))
    })
}

fn text(object: &Value, name: &str) -> Option<String> {
    object.get(name)?.as_str().map(str::to_owned)
}

fn items<'v>(object: &'v Value, name: &str) -> impl Iterator<Item = &'v Value> {
    object
        .get(name)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}
