//! Campaigns, against the stand-in's book.

use super::*;

pub(super) const PATH: &str = "/v1/campaigns";

/// The smallest campaign that can be asked for.
pub(super) fn smallest() -> Value {
    json!({"name": "spring", "audience": {"all": true}, "message": {"title": "Hello"}})
}

/// `smallest`, with other members.
pub(super) fn with(members: Value) -> Value {
    let mut body = smallest();
    let members = members.as_object().unwrap().clone();
    body.as_object_mut().unwrap().extend(members);
    body
}

/// Makes a campaign; gives its id.
pub(super) async fn made(api: &Harness, body: Value) -> String {
    let answer = api.call("POST", PATH, SERVICE, Some(body)).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer.json()["id"].as_str().unwrap().to_owned()
}

pub(super) fn pairs<const N: usize>(pairs: [(&str, &str); N]) -> Vec<(String, String)> {
    pairs
        .map(|(field, code)| (field.to_owned(), code.to_owned()))
        .to_vec()
}

mod asked;
mod listed;
mod previewed;
mod steered;
mod uploaded;
mod watched;
