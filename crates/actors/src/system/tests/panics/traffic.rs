//! What goes on while something panics.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fanfare_core::campaign::Command;
use fanfare_core::registration::{Patch, Register};
use fanfare_types::device::Meta;
use fanfare_types::filter::{Field, Leaf, Test, Value};
use fanfare_types::{
    Address, AddressKind, Audience, CampaignId, CampaignState, Channel, DeviceId, Environment,
    Filter, NotificationId, Platform, UserId,
};

use futures_util::future::LocalBoxFuture;

use super::super::super::*;
use super::super::campaigns::campaign;
use super::super::rig::{self, user};
use super::stage::Stage;
use crate::campaigns::CampaignView;
use crate::notifications::To;

/// The longest a caller waits: `call_timeout`, and some time for a machine that is busy.
const CALL_MAX: Duration = Duration::from_secs(7);

/// How long a round waits for what a panic may keep from happening.
const SOON: Duration = Duration::from_secs(2);

/// A token that no other case has; FCM's when `n` is odd.
pub(super) fn token(prefix: &str, n: usize) -> String {
    static RUN: AtomicU64 = AtomicU64::new(0);
    let unique = RUN.fetch_add(1, Ordering::Relaxed);
    let kind = if prefix == "dead" { "dead" } else { "abcd" };
    let channel = if n.is_multiple_of(2) { "a" } else { "f" };
    let text = format!("{kind}{channel}{unique:x}");
    format!("{text:0<64}")
}

pub(super) fn address(token: &str) -> Address {
    let channel = match token.as_bytes()[4] {
        b'a' => Channel::IosPush,
        _ => Channel::Fcm,
    };
    let kind = AddressKind::RegistrationToken;
    Address::new(channel, kind, Environment::Production, token)
}

/// An answer in time; an error is an answer.
async fn in_time<T>(call: impl Future<Output = Result<T>>) -> Option<T> {
    let begun = Instant::now();
    let answer = tokio::time::timeout(CALL_MAX, call).await;
    let answer = answer.unwrap_or_else(|_| panic!("no answer after {:?}", begun.elapsed()));
    answer.ok()
}

/// Waits for a condition, for [`SOON`] at most.
async fn soon(condition: impl AsyncFn() -> bool) {
    let waited = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    drop(tokio::time::timeout(SOON, waited).await);
}

impl Stage<'_> {
    /// A round of everything that callers do.
    pub(super) fn round(&self) -> LocalBoxFuture<'_, ()> {
        // Boxed: so much at once makes a large future.
        Box::pin(self.everything())
    }

    async fn everything(&self) {
        let n = {
            let mut books = self.books.borrow_mut();
            books.rounds += 1;
            books.rounds
        };
        let (ada, bob) = (user(&format!("ada{n}")), user(&format!("bob{n}")));
        let [first, second, dead] = ["t", "t", "dead"].map(|prefix| token(prefix, n));
        let others = token("t", n + 1);
        tokio::join!(
            self.register(&ada, &first),
            self.register(&ada, &dead),
            self.register(&bob, &others),
            async {
                self.register(&bob, &second).await;
                self.touch(&bob, &second).await;
            },
        );
        tokio::join!(
            self.send(&ada, None),
            self.send(&bob, None),
            self.send(&bob, Some(Duration::from_millis(15))),
            self.cancel(&ada),
            self.look(),
            self.change_hands(&ada, &bob, &first),
            self.unregister(&ada),
            self.campaign(n),
        );
        self.look().await;
        self.leave(&bob, &second).await;
    }

    /// Returns whether it was acknowledged. Until then nobody can say whose the device is.
    pub(super) async fn register(&self, user: &UserId, token: &str) -> bool {
        self.books.borrow_mut().owners.remove(token);
        let command = Register {
            device_key: None,
            address: address(token),
            platform: Some(Platform::Android),
            tenant: None,
            meta: Meta::default(),
            tags: None,
        };
        let registry = self.system.registry();
        let app = rig::app();
        let answer = in_time(registry.register(&app, user, command)).await;
        if answer.is_some() {
            let owner = Some(user.clone());
            self.books
                .borrow_mut()
                .owners
                .insert(token.to_owned(), owner);
        }
        answer.is_some()
    }

    async fn row(&self, token: &str) -> Option<DeviceId> {
        let key = address(token).key(None);
        let row = self.store.holder(&rig::app(), key).await.unwrap();
        row.map(|row| row.id)
    }

    async fn touch(&self, user: &UserId, token: &str) {
        if let Some(id) = self.row(token).await {
            let patch = Patch {
                locale: Some(Some("de".to_owned())),
                ..Patch::default()
            };
            let registry = self.system.registry();
            in_time(registry.patch(&rig::app(), user, id, patch)).await;
        }
    }

    async fn leave(&self, user: &UserId, token: &str) {
        if let Some(id) = self.row(token).await {
            self.books.borrow_mut().owners.remove(token);
            let registry = self.system.registry();
            let app = rig::app();
            let mut tries = 0;
            while in_time(registry.delete(&app, user, id)).await.is_none() && tries < 20 {
                tries += 1;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            let gone = self.row(token).await.is_none();
            assert!(gone || tries == 20, "a device that was deleted is there");
            if gone {
                self.books
                    .borrow_mut()
                    .owners
                    .insert(token.to_owned(), None);
            }
        }
    }

    /// A key that no row has: a wish that is heard and changes nothing.
    async fn unregister(&self, user: &UserId) {
        let (registry, app) = (self.system.registry(), rig::app());
        in_time(registry.unregister(&app, user, "nothing")).await;
    }

    async fn change_hands(&self, from: &UserId, to: &UserId, token: &str) {
        if self.register(to, token).await {
            let now = Clock::system().now();
            let moved = (token.to_owned(), from.clone(), now);
            self.books.borrow_mut().moved.push(moved);
        }
    }

    /// The user's name goes along as the collapse key.
    pub(super) async fn send(
        &self,
        user: &UserId,
        after: Option<Duration>,
    ) -> Option<NotificationId> {
        let mut new = rig::new(&rig::app(), To::Users(vec![user.clone()]));
        new.options.collapse_key = Some(user.as_str().into());
        new.options.send_at = after.map(|after| Clock::system().now() + after);
        let notifications = self.system.notifications();
        let accepted = in_time(notifications.accept(new)).await?;
        self.books.borrow_mut().accepted.push(accepted.id);
        Some(accepted.id)
    }

    async fn cancel(&self, user: &UserId) {
        if let Some(id) = self.send(user, None).await {
            let notifications = self.system.notifications();
            in_time(notifications.cancel(&rig::app(), id)).await;
        }
    }

    /// One that starts by itself, one that is paused and goes on, or one that is cancelled. In every other round what
    /// follows a pause comes when nothing of the run is with anybody, so that another one takes up what it left.
    async fn campaign(&self, n: usize) {
        let (campaigns, app) = (self.system.campaigns(), rig::app());
        let mut new = campaign(&app);
        // Whom this round registered, so that campaigns do not grow with the rounds.
        let since = Clock::system().now() - Duration::from_millis(300);
        new.audience = Audience::Filter(Filter::Leaf(Leaf {
            field: Field::CreatedAt,
            test: Test::Gte(Value::At(since)),
        }));
        let commands: &[Command] = match n % 3 {
            0 => {
                new.start_at = Some(Clock::system().now() + Duration::from_millis(5));
                &[]
            }
            1 => &[Command::Start, Command::Pause, Command::Resume],
            _ => {
                // So slow that it waits when it is cancelled.
                new.rate = Some(1);
                &[Command::Start, Command::Pause, Command::Cancel]
            }
        };
        let Some(made) = in_time(campaigns.create(new)).await else {
            return;
        };
        let id = made.record.id;
        self.books.borrow_mut().campaigns.push(id);
        for command in commands {
            in_time(campaigns.steer(&app, id, *command)).await;
            match command {
                Command::Start => self.begins(id).await,
                Command::Pause if n.is_multiple_of(2) => {
                    soon(async || !campaigns.has_run(id)).await;
                }
                _ => {}
            }
        }
    }

    /// Until a chunk of it is open, and something of it is under way or some time has passed.
    async fn begins(&self, id: CampaignId) {
        let (campaigns, app) = (self.system.campaigns(), rig::app());
        soon(async || {
            let stored = self.store.campaign(&app, id).await.unwrap().unwrap();
            stored.scan.opened > 0 || stored.standing.state != CampaignState::Running
        })
        .await;
        for _ in 0..20 {
            let view = in_time(campaigns.view(&app, id)).await.flatten();
            let begun = |view: &CampaignView| view.counts.in_flight + view.counts.terminal() > 0;
            if view.as_ref().is_some_and(begun) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    async fn look(&self) {
        in_time(self.system.stats()).await;
        in_time(async { Ok(self.system.unready().await) }).await;
    }
}
