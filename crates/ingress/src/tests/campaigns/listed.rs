//! What was not simply delivered.

use fanfare_store::Ended;
use fanfare_store::campaigns::CampaignDelivery;
use fanfare_types::{Channel, NotificationId, Outcome, Reason, Recipient, UserId};

use super::*;
use crate::tests::documents::{document, is_documented};

fn row(number: u32, outcome: Outcome, reason: &'static str) -> CampaignDelivery {
    let device = device("ada", number.into());
    CampaignDelivery {
        chunk: NotificationId::new(NOW, 9),
        created_at: NOW,
        recipient: Recipient {
            user: Some(device.user),
            device: Some(device.id),
            channel: Some(Channel::IosPush),
            variables: None,
        },
        ended: Ended {
            ordinal: number,
            outcome,
            reason: Reason::of(reason),
            attempts: 1,
            at: NOW + Duration::from_millis(41),
        },
    }
}

#[tokio::test]
async fn they_are_listed_page_by_page() {
    let api = Harness::new();
    let id = made(&api, smallest()).await;
    let nobody = Recipient {
        user: UserId::new("bob").ok(),
        device: None,
        channel: None,
        variables: None,
    };
    let mut without = row(2, Outcome::Cancelled, "no_device");
    (without.recipient, without.ended.attempts) = (nobody, 0);
    let book = [
        row(0, Outcome::Dead, "Unregistered"),
        row(1, Outcome::Failed, ""),
        without,
    ];
    *api.rooms.book.deliveries.lock() = book.to_vec();
    let path = format!("{PATH}/{id}/deliveries");
    let first = api
        .call("GET", &format!("{path}?limit=1"), SERVICE, None)
        .await;
    let golden = json!([{
        "device_id": device("ada", 0).id.to_string(), "user_id": "ada", "channel": "ios_push", "outcome": "dead",
        "reason": "Unregistered", "attempts": 1, "created_at": "2027-01-15T08:00:00.000Z",
        "finished_at": "2027-01-15T08:00:00.041Z",
    }]);
    assert_eq!(first.json()["deliveries"], golden);
    is_documented(&document(), "GET", "/v1/campaigns/{id}/deliveries", &first);
    let cursor = first.json()["next_cursor"].as_str().unwrap().to_owned();
    let rest = api
        .call("GET", &format!("{path}?cursor={cursor}"), SERVICE, None)
        .await;
    let rows = rest.json()["deliveries"].as_array().unwrap().clone();
    assert_eq!(rows.len(), 2);
    assert!(rows[0]["reason"].is_null());
    assert!(rows[1]["device_id"].is_null() && rows[1]["channel"].is_null());
    assert!(rest.json()["next_cursor"].is_null());
    let dead = api
        .call("GET", &format!("{path}?outcome=dead"), SERVICE, None)
        .await;
    assert_eq!(dead.json()["deliveries"], golden);
    let other = api
        .call(
            "GET",
            &format!("{path}?outcome=dead&cursor={cursor}"),
            SERVICE,
            None,
        )
        .await;
    assert_eq!(
        other.problem(422, "invalid_request"),
        pairs([("cursor", "malformed")])
    );
}

#[tokio::test]
async fn those_that_were_delivered_are_counted_alone() {
    let api = Harness::new();
    let id = made(&api, smallest()).await;
    let path = format!("{PATH}/{id}/deliveries");
    let ask = async |query: &str| {
        api.call("GET", &format!("{path}?{query}"), SERVICE, None)
            .await
    };
    for (query, fault) in [
        ("outcome=delivered", ("outcome", "not_allowed")),
        ("outcome=lost", ("outcome", "unknown")),
        ("limit=1001", ("limit", "out_of_range")),
    ] {
        let found = ask(query).await.problem(422, "invalid_request");
        assert_eq!(found, pairs([fault]));
    }
    api.call("GET", &path, OTHER, None)
        .await
        .problem(404, "campaign_not_found");
    api.call("GET", &path, AGENT, None)
        .await
        .problem(403, "agent_forbidden");
}
