//! Watching a campaign.

use fanfare_core::campaign::Command;
use fanfare_types::CampaignId;
use tokio::time::{Instant, timeout};

use super::*;
use crate::campaigns::CampaignRooms;
use crate::tests::documents::{conforms, document};

struct Watcher {
    body: Body,
    text: String,
}

#[derive(Debug, PartialEq)]
struct Seen {
    event: String,
    id: u64,
    data: Value,
}

async fn watch(api: &Harness, id: &str, last: Option<&str>) -> Watcher {
    let response = api.router.clone().oneshot(asked(id, last)).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert_eq!(response.headers()["cache-control"], "no-cache");
    assert_eq!(response.headers()["x-accel-buffering"], "no");
    Watcher {
        body: response.into_body(),
        text: String::new(),
    }
}

fn asked(id: &str, last: Option<&str>) -> Request<Body> {
    let mut request = request("GET", &format!("{PATH}/{id}/events"), SERVICE, None);
    if let Some(last) = last {
        let headers = request.headers_mut();
        headers.insert("last-event-id", last.parse().unwrap());
    }
    request
}

impl Watcher {
    /// The next block of lines; `None` at the end of the stream.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let block = block.to_owned();
                self.text = rest.to_owned();
                return Some(block);
            }
            let frame = self.body.frame().await?.unwrap();
            let data = frame.into_data().unwrap();
            self.text.push_str(std::str::from_utf8(&data).unwrap());
        }
    }

    /// The next event, heartbeats passed over.
    async fn next(&mut self) -> Option<Seen> {
        loop {
            let block = self.block().await?;
            if block.starts_with(':') {
                continue;
            }
            let line = |name: &str| {
                let mut lines = block.lines().filter_map(|line| line.strip_prefix(name));
                lines
                    .next()
                    .unwrap_or_else(|| panic!("{block}"))
                    .trim()
                    .to_owned()
            };
            return Some(Seen {
                event: line("event:"),
                id: line("id:").parse().unwrap(),
                data: serde_json::from_str(&line("data:")).unwrap(),
            });
        }
    }

    async fn expect(&mut self, event: &str, id: u64, state: &str) -> Value {
        let seen = self.next().await.expect("an event");
        assert_eq!((seen.event.as_str(), seen.id), (event, id), "{seen:?}");
        assert_eq!(seen.data["state"], state);
        seen.data
    }
}

async fn command(api: &Harness, id: &str, command: Command) {
    let id = CampaignId::parse_uuid(id).unwrap();
    let app = AppId::new("shop").unwrap();
    let steered = api.rooms.steer(&app, id, command).await;
    assert!(steered.unwrap().is_some());
}

/// So many were delivered by now, of ten.
fn delivered(api: &Harness, count: u64) {
    let mut views = api.rooms.book.views.lock();
    let view = views.last_mut().unwrap();
    (view.total, view.counts.delivered) = (10, count);
    view.counts.waiting = 10 - count;
}

#[tokio::test(start_paused = true)]
async fn changes_of_state_and_progress_are_told_until_the_end() {
    let api = Harness::new();
    let id = made(&api, smallest()).await;
    let mut watcher = watch(&api, &id, None).await;
    let data = watcher.expect("state", 1, "draft").await;
    let golden = json!({
        "state": "draft", "at": "2027-01-15T08:00:00.000Z",
        "counts": {"total": 0, "estimated": false, "waiting": 0, "in_flight": 0, "delivered": 0, "rejected": 0,
            "dead": 0, "expired": 0, "cancelled": 0, "failed": 0},
        "rate_now": 0.0, "eta": null,
    });
    assert_eq!(data, golden);
    let document = document();
    let schema = json!({"$ref": "#/components/schemas/CampaignEvent"});
    conforms(&document, &schema, &data, "event");
    command(&api, &id, Command::Start).await;
    watcher.expect("state", 2, "running").await;
    for count in [3, 7] {
        delivered(&api, count);
        let began = Instant::now();
        let data = watcher.expect("progress", 2, "running").await;
        assert_eq!(data["counts"]["delivered"], count);
        assert_eq!(began.elapsed(), Duration::from_millis(500));
    }
    command(&api, &id, Command::Pause).await;
    watcher.expect("state", 3, "paused").await;
    command(&api, &id, Command::Cancel).await;
    watcher.expect("state", 4, "cancelled").await;
    delivered(&api, 10);
    let data = watcher.expect("progress", 4, "cancelled").await;
    assert_eq!(data["counts"]["delivered"], 10);
    assert_eq!(watcher.next().await, None, "all have their outcomes");
}

#[tokio::test(start_paused = true)]
async fn what_does_not_move_is_not_told_but_the_stream_shows_that_it_lives() {
    let api = Harness::new();
    let id = made(&api, smallest()).await;
    let mut watcher = watch(&api, &id, None).await;
    watcher.expect("state", 1, "draft").await;
    for _ in 0..3 {
        let began = Instant::now();
        let beat = watcher.block().await.unwrap();
        assert!(beat.starts_with(':'), "{beat}");
        assert!(began.elapsed() <= Duration::from_secs(16));
        assert!(began.elapsed() >= Duration::from_secs(14));
    }
}

#[tokio::test(start_paused = true)]
async fn who_comes_back_hears_of_the_changes_since() {
    let api = Harness::new();
    let id = made(&api, smallest()).await;
    for step in [Command::Start, Command::Pause, Command::Resume] {
        command(&api, &id, step).await;
    }
    delivered(&api, 1);
    let mut watcher = watch(&api, &id, Some("2")).await;
    watcher.expect("state", 3, "paused").await;
    let data = watcher.expect("state", 4, "running").await;
    assert_eq!(data["counts"]["delivered"], 1);
    let mut current = watch(&api, &id, Some("4")).await;
    current.expect("progress", 4, "running").await;
    for strange in ["99", "x", "-1", ""] {
        let mut watcher = watch(&api, &id, Some(strange)).await;
        watcher.expect("state", 4, "running").await;
    }
    command(&api, &id, Command::Cancel).await;
    delivered(&api, 10);
    watcher.expect("state", 5, "cancelled").await;
    assert_eq!(watcher.next().await, None);
    let done = api.send(asked(&id, Some("5"))).await;
    assert_eq!((done.status.as_u16(), done.text.as_str()), (204, ""));
    let mut late = watch(&api, &id, None).await;
    late.expect("state", 5, "cancelled").await;
    assert_eq!(late.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_stream_outlives_the_time_of_a_request_and_a_store_that_fails_for_a_while() {
    let api = Harness::new();
    let id = made(&api, smallest()).await;
    let mut watcher = watch(&api, &id, None).await;
    watcher.expect("state", 1, "draft").await;
    let quiet = timeout(Duration::from_secs(120), watcher.next()).await;
    assert!(quiet.is_err(), "{quiet:?}");
    let why = fanfare_store::Error::Overloaded;
    *api.rooms.failure.lock() = Some(fanfare_actors::Error::Store(why));
    command_after_failure(&api, &id, &mut watcher).await;
}

/// The failure is met by the watcher's next look.
async fn command_after_failure(api: &Harness, id: &str, watcher: &mut Watcher) {
    let met = async {
        while api.rooms.failure.lock().is_some() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::select! {
        () = met => {}
        seen = watcher.next() => panic!("{seen:?}"),
    }
    command(api, id, Command::Start).await;
    watcher.expect("state", 2, "running").await;
}

#[tokio::test(start_paused = true)]
async fn it_ends_when_the_gateway_drains() {
    let api = Harness::new();
    let id = made(&api, smallest()).await;
    let mut watcher = watch(&api, &id, None).await;
    watcher.expect("state", 1, "draft").await;
    *api.rooms.draining.lock() = true;
    assert_eq!(watcher.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn there_is_room_for_so_many_watchers_and_it_comes_back() {
    let mut config = config();
    config.campaigns.watchers_max = 2;
    let api = Harness::with(config);
    let id = made(&api, smallest()).await;
    let (one, _two) = (watch(&api, &id, None).await, watch(&api, &id, None).await);
    let third = api.send(asked(&id, None)).await;
    third.problem(503, "overloaded");
    assert_eq!(third.headers["retry-after"], "1");
    drop(one);
    watch(&api, &id, None)
        .await
        .expect("state", 1, "draft")
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_hundred_watchers_of_one_campaign_share_their_looks() {
    let api = Harness::new();
    let id = made(&api, smallest()).await;
    let mut watchers = Vec::new();
    for _ in 0..100 {
        let mut watcher = watch(&api, &id, None).await;
        watcher.expect("state", 1, "draft").await;
        watchers.push(watcher);
        tokio::time::sleep(Duration::from_millis(7)).await;
    }
    let waiting = watchers.into_iter().map(|mut watcher| {
        tokio::spawn(async move { drop(timeout(Duration::from_secs(10), watcher.next()).await) })
    });
    let waiting: Vec<_> = waiting.collect();
    let before = *api.rooms.book.looks.lock();
    for watcher in waiting {
        watcher.await.unwrap();
    }
    let looks = *api.rooms.book.looks.lock() - before;
    assert!((20..=41).contains(&looks), "{looks} in 10 s");
}

#[tokio::test]
async fn only_services_of_the_app_may_watch() {
    let api = Harness::new();
    let id = made(&api, smallest()).await;
    let path = format!("{PATH}/{id}/events");
    api.call("GET", &path, OTHER, None)
        .await
        .problem(404, "campaign_not_found");
    api.call("GET", &path, AGENT, None)
        .await
        .problem(403, "agent_forbidden");
    api.call("GET", &path, &user("ada"), None)
        .await
        .problem(403, "service_key_required");
}
