//! One connection alone, with a stand-in for its pool.

use fanfare_core::pool::{Effect, How, Job, Limits, Pool as Core, World};
use fanfare_core::retry;
use fanfare_link::Resolver;
use fanfare_types::{DeviceId, Outcome, UserId};
use tokio::sync::mpsc;

use super::*;
use crate::connection::{self, Connection};
use crate::pool::News;
use crate::pool::credential;

struct Alone {
    rig: Rig,
    connection: ActorRef<connection::Msg>,
    news: mpsc::Receiver<News>,
}

impl Alone {
    async fn start() -> Self {
        let rig = Rig::start().await;
        let (tell, news) = mpsc::channel(100);
        let pool = catch(move |message| {
            if let pool::Msg::News(_, news) = message {
                tell.try_send(news).ok();
            }
        })
        .await;
        let apps = [app(&rig.simulator)];
        let credential = credential::all(&apps, &Resolver::default())
            .unwrap()
            .remove(0);
        let args = connection::Args {
            id: 0,
            pool: pool.get().unwrap(),
            app: credential.app().clone(),
            channel: credential.channel(),
            endpoint: credential.endpoint().clone(),
            tls: credential.tls().clone(),
            link: credential.link(&fanfare_link::Config::default()),
            codec: credential.codec().unwrap(),
            revocations: rig.revocations.clone(),
            tenure: rig.tenure.clone(),
            clock: rig.clock.clone(),
            telemetry: rig.telemetry.clone(),
        };
        let (connection, _) = Actor::spawn(None, Connection, args).await.unwrap();
        let mut alone = Alone {
            rig,
            connection,
            news,
        };
        assert!(matches!(alone.next().await, News::Opened));
        assert!(matches!(alone.next().await, News::Streams(1)));
        alone
    }

    async fn next(&mut self) -> News {
        let next = tokio::time::timeout(DEADLINE, self.news.recv()).await;
        next.expect("in time")
            .expect("the pool's stand-in is there")
    }

    /// How everything came back with the next such news.
    async fn returned(&mut self) -> Vec<How> {
        loop {
            if let News::Returned(batch) = self.next().await {
                return batch.into_iter().map(|returned| returned.how).collect();
            }
        }
    }

    fn hand(&self, batch: Vec<Delivery>) {
        let batch = self.jobs(batch);
        let message = connection::Msg::Hand {
            batch,
            token: None,
            generation: 0,
        };
        self.connection.cast(message).unwrap();
    }

    /// Only a pool makes jobs.
    fn jobs(&self, batch: Vec<Delivery>) -> Vec<Job> {
        let limits = Limits::for_channel(Channel::IosPush, 1, None);
        let retry = retry::Policy::for_channel(Channel::IosPush);
        let mut core = Core::new(limits, retry, false);
        let mut effects = Vec::new();
        let mut world = World {
            now: self.rig.clock.now(),
            random: &mut || 0,
            revocations: &Revocations::new(revocations::Limits::default()),
            tenure: &Tenure::alone(),
            effects: &mut effects,
        };
        core.on_work(batch, &mut world);
        core.on_opened(0, &mut world);
        core.on_streams(0, 100, &mut world);
        let job = |effect| match effect {
            Effect::Hand { batch, .. } => batch,
            _ => Vec::new(),
        };
        effects.into_iter().flat_map(job).collect()
    }
}

#[tokio::test]
async fn without_tenure_nothing_leaves_and_all_of_it_comes_back() {
    let mut alone = Alone::start().await;
    let live = alone.rig.live(OnUnknown::Retry);
    let batch = alone.rig.deliveries(&live, Channel::IosPush, 3);
    alone.rig.tenure.extend(alone.rig.clock.now());
    alone.hand(batch);
    assert_eq!(alone.returned().await, [const { How::Over }; 3]);
    assert_eq!(alone.rig.simulator.books().totals().apns.requests, 0);
    assert_eq!(live.progress.counts().in_flight, 0);
}

#[tokio::test]
async fn the_last_look_holds_back_what_was_revoked_on_the_way() {
    let mut alone = Alone::start().await;
    let live = alone.rig.live(OnUnknown::Retry);
    let mut batch = alone.rig.deliveries(&live, Channel::IosPush, 1);
    let device = DeviceId::new(alone.rig.clock.now(), 7);
    batch[0].device = Some((device, UserId::new("ada").unwrap()));
    alone.rig.revocations.revoke(device, alone.rig.clock.now());
    alone.hand(batch);
    assert_eq!(alone.returned().await, [How::Stale]);
    assert_eq!(alone.rig.simulator.books().totals().apns.requests, 0);
    assert_eq!(live.progress.counts().in_flight, 0);
}

#[tokio::test]
async fn what_cannot_be_encoded_comes_back_as_such() {
    let mut alone = Alone::start().await;
    let live = alone.rig.live(OnUnknown::Retry);
    let mut batch = alone.rig.deliveries(&live, Channel::IosPush, 1);
    let kind = AddressKind::RegistrationToken;
    batch[0].address = Address::new(Channel::IosPush, kind, Environment::Production, "no hex");
    alone.hand(batch);
    let returned = alone.returned().await;
    assert!(
        matches!(returned[..], [How::Unsendable(Outcome::Rejected, _)]),
        "{returned:?}"
    );
}

#[tokio::test]
async fn what_comes_after_the_end_goes_back_untouched() {
    let mut alone = Alone::start().await;
    alone.connection.cast(connection::Msg::Close).unwrap();
    while !matches!(alone.next().await, News::Closed) {}
    let live = alone.rig.live(OnUnknown::Retry);
    alone.hand(alone.rig.deliveries(&live, Channel::IosPush, 3));
    assert_eq!(alone.returned().await, [const { How::NotTaken }; 3]);
    assert_eq!(live.progress.counts().in_flight, 0);
    alone.connection.cast(connection::Msg::Forgotten).unwrap();
    let stopped = alone.connection.wait(Some(DEADLINE)).await;
    assert!(stopped.is_ok());
}

#[tokio::test]
async fn apns_is_asked_whether_it_lives_as_configured_and_fcm_never() {
    let simulator = Simulator::start(material().config()).await.unwrap();
    let apps = [app(&simulator)];
    let after = Some(Duration::from_secs(7));
    let configured = fanfare_link::Config {
        ping_after: after,
        ..fanfare_link::Config::default()
    };
    let mut found: Vec<_> = credential::all(&apps, &Resolver::default())
        .unwrap()
        .iter()
        .map(|credential| {
            let link = credential.link(&configured);
            (credential.channel().as_str(), link.ping_after)
        })
        .collect();
    found.dedup();
    assert_eq!(found, [("ios_push", after), ("fcm", None)]);
}
