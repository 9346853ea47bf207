//! API keys: `ffk_<app>_<40 base62 characters>`, of which only the SHA-256 is known here.

use aws_lc_rs::constant_time::verify_slices_are_equal;

use super::credential::KEY_PREFIX;
use super::{Caller, Doors, KeyKind, Who};
use crate::json::sha256;
use crate::problem::Problem;

/// Characters of a key's secret part: 40 of base62 are 238 bits.
const SECRET_CHARS: usize = 40;

pub(super) fn check(doors: &Doors, key: &str) -> Result<Caller, Problem> {
    let app = app_of(key).and_then(|app| doors.app(app));
    let digest = sha256(&[key.as_bytes()]);
    let mut kind = None;
    // Every key of the app is compared, so that the time taken does not tell which one matched.
    for known in app.iter().flat_map(|door| &door.app.api_keys) {
        if verify_slices_are_equal(&known.sha256, &digest).is_ok() {
            kind = Some(known.kind);
        }
    }
    match (app, kind) {
        (Some(door), Some(kind)) => Ok(Caller {
            app: door.app.clone(),
            who: Who::Key(kind),
        }),
        _ => Err(Problem::unauthorized(
            "invalid_api_key",
            "the API key is not valid",
        )),
    }
}

/// The app a key names, if the key has the shape of one.
fn app_of(key: &str) -> Option<&str> {
    let (app, secret) = key.strip_prefix(KEY_PREFIX)?.split_once('_')?;
    let is_secret =
        secret.len() == SECRET_CHARS && secret.bytes().all(|b| b.is_ascii_alphanumeric());
    is_secret.then_some(app)
}

impl Caller {
    /// Agents may do nothing here.
    pub(super) fn refuse_agents(&self) -> Result<(), Problem> {
        match self.who {
            Who::Key(KeyKind::Agent) => Err(Problem::forbidden(
                "agent_forbidden",
                "agent API keys may not do this",
            )),
            _ => Ok(()),
        }
    }
}
