//! Campaigns from start to end over the embedded store: everything is sent once, whatever happens in between.

mod fleet;

use std::collections::BTreeMap;
use std::time::Duration;

use fanfare_core::campaign::{Command, Impossible};
use fanfare_types::message::Variables;
use fanfare_types::{
    AppId, Audience, CampaignId, CampaignState, Clock, Message, MissingVariable, OnUnknown,
    Priority,
};
use futures_util::future::join_all;

use super::rig::*;
use crate::campaigns::{CampaignView, NewCampaign};
use crate::system::Config;
use crate::{Error, Result};

pub(super) fn campaign(app: &AppId) -> NewCampaign {
    NewCampaign {
        app: app.clone(),
        name: "spring".to_owned(),
        audience: Audience::All,
        message: Message::default(),
        variables: Variables::new(),
        missing_variable: MissingVariable::Fail,
        priority: Priority::Normal,
        collapse_key: None,
        on_unknown: OnUnknown::Retry,
        ttl: Duration::from_secs(3600),
        rate: None,
        start_at: None,
        idempotency: None,
    }
}

/// A window so small that a campaign takes many chunks.
fn small() -> Config {
    let mut config = config();
    config.campaigns.window = 64;
    config
}

impl Rig {
    /// This many users with a device each, `<prefix>0`, `<prefix>1` …
    async fn many(&self, app: &AppId, prefix: &str, count: usize) {
        let names: Vec<_> = (0..count).map(|n| format!("{prefix}{n}")).collect();
        for names in names.chunks(200) {
            let all = names.iter().map(|name| self.register(app, name, name));
            join_all(all).await;
        }
    }

    async fn create(&self, new: NewCampaign) -> CampaignId {
        let created = self.system.campaigns().create(new).await.unwrap();
        created.record.id
    }

    async fn steer(&self, id: CampaignId, command: Command) -> Result<CampaignView> {
        let steered = self.system.campaigns().steer(&app(), id, command).await;
        steered.map(Option::unwrap)
    }

    /// Made, and started.
    async fn started(&self, new: NewCampaign) -> CampaignId {
        let app = new.app.clone();
        let id = self.create(new).await;
        let campaigns = self.system.campaigns();
        let started = campaigns.steer(&app, id, Command::Start).await;
        started.unwrap();
        id
    }

    /// As it is now; the books add up.
    async fn campaign(&self, app: &AppId, id: CampaignId) -> CampaignView {
        let view = self.system.campaigns().view(app, id).await;
        let view = view.unwrap().unwrap();
        let counts = view.counts;
        let sum = counts.waiting + counts.in_flight + counts.terminal();
        assert_eq!(view.total, sum, "{counts:?}");
        view
    }

    async fn ended(&self, app: &AppId, id: CampaignId, state: CampaignState) -> CampaignView {
        eventually("the campaign ends", async || {
            let view = self.campaign(app, id).await;
            view.standing.state == state && view.counts.waiting + view.counts.in_flight == 0
        })
        .await;
        self.no_permits_taken().await;
        self.campaign(app, id).await
    }

    async fn completed(&self, id: CampaignId) -> CampaignView {
        self.ended(&app(), id, CampaignState::Completed).await
    }

    /// Until as much is held as the window has room for: chunks of an eighth of it.
    async fn filled(&self) {
        eventually("the window is full", async || self.fake.held() > 56).await;
    }

    async fn sent_at_least(&self, count: usize) {
        eventually("some are sent", async || self.fake.sent().len() >= count).await;
    }

    /// How often each token was sent to.
    fn sendings(&self) -> BTreeMap<String, usize> {
        let mut sendings = BTreeMap::new();
        for (token, ..) in self.fake.sent() {
            *sendings.entry(token).or_default() += 1;
        }
        sendings
    }

    fn everybody_once(&self, count: usize) {
        let sendings = self.sendings();
        assert!(sendings.values().all(|times| *times == 1), "{sendings:?}");
        assert_eq!(sendings.len(), count);
    }
}

#[tokio::test]
async fn everybody_gets_it_once_and_the_books_add_up() {
    let rig = Rig::new(small(), false).await;
    rig.many(&app(), "a", 300).await;
    rig.many(&app(), "dead", 7).await;
    rig.many(&other_app(), "b", 3).await;
    let id = rig.started(campaign(&app())).await;
    let view = rig.completed(id).await;
    assert_eq!((view.total, view.total_is_estimate), (307, false));
    assert_eq!((view.counts.delivered, view.counts.dead), (300, 7));
    assert!(view.standing.finished_at.is_some());
    rig.everybody_once(307);
    // The dead are cleaned like any.
    let is_cleaned = async || {
        let devices = rig.system.registry().list(&app(), &user("dead0")).await;
        devices.unwrap()[0].invalidated_at.is_some()
    };
    eventually("a dead device is marked", is_cleaned).await;
}

#[tokio::test]
async fn no_more_than_the_window_is_in_memory() {
    let rig = Rig::new(small(), true).await;
    rig.many(&app(), "a", 200).await;
    let id = rig.started(campaign(&app())).await;
    let full = async || rig.fake.held() == 64;
    eventually("the window is full", full).await;
    let view = rig.campaign(&app(), id).await;
    assert_eq!((view.counts.waiting, view.total), (200, 200));
    assert!(rig.system.stats().await.unwrap().permits_taken <= 64);
    rig.fake.release();
    rig.completed(id).await;
    rig.everybody_once(200);
}

#[tokio::test]
async fn after_a_pause_nothing_is_sent_and_a_resume_sends_the_rest_once() {
    let rig = Rig::new(small(), true).await;
    rig.many(&app(), "a", 300).await;
    let id = rig.started(campaign(&app())).await;
    for round in 1..=4 {
        rig.filled().await;
        rig.fake.hand_over_some(20);
        rig.sent_at_least(round * 20).await;
        let view = rig.steer(id, Command::Pause).await.unwrap();
        assert_eq!(view.standing.state, CampaignState::Paused);
        assert_eq!(rig.fake.held(), 0, "what waited is dropped");
        rig.no_permits_taken().await;
        let view = rig.campaign(&app(), id).await;
        assert_eq!(view.counts.delivered, round as u64 * 20);
        assert_eq!(view.total, 300);
        let resumed = rig.steer(id, Command::Resume).await.unwrap();
        assert_eq!(resumed.standing.state, CampaignState::Running);
    }
    rig.fake.release();
    let view = rig.completed(id).await;
    assert_eq!(view.counts.delivered, 300);
    rig.everybody_once(300);
}

#[tokio::test]
async fn pausing_and_resuming_at_once_doubles_nothing() {
    let rig = Rig::new(small(), false).await;
    rig.many(&app(), "a", 400).await;
    let id = rig.started(campaign(&app())).await;
    for _ in 0..30 {
        if rig.steer(id, Command::Pause).await.is_err() {
            break;
        }
        rig.steer(id, Command::Resume).await.unwrap();
    }
    rig.completed(id).await;
    rig.everybody_once(400);
}

#[tokio::test]
async fn a_cancelled_one_ends_what_waits_and_opens_nothing_more() {
    let rig = Rig::new(small(), true).await;
    rig.many(&app(), "a", 300).await;
    let id = rig.started(campaign(&app())).await;
    rig.filled().await;
    rig.fake.hand_over_some(10);
    rig.sent_at_least(10).await;
    let view = rig.steer(id, Command::Cancel).await.unwrap();
    assert_eq!(view.standing.state, CampaignState::Cancelled);
    let view = rig.ended(&app(), id, CampaignState::Cancelled).await;
    assert_eq!(view.counts.delivered, 10);
    assert!(view.counts.cancelled >= 54 && view.total < 300, "{view:?}");
    assert_eq!(rig.fake.sent().len(), 10);
    let late = rig.steer(id, Command::Resume).await.unwrap_err();
    let from = CampaignState::Cancelled;
    assert!(matches!(late, Error::Impossible(Impossible::State { from: f }) if f == from));
}

#[tokio::test]
async fn a_paused_one_that_is_cancelled_ends_too() {
    let rig = Rig::new(small(), true).await;
    rig.many(&app(), "a", 100).await;
    let id = rig.started(campaign(&app())).await;
    rig.filled().await;
    rig.steer(id, Command::Pause).await.unwrap();
    rig.no_permits_taken().await;
    rig.steer(id, Command::Cancel).await.unwrap();
    let view = rig.ended(&app(), id, CampaignState::Cancelled).await;
    assert!(view.counts.cancelled >= 64, "{:?}", view.counts);
    assert!(rig.fake.sent().is_empty());
}

#[tokio::test]
async fn a_new_process_goes_on_where_the_shards_stood() {
    let mut rig = Rig::new(small(), true).await;
    rig.many(&app(), "a", 300).await;
    let id = rig.started(campaign(&app())).await;
    let mut sent = 0;
    for _ in 0..3 {
        rig.filled().await;
        rig.fake.hand_over_some(20);
        rig.sent_at_least(20).await;
        // Recorded, so that it is not sent again.
        sent += 20;
        let recorded = async || rig.campaign(&app(), id).await.counts.delivered == sent;
        eventually("it is recorded", recorded).await;
        rig = rig.crash_and_hold(small()).await;
    }
    rig.fake.release();
    let view = rig.completed(id).await;
    assert_eq!((view.counts.delivered, view.total), (300, 300));
    assert_eq!(rig.sendings().len() as u64, 300 - sent);
    rig.everybody_once(300 - usize::try_from(sent).unwrap());
}

#[tokio::test]
async fn what_a_crash_lost_is_sent_again_and_nothing_else() {
    let rig = Rig::new(small(), true).await;
    rig.many(&app(), "a", 200).await;
    let id = rig.started(campaign(&app())).await;
    for _ in 0..3 {
        rig.filled().await;
        rig.fake.lose();
    }
    rig.fake.release();
    rig.completed(id).await;
    rig.everybody_once(200);
}

#[tokio::test]
async fn it_starts_by_itself_when_it_is_due() {
    let rig = Rig::new(small(), false).await;
    rig.many(&app(), "a", 10).await;
    let mut new = campaign(&app());
    new.start_at = Some(Clock::system().now() + Duration::from_millis(150));
    let id = rig.create(new).await;
    let view = rig.campaign(&app(), id).await;
    assert_eq!(view.standing.state, CampaignState::Scheduled);
    // Nobody is in it when its time comes.
    let mut empty = campaign(&other_app());
    empty.start_at = Some(Clock::system().now());
    let empty = rig.create(empty).await;
    rig.completed(id).await;
    rig.everybody_once(10);
    let failed = rig.ended(&other_app(), empty, CampaignState::Failed).await;
    assert_eq!(failed.standing.reason.unwrap().as_str(), "empty_audience");
}

#[tokio::test]
async fn a_schedule_of_a_campaign_survives_a_crash() {
    let rig = Rig::new(small(), false).await;
    rig.many(&app(), "a", 10).await;
    let mut new = campaign(&app());
    new.start_at = Some(Clock::system().now() + Duration::from_millis(300));
    let id = rig.create(new).await;
    let rig = rig.crash(small()).await;
    rig.completed(id).await;
    rig.everybody_once(10);
}

#[tokio::test]
async fn one_whose_time_is_over_expires_without_a_push() {
    let rig = Rig::new(small(), true).await;
    rig.many(&app(), "a", 200).await;
    let mut new = campaign(&app());
    new.ttl = Duration::from_millis(400);
    let id = rig.started(new).await;
    rig.filled().await;
    let expires_at = rig.campaign(&app(), id).await.standing.expires_at;
    let over = async || Some(Clock::system().now()) > expires_at;
    eventually("its time is over", over).await;
    // The stand-in knows no expiry: what it holds is read again.
    rig.fake.lose();
    let view = rig.completed(id).await;
    assert_eq!((view.counts.expired, view.total), (200, 200));
    assert!(rig.fake.sent().is_empty());
}

#[tokio::test]
async fn campaigns_share_a_room_that_is_too_small_for_their_windows() {
    let mut tight = small();
    tight.admission.deliveries_max = 50;
    let rig = Rig::new(tight, false).await;
    rig.many(&app(), "a", 60).await;
    rig.many(&other_app(), "b", 60).await;
    let mut ids = Vec::new();
    for n in 0..24 {
        let app = if n % 2 == 0 { app() } else { other_app() };
        ids.push((app.clone(), rig.started(campaign(&app)).await));
    }
    for (app, id) in ids {
        let view = rig.ended(&app, id, CampaignState::Completed).await;
        assert_eq!(view.counts.delivered, 60);
    }
    assert_eq!(rig.sent_once().len(), 24 * 60);
    assert_eq!(rig.fake.sent().len(), 24 * 60);
}

#[tokio::test]
async fn a_drain_loses_nothing_and_doubles_nothing() {
    let rig = Rig::new(small(), true).await;
    rig.many(&app(), "a", 200).await;
    let id = rig.started(campaign(&app())).await;
    rig.filled().await;
    rig.fake.hand_over_some(30);
    let drained = rig.system.drain(Duration::from_secs(5)).await;
    assert!(drained.in_time && drained.left == 0, "{drained:?}");
    let rig = rig.crash(small()).await;
    let view = rig.completed(id).await;
    assert_eq!(view.counts.delivered, 200);
    rig.everybody_once(170);
}

#[tokio::test]
async fn of_an_app_that_is_not_served_it_waits_until_it_is() {
    let rig = Rig::new(small(), true).await;
    rig.many(&app(), "a", 200).await;
    let id = rig.started(campaign(&app())).await;
    rig.filled().await;
    let limits = small().admission;
    let others: Vec<_> = apps().into_iter().filter(|a| a.id != app()).collect();
    rig.system.reload(&others, &limits).await.unwrap();
    rig.no_permits_taken().await;
    let view = rig.campaign(&app(), id).await;
    assert_eq!(view.standing.state, CampaignState::Running);
    assert_eq!(view.counts.waiting, 200);
    rig.fake.release();
    rig.system.reload(&apps(), &limits).await.unwrap();
    rig.completed(id).await;
    rig.everybody_once(200);
}
