//! Ownership under fire: clients of two contracts race for the same addresses while they are sent to, faster than the
//! provider takes it, so that pushes wait while their addresses change hands.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use fanfare_types::Clock;
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;

use super::*;
use crate::harness::eventually;

/// Half of them come through Ring, half through Reserva.
const CLIENTS: usize = 16;
const ADDRESSES: usize = 12;

/// Registrations of one client: Ring takes no more than 1,000 of a user in a minute.
const TAKES_MAX: usize = 1_000;

/// What a push that was handed over before an acknowledgement may take to the provider's books: the machine is
/// busy, and a millisecond is the unit of both clocks.
const ON_ITS_WAY: u64 = 1_000;

/// How often each is sent to. The provider takes 100 pushes a second ([`slow_provider`]), and this asks for more.
const SEND_EVERY: Duration = Duration::from_millis(60);

/// How long they race; longer by `TEST_FIRE_SECONDS`.
fn how_long() -> Duration {
    let seconds = std::env::var("TEST_FIRE_SECONDS").ok();
    let seconds = seconds.and_then(|text| text.parse().ok()).unwrap_or(4);
    Duration::from_secs(seconds)
}

/// A race of less shows nothing; on a busy machine it goes on until then.
const TAKEN_MIN: usize = 150;
const PUSHES_MIN: u64 = 50;

/// One acknowledged registration, in milliseconds since 1970.
#[derive(Clone, Copy, Debug)]
struct Taken {
    client: usize,
    address: usize,
    asked_at: u64,
    acknowledged_at: u64,
}

#[derive(Debug)]
struct Client {
    number: usize,
    jwt: String,
}

impl Client {
    fn of(world: &World, number: usize) -> Self {
        let jwt = staff(world, &number.to_string());
        Client { number, jwt }
    }

    fn is_ring(&self) -> bool {
        self.number.is_multiple_of(2)
    }

    /// As the rest of the house knows this client.
    fn user(&self) -> String {
        match self.is_ring() {
            true => self.number.to_string(),
            false => format!("staff:{}", self.number),
        }
    }

    async fn take(&self, world: &World, address: usize) -> Taken {
        let token = fcm(&format!("contested-{address}"));
        let (path, body) = match self.is_ring() {
            true => (
                "/api/notifications/fcm/register",
                json!({"token": token, "deviceFingerprint": format!("place-{address}")}),
            ),
            false => ("/api/v1/devices/register", json!({"fcm_token": token})),
        };
        let asked_at = now();
        ok(call(world, Method::POST, path, &self.jwt).json(&body)).await;
        Taken {
            client: self.number,
            address,
            asked_at,
            acknowledged_at: now(),
        }
    }

    /// Takes one address after the other until the time is over.
    async fn race(&self, world: &World, over: &AtomicBool, count: &AtomicUsize) -> Vec<Taken> {
        let mut taken = Vec::new();
        // A step of 7 goes through all of them, from a start of one's own.
        let turns = (self.number * 5..).step_by(7).take(TAKES_MAX);
        for turn in turns.take_while(|_| !over.load(Ordering::Relaxed)) {
            taken.push(self.take(world, turn % ADDRESSES).await);
            count.fetch_add(1, Ordering::Relaxed);
        }
        taken
    }

    /// Is sent to all the while; the collapse key says whom a push was meant for.
    async fn be_sent_to(&self, world: &World, over: &AtomicBool) {
        let mut tick = tokio::time::interval(SEND_EVERY);
        while !over.load(Ordering::Relaxed) {
            tick.tick().await;
            let message = json!({"to": {"users": [self.user()]}, "message": {"title": "t"},
                "collapse_key": self.number.to_string()});
            world.send(&message).await;
        }
    }
}

fn now() -> u64 {
    Clock::system().now().0
}

/// Whether `taken` shows that the push at `at` went to `client` after somebody else's registration was acknowledged,
/// with no registration of the client's own that might have come after that one.
fn is_betrayal(taken: &[Taken], client: usize, address: usize, at: u64) -> bool {
    let of_address = || taken.iter().filter(|taken| taken.address == address);
    let is_own_since = |lost: &Taken| {
        of_address().any(|own| {
            own.client == client && own.acknowledged_at >= lost.asked_at && own.asked_at <= at
        })
    };
    of_address().any(|lost| {
        lost.client != client && lost.acknowledged_at + ON_ITS_WAY < at && !is_own_since(lost)
    })
}

/// FCM takes two pushes at a time, 20 ms each.
async fn slow_provider() -> World {
    let world = World::with(Options {
        edit: Some(|text| {
            let text = text.replace("[apps.fcm]", "[apps.fcm]\nconnections = 1");
            format!(
                "{text}\n[apps.ring]\nregistrations_per_minute = 1000\n[link]\nstreams_max = 2\n"
            )
        }),
        ..Options::default()
    })
    .await;
    world.rules(&json!([{"when": {"provider": "fcm"}, "delay_ms": 20}]));
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn sixteen_clients_of_two_contracts_race_and_each_address_has_one_owner() {
    let world = slow_provider().await;
    let clients: Vec<Client> = (0..CLIENTS)
        .map(|number| Client::of(&world, number))
        .collect();
    let (over, count) = (AtomicBool::new(false), AtomicUsize::new(0));
    let racing = clients
        .iter()
        .map(|client| client.race(&world, &over, &count));
    let sending = clients
        .iter()
        .map(|client| client.be_sent_to(&world, &over));
    let (racing, sending) = (join_all(racing), join_all(sending));
    let is_a_race = || async {
        let pushes = world.simulator.books().totals().fcm.requests;
        (count.load(Ordering::Relaxed) >= TAKEN_MIN && pushes >= PUSHES_MIN).then_some(())
    };
    let timing = async {
        tokio::time::sleep(how_long()).await;
        eventually(is_a_race).await;
        over.store(true, Ordering::Relaxed);
    };
    let (taken, ..) = tokio::join!(racing, sending, timing);
    let taken: Vec<Taken> = taken.concat();
    let all_ended = || async {
        let stats = ok(world.service(Method::GET, "/v1/stats")).await;
        (stats["permits_taken"] == 0).then_some(())
    };
    eventually(all_ended).await;
    nobody_was_betrayed(&world, &taken);
    let owners = one_owner_each(&world, &clients).await;
    assert_eq!(owners.values().sum::<usize>(), ADDRESSES, "{owners:?}");
    one_push_each(&world, &clients).await;
}

/// No push reached a former owner's address for that owner.
fn nobody_was_betrayed(world: &World, taken: &[Taken]) {
    let mut after = None;
    loop {
        let page = world.simulator.books().requests(&Query {
            after,
            limit: Some(10_000),
            ..Query::default()
        });
        let Some(last) = page.last() else { break };
        after = Some(last.seq);
        for push in page
            .iter()
            .filter(|push| push.address.starts_with("contested-"))
        {
            let address = push.address["contested-".len()..]
                .split(':')
                .next()
                .expect("a number");
            let address = address.parse().expect("a number");
            let client = push.collapse.as_deref().expect("a collapse key");
            let client = client.parse().expect("a number");
            assert!(
                !is_betrayal(taken, client, address, push.at_ms),
                "client {client} got a push at address {address} after its loss was acknowledged"
            );
        }
    }
}

/// How many devices each client has; each address has one.
async fn one_owner_each(world: &World, clients: &[Client]) -> BTreeMap<String, usize> {
    let mut owners = BTreeMap::new();
    for client in clients {
        let rows = rows_of(world, &client.user()).await;
        assert!(rows.iter().all(|row| row["status"] == "active"), "{rows:?}");
        owners.insert(client.user(), rows.len());
    }
    owners
}

/// A last round to everybody reaches each address once.
async fn one_push_each(world: &World, clients: &[Client]) {
    world.simulator.books().reset();
    let users: Vec<String> = clients.iter().map(Client::user).collect();
    let users: Vec<&str> = users.iter().map(String::as_str).collect();
    assert_eq!(
        world.ended(&world.send_to(&users).await).await["delivered"],
        ADDRESSES
    );
    for address in 0..ADDRESSES {
        assert_eq!(pushes_to(world, &fcm(&format!("contested-{address}"))), 1);
    }
}

#[test]
fn a_betrayal_is_told_from_what_may_have_been() {
    let taken = |client, asked_at, acknowledged_at| Taken {
        client,
        address: 0,
        asked_at,
        acknowledged_at,
    };
    let lost = [taken(1, 0, 10), taken(2, 20, 30)];
    let late = 31 + ON_ITS_WAY;
    assert!(is_betrayal(&lost, 1, 0, late) && !is_betrayal(&lost, 2, 0, late));
    assert!(
        !is_betrayal(&lost, 1, 0, 30 + ON_ITS_WAY),
        "it may have been on its way"
    );
    assert!(!is_betrayal(&lost, 1, 7, late), "of another address");
    let overlapping = [taken(1, 0, 25), taken(2, 20, 30)];
    assert!(
        !is_betrayal(&overlapping, 1, 0, late),
        "nobody knows who came last"
    );
    let back = [lost.as_slice(), &[taken(1, 40, 50)]].concat();
    assert!(!is_betrayal(&back, 1, 0, late));
}
