//! The pools with real connections to the simulator: what leaves, how it comes back, and what follows.

mod apns;
mod connection;
mod fcm;
mod life;
mod reload;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use fanfare_core::cleanup::OnDeadToken;
use fanfare_core::{registration, restart, revocations};
use fanfare_link::{Endpoint, Resolver, tls};
use fanfare_providers::{apns as apns_provider, fcm as fcm_provider};
use fanfare_simulator::{Config, Material, Simulator};
use fanfare_types::message::Variables;
use fanfare_types::{
    Address, AddressKind, Budget, Channel, Counts, Environment, Hold, Lane, Live, Message,
    NotificationId, OnUnknown, Options, Permits, Priority, Progress, Tenure,
};
use ractor::{ActorProcessingErr, SupervisionEvent};
use tokio::sync::watch;

use super::*;
use crate::{ApnsCredential, FcmCredential, dispatcher, outcomes};

/// Far longer than anything here takes.
const DEADLINE: Duration = Duration::from_secs(20);
/// Deliveries there may be.
const PERMITS: usize = 10_000;

pub(crate) fn material() -> &'static Material {
    static MATERIAL: OnceLock<Material> = OnceLock::new();
    MATERIAL.get_or_init(|| Material::generate().unwrap())
}

/// A simulator, an app that sends to it, and what came out at the other end.
struct Rig {
    simulator: Simulator,
    pools: Pools,
    telemetry: Telemetry,
    revocations: Arc<Revocations>,
    tenure: Arc<Tenure>,
    clock: Clock,
    budget: Arc<Budget>,
    ended: watch::Receiver<usize>,
    endings: Arc<Mutex<Vec<Ending>>>,
    rerouted: watch::Receiver<usize>,
    gave_up: watch::Receiver<Option<String>>,
    parent: ActorRef<()>,
    random: Random,
}

impl Rig {
    async fn start() -> Self {
        Rig::with(|_| {}, Vec::new()).await
    }

    async fn with(change: impl FnOnce(&mut Config), senders: Vec<Handle>) -> Self {
        let mut config = material().config();
        change(&mut config);
        let simulator = Simulator::start(config).await.unwrap();
        let clock = Clock::system();
        let apps: Arc<[App]> = [app(&simulator)].into();
        let endings = Arc::new(Mutex::new(Vec::new()));
        let (count, ended) = watch::channel(0);
        let outcomes = catch_endings(endings.clone(), count).await;
        let (count, rerouted) = watch::channel(0);
        let dispatcher = catch_rerouted(count).await;
        let (failed, gave_up) = watch::channel(None);
        let (parent, _) = Actor::spawn(None, Parent, ()).await.unwrap();
        let args = Args {
            pools: Pools::new(&apps, Resolver::default(), outcomes.clone(), clock.clone()).unwrap(),
            outcomes,
            dispatcher,
            revocations: Arc::new(Revocations::new(revocations::Limits::default())),
            tenure: Tenure::alone(),
            link: fanfare_link::Config::default(),
            recovery: fanfare_core::pool::Recovery::default(),
            restart: restart::Policy {
                restarts_max: 2,
                ..restart::Policy::default()
            },
            clock: clock.clone(),
            random: Random::from_system(),
            telemetry: Telemetry::new(),
            senders: senders.into(),
            gave_up: Arc::new(move |why| drop(failed.send_replace(Some(why)))),
        };
        Pools::spawn(args.clone(), parent.get_cell()).await.unwrap();
        Rig {
            simulator,
            pools: args.pools,
            telemetry: args.telemetry,
            revocations: args.revocations,
            tenure: args.tenure,
            clock,
            budget: Budget::new(PERMITS),
            ended,
            endings,
            rerouted,
            gave_up,
            parent,
            random: args.random,
        }
    }

    fn live(&self, on_unknown: OnUnknown) -> Arc<Live> {
        let now = self.clock.now();
        Arc::new(Live {
            id: NotificationId::new(now, self.random.next()),
            app: AppId::new("shop").unwrap(),
            created_at: now,
            options: Options {
                priority: Priority::High,
                collapse_key: None,
                lane: Lane::Urgent,
                on_unknown,
                expires_at: now + Duration::from_secs(600),
                send_at: None,
            },
            message: Message {
                title: Some("hello".to_owned()),
                ..Message::default()
            }
            .into(),
            variables: Variables::new().into(),
            progress: Progress::new(PERMITS as u64, Counts::default()),
            run: None,
            hold: Hold::new(fanfare_types::Slot::of_shard(0)),
        })
    }

    /// Deliveries to addresses of their own.
    fn deliveries(&self, live: &Arc<Live>, channel: Channel, count: u32) -> Vec<Delivery> {
        let budgets: Arc<[Arc<Budget>]> = [self.budget.clone()].into();
        let mut permits = Permits::try_take(&budgets, count as usize).unwrap();
        let delivery = |ordinal| Delivery {
            live: live.clone(),
            ordinal,
            device: None,
            address: address(channel, ordinal),
            locale: None,
            variables: None,
            registered_at: live.created_at,
            routed_at: live.created_at,
            attempts: 0,
            auth_refreshes: 0,
            permit: permits.split().unwrap(),
        };
        (0..count).map(delivery).collect()
    }

    /// Sends so many, in batches as the dispatcher makes them.
    fn send(&self, channel: Channel, count: u32) -> Arc<Live> {
        let live = self.live(OnUnknown::Retry);
        let mut all = self.deliveries(&live, channel, count);
        while !all.is_empty() {
            let rest = all.split_off(all.len().min(64));
            self.pools.deliver(std::mem::replace(&mut all, rest));
        }
        live
    }

    async fn wait_ended(&self, count: usize) {
        let mut ended = self.ended.clone();
        let waited = tokio::time::timeout(DEADLINE, ended.wait_for(|ended| *ended >= count)).await;
        assert!(waited.is_ok(), "{} of {count} ended", *self.ended.borrow());
    }

    /// Outcome and reason of everything that ended, counted.
    fn outcomes(&self) -> Vec<(Outcome, String, usize)> {
        let mut counts: Vec<(Outcome, String, usize)> = Vec::new();
        for ending in self.endings.lock().iter() {
            let (outcome, reason) = (ending.finished.outcome, ending.finished.reason.as_str());
            match counts.iter_mut().find(|c| c.0 == outcome && c.1 == reason) {
                Some(found) => found.2 += 1,
                None => counts.push((outcome, reason.to_owned(), 1)),
            }
        }
        counts
    }

    async fn stats_of(&self, provider: &str) -> PoolStats {
        let stats = self.pools.stats(DEADLINE).await.unwrap();
        let is_it =
            |stats: &PoolStats| stats.provider == provider && stats.environment == "production";
        stats.into_iter().find(is_it).unwrap()
    }

    fn metric(&self, line: &str) -> bool {
        let text = self.telemetry.encode();
        text.lines().any(|l| l == line)
    }
}

/// Looks until it is so.
async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let looked = tokio::time::timeout(DEADLINE, async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    assert!(looked.await.is_ok(), "never: {what}");
}

fn address(channel: Channel, ordinal: u32) -> Address {
    let text = match channel {
        Channel::IosPush => format!("{ordinal:064x}"),
        _ => format!("token-{ordinal}"),
    };
    let kind = AddressKind::RegistrationToken;
    Address::new(channel, kind, Environment::Production, &text)
}

pub(crate) fn app(simulator: &Simulator) -> App {
    let (material, at) = (material(), simulator.addresses());
    let tls = tls::Client::new(Some(material.ca_pem.as_bytes()), None).unwrap();
    let endpoint = |at: std::net::SocketAddr| Endpoint {
        host: "localhost".to_owned(),
        port: at.port(),
    };
    let key = &material.apns_key;
    let signer = apns_provider::Signer::new(key.p8.as_bytes(), &key.key_id, &key.team_id).unwrap();
    let json = material.service_account_json(&at.token_uri());
    App {
        id: AppId::new("shop").unwrap(),
        on_dead_token: OnDeadToken::Invalidate,
        registration: registration::Policy {
            address_sharing: false,
            devices_per_user_max: 100,
            deactivate_after: 5,
        },
        apns: Some(Arc::new(ApnsCredential {
            signer: Some(signer),
            tls: tls.clone(),
            topic: material.topic.clone(),
            production: endpoint(at.apns),
            sandbox: endpoint(at.apns),
            connections_max: 4,
        })),
        fcm: Some(Arc::new(FcmCredential {
            account: fcm_provider::ServiceAccount::parse(json.as_bytes()).unwrap(),
            tls,
            endpoint: endpoint(at.fcm),
            connections_max: 4,
            rate_max: 100_000,
        })),
    }
}

/// As the account file of another key would be: the same project, under another name of the key.
pub(crate) fn other_account(simulator: &Simulator) -> fcm_provider::ServiceAccount {
    let json = material().service_account_json(&simulator.addresses().token_uri());
    let mut file: serde_json::Value = serde_json::from_str(&json).unwrap();
    file.as_object_mut().unwrap().remove("private_key_id");
    fcm_provider::ServiceAccount::parse(file.to_string().as_bytes()).unwrap()
}

/// What stands in for the root.
struct Parent;

impl Actor for Parent {
    type Msg = ();
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<()>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<()>,
        _: SupervisionEvent,
        (): &mut (),
    ) -> Result<(), ActorProcessingErr> {
        Ok(())
    }
}

/// An actor that hands each message to a closure.
struct Catcher<M>(std::marker::PhantomData<M>);

type Take<M> = Box<dyn FnMut(M) + Send>;

impl<M: ractor::Message + Sync> Actor for Catcher<M> {
    type Msg = M;
    type State = Take<M>;
    type Arguments = Take<M>;

    async fn pre_start(
        &self,
        _: ActorRef<M>,
        take: Take<M>,
    ) -> Result<Take<M>, ActorProcessingErr> {
        Ok(take)
    }

    async fn handle(
        &self,
        _: ActorRef<M>,
        message: M,
        take: &mut Take<M>,
    ) -> Result<(), ActorProcessingErr> {
        take(message);
        Ok(())
    }
}

async fn catch<M: ractor::Message + Sync>(take: impl FnMut(M) + Send + 'static) -> Slot<M> {
    let slot = Slot::empty();
    let catcher = Catcher(std::marker::PhantomData);
    let (actor, _) = Actor::spawn(None, catcher, Box::new(take)).await.unwrap();
    slot.set(actor);
    slot
}

async fn catch_endings(
    endings: Arc<Mutex<Vec<Ending>>>,
    count: watch::Sender<usize>,
) -> OutcomesHandle {
    OutcomesHandle::new(
        catch(move |message| {
            if let outcomes::Msg::Ended(batch) = message {
                endings.lock().extend(batch);
                count.send_replace(endings.lock().len());
            }
        })
        .await,
    )
}

async fn catch_rerouted(count: watch::Sender<usize>) -> DispatcherHandle {
    DispatcherHandle::new(
        catch(move |message| {
            if let dispatcher::Msg::Deliveries(batch) = message {
                count.send_modify(|count| *count += batch.len());
            }
        })
        .await,
    )
}
