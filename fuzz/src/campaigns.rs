//! What must hold of a campaign that the door let in: it can be sent, and is shown as it can be asked for again.

use bytes::Bytes;
use fanfare_actors::campaigns::CampaignView;
use fanfare_ingress::fuzzing::{Door, NOW};
use fanfare_types::{
    Audience, Counts, Hold, Lane, Live, MissingVariable, NotificationId, Options, Progress, Slot,
};
use http::{HeaderMap, Method, Response, StatusCode, Uri};
use serde_json::{Value, json};

use crate::{bodies, door};

/// See the module. `answer` is what its maker was told.
pub(crate) fn holds(door: &Door, campaign: CampaignView, answer: &Response<Bytes>) {
    let shown: Value = serde_json::from_slice(answer.body()).expect("a campaign is JSON");
    is_asked_for_again(door, &shown["audience"]);
    let record = campaign.record;
    let rows_have_it = record.audience == Audience::Upload;
    if record.missing_variable != MissingVariable::Fail || rows_have_it {
        // How it is rendered shows with each recipient.
        return;
    }
    bodies::encodes_for_all(Live {
        id: NotificationId::new(NOW, 7),
        app: record.app,
        created_at: NOW,
        options: Options {
            priority: record.priority,
            collapse_key: record.collapse_key,
            lane: Lane::Bulk,
            on_unknown: record.on_unknown,
            expires_at: NOW + record.ttl,
            send_at: None,
        },
        message: record.message.into(),
        variables: record.variables.into(),
        progress: Progress::new(1, Counts::default()),
        run: None,
        hold: Hold::new(Slot::of_shard(0)),
    });
}

/// An audience that is shown makes the same audience.
fn is_asked_for_again(door: &Door, audience: &Value) {
    let body = json!({"name": "again", "audience": audience, "message": {"title": "t"}});
    let mut headers = HeaderMap::new();
    door::bearer(&mut headers, door::SERVICE_KEY);
    let path = Uri::from_static("/v1/campaigns");
    let answer = door::ask(door, Method::POST, path, headers, body.to_string().into());
    let text = String::from_utf8_lossy(answer.body());
    assert_eq!(answer.status(), StatusCode::CREATED, "{text}");
    let again: Value = serde_json::from_slice(answer.body()).expect("a campaign is JSON");
    assert_eq!(&again["audience"], audience);
}
