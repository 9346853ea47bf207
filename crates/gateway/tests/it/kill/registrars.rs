//! Devices that come, move and go while the gateway is killed: what was acknowledged is there afterwards, and what
//! was not is either there or not.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;

use futures_util::future::join_all;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::chance::Chance;
use crate::harness::{apns_token, eventually};
use crate::outside::Client;

const REGISTRARS: u32 = 3;
const ADDRESSES_EACH: u32 = 5;
const USERS_EACH: u64 = 3;
/// Changes of one registrar in one round.
const CHANGES_MAX: u32 = 30;

#[derive(Default)]
pub(super) struct Registrars {
    addresses: RefCell<BTreeMap<String, Known>>,
    round: u64,
    acknowledged: RefCell<u64>,
    unanswered: u64,
}

/// Who may hold an address; `None` is nobody. The device's id, when somebody does for sure.
#[derive(Clone)]
struct Known {
    holders: Vec<Option<String>>,
    device: Option<String>,
}

impl Registrars {
    /// Each changes addresses of its own, one after the other, until it has done enough for a round; then it waits
    /// for the kill like everybody.
    pub(super) async fn work(&mut self, client: &Client) {
        self.round += 1;
        let this = &*self;
        let all = (0..REGISTRARS).map(|registrar| this.registrar(client, registrar));
        join_all(all).await;
        std::future::pending().await
    }

    async fn registrar(&self, client: &Client, registrar: u32) {
        let mut chance = Chance::new(self.round << 8 | u64::from(registrar));
        for _ in 0..CHANGES_MAX {
            let number = registrar * ADDRESSES_EACH + draw(&mut chance, ADDRESSES_EACH.into());
            let user = user(registrar, chance.below(USERS_EACH));
            let known = self.known(number);
            match known.device {
                Some(_) if known.holders.len() > 1 => {}
                Some(device) if chance.one_in(3) => {
                    let holder = known.holders[0].clone().expect("a holder");
                    self.remove(client, number, &holder, &device).await;
                }
                _ => self.register(client, number, &user).await,
            }
        }
    }

    async fn register(&self, client: &Client, number: u32, user: &str) {
        self.asked(number, Some(user.to_owned()));
        let body = json!({
            "channel": "ios_push", "token": apns_token(900_000 + number), "device_name": name(number),
        });
        let request = client.service(Method::POST, &format!("/v1/users/{user}/devices"));
        match client.ask(request.json(&body)).await {
            Some((StatusCode::CREATED, answer)) => {
                let id = answer["device"]["id"].as_str().map(str::to_owned);
                self.done(number, Some(user.to_owned()), id);
            }
            answer => refused(answer),
        }
    }

    async fn remove(&self, client: &Client, number: u32, holder: &str, device: &str) {
        self.asked(number, None);
        let path = format!("/v1/users/{holder}/devices/{device}");
        match client.ask(client.service(Method::DELETE, &path)).await {
            Some((status, _)) if status.is_success() => self.done(number, None, None),
            answer => refused(answer),
        }
    }

    fn known(&self, number: u32) -> Known {
        let mut addresses = self.addresses.borrow_mut();
        let nobody = || Known {
            holders: vec![None],
            device: None,
        };
        addresses.entry(name(number)).or_insert_with(nobody).clone()
    }

    /// From now on this may be so.
    fn asked(&self, number: u32, holder: Option<String>) {
        let mut addresses = self.addresses.borrow_mut();
        let known = addresses.get_mut(&name(number)).expect("a known address");
        known.holders.push(holder);
    }

    /// It was acknowledged, so it is so.
    fn done(&self, number: u32, holder: Option<String>, device: Option<String>) {
        *self.acknowledged.borrow_mut() += 1;
        let known = Known {
            holders: vec![holder],
            device,
        };
        self.addresses.borrow_mut().insert(name(number), known);
    }

    /// After a restart: everybody's devices as the gateway has them, each where it may be and nowhere else.
    pub(super) async fn read_back(&mut self, client: &Client) {
        let mut found: BTreeMap<String, (String, String)> = BTreeMap::new();
        for registrar in 0..REGISTRARS {
            for number in 0..USERS_EACH {
                let user = user(registrar, number);
                for device in devices(client, &user).await {
                    let text = |field: &str| device[field].as_str().expect("a text").to_owned();
                    let before = found.insert(text("device_name"), (user.clone(), text("id")));
                    assert!(before.is_none(), "two devices hold {}", text("device_name"));
                }
            }
        }
        let addresses = self.addresses.get_mut();
        for (name, known) in addresses {
            let (holder, device) = found.remove(name).unzip();
            assert!(
                known.holders.contains(&holder),
                "{name} is held by {holder:?}, and may be held by {:?}",
                known.holders
            );
            self.unanswered += u64::from(known.holders.len() > 1);
            *known = Known {
                holders: vec![holder],
                device,
            };
        }
        assert!(found.is_empty(), "nobody registered {found:?}");
    }
}

async fn devices(client: &Client, user: &str) -> Vec<Value> {
    eventually(|| async {
        let (status, list) = client.get(&format!("/v1/users/{user}/devices")).await?;
        (status == StatusCode::OK).then(|| list["devices"].as_array().cloned())?
    })
    .await
}

/// No answer, or one that promises nothing.
fn refused(answer: Option<(StatusCode, Value)>) {
    if let Some((status, body)) = answer {
        assert!(matches!(status.as_u16(), 429 | 503), "{status} {body}");
    }
}

fn draw(chance: &mut Chance, bound: u64) -> u32 {
    u32::try_from(chance.below(bound)).expect("small")
}

fn name(number: u32) -> String {
    format!("address {number}")
}

fn user(registrar: u32, number: u64) -> String {
    format!("mover-{registrar}-{number}")
}

impl fmt::Display for Registrars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} changes of devices acknowledged, {} cut off without an answer",
            self.acknowledged.borrow(),
            self.unanswered
        )
    }
}
