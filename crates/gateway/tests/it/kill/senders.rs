//! Callers that send without pause, ask again under the same idempotency key when they got no answer, and watch
//! what becomes of what was accepted.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};

use futures_util::future::join_all;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::chance::Chance;
use crate::harness::{World, apns_token, eventually, fcm_token, text};
use crate::outside::Client;

const DEVICES: u32 = 40;
const SENDERS: usize = 3;
/// New notifications in one round.
const NEW_MAX: u32 = 60;
const RECIPIENTS_MAX: u64 = 8;

pub(super) struct Senders {
    /// User → device id and address.
    devices: HashMap<String, (String, String)>,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    sent: BTreeMap<String, Sent>,
    new: u32,
    /// Place of the kill to come.
    kill: usize,
}

/// One notification, by its idempotency key, which is its collapse key as well: so the providers see which it is.
#[derive(Clone)]
pub(super) struct Sent {
    pub(super) body: Value,
    /// Once it was acknowledged.
    pub(super) id: Option<String>,
    /// Device → the outcome a caller was shown, and the kill that came after it.
    pub(super) shown: HashMap<String, (String, usize)>,
    /// At the end: (device id, address, outcome).
    pub(super) ended: Vec<(String, String, String)>,
}

impl Sent {
    pub(super) fn users(&self) -> Vec<String> {
        let users = self.body["to"]["users"].as_array().expect("users");
        users.iter().map(text).collect()
    }
}

impl Senders {
    /// Registers who is sent to.
    pub(super) async fn new(world: &World) -> Senders {
        let mut devices = HashMap::new();
        for number in 0..DEVICES {
            let (channel, token) = match number % 2 {
                0 => ("ios_push", apns_token(number)),
                _ => ("fcm", fcm_token(number)),
            };
            let user = format!("user-{number}");
            let device = world.register(&user, channel, &token).await;
            devices.insert(user, (device, token));
        }
        Senders {
            devices,
            state: RefCell::default(),
        }
    }

    pub(super) async fn work(&self, client: &Client, chance: &mut Chance) {
        self.state.borrow_mut().new = 0;
        let sending = (0..SENDERS).map(|_| self.send(client, chance.fork()));
        let sending: Vec<_> = sending.collect();
        tokio::join!(join_all(sending), self.watch(client, chance.fork()));
    }

    /// The process is dead.
    pub(super) fn killed(&self) {
        self.state.borrow_mut().kill += 1;
    }

    async fn send(&self, client: &Client, mut chance: Chance) {
        while let Some((key, body)) = self.next(&mut chance) {
            self.ask(client, &key, &body).await;
        }
    }

    /// A new one, or at times one whose answer never came.
    fn next(&self, chance: &mut Chance) -> Option<(String, Value)> {
        let mut state = self.state.borrow_mut();
        if state.new == NEW_MAX {
            return None;
        }
        if chance.one_in(4)
            && let Some((key, sent)) = state.sent.iter().find(|(_, sent)| sent.id.is_none())
        {
            return Some((key.clone(), sent.body.clone()));
        }
        state.new += 1;
        let key = format!("kill-{:05}-{:02}", state.kill, state.new);
        let first = chance.below(DEVICES.into());
        let users = (0..=chance.below(RECIPIENTS_MAX))
            .map(|place| format!("user-{}", (first + place) % u64::from(DEVICES)));
        let body = json!({
            "to": { "users": users.collect::<Vec<_>>() },
            "message": { "title": key },
            "collapse_key": key,
        });
        let sent = Sent {
            body: body.clone(),
            id: None,
            shown: HashMap::new(),
            ended: Vec::new(),
        };
        state.sent.insert(key.clone(), sent);
        Some((key, body))
    }

    async fn ask(&self, client: &Client, key: &str, body: &Value) -> Option<()> {
        let (status, answer) = client.notify(key, body).await?;
        if status != StatusCode::ACCEPTED {
            assert!(matches!(status.as_u16(), 429 | 503), "{status} {answer}");
            return None;
        }
        let id = answer["id"].as_str().expect("an id").to_owned();
        let mut state = self.state.borrow_mut();
        let sent = state.sent.get_mut(key).expect("sent");
        let known = sent.id.get_or_insert_with(|| id.clone());
        assert_eq!(*known, id, "one key, one notification");
        Some(())
    }

    /// Looks at one notification after the other, and notes which outcomes are shown.
    async fn watch(&self, client: &Client, mut chance: Chance) {
        loop {
            let Some((key, id)) = self.any(&mut chance) else {
                tokio::task::yield_now().await;
                continue;
            };
            let Some(view) = client.view(&id).await else {
                continue;
            };
            if view["counts"]["delivered"] == view["recipients"] {
                let users = self.state.borrow().sent[&key].users();
                let devices = users.iter().map(|user| self.devices[user].0.clone());
                self.shown(&key, devices.map(|device| (device, "delivered".to_owned())));
            }
            // The rows come from the journal, the counts from memory; both are shown.
            let rows = client.deliveries(&id).await.unwrap_or_default();
            let ended = rows.iter().filter_map(|row| {
                let outcome = row["outcome"].as_str()?.to_owned();
                Some((text(&row["device_id"]), outcome))
            });
            self.shown(&key, ended);
        }
    }

    fn shown(&self, key: &str, ended: impl Iterator<Item = (String, String)>) {
        let mut state = self.state.borrow_mut();
        let kill = state.kill;
        let sent = state.sent.get_mut(key).expect("sent");
        for (device, outcome) in ended {
            let shown = sent.shown.entry(device);
            let shown = shown.or_insert_with(|| (outcome.clone(), kill));
            assert_eq!(shown.0, outcome, "an outcome that was shown stays");
        }
    }

    /// One of those acknowledged last that have not been seen to their end.
    fn any(&self, chance: &mut Chance) -> Option<(String, String)> {
        let state = self.state.borrow();
        let open = |(_, sent): &(&String, &Sent)| sent.shown.len() < sent.users().len();
        let acknowledged = |(key, sent): (&String, &Sent)| Some((key.clone(), sent.id.clone()?));
        let newest = state
            .sent
            .iter()
            .rev()
            .filter(open)
            .filter_map(acknowledged);
        let newest: Vec<_> = newest.take(20).collect();
        let place = chance.below(newest.len() as u64);
        newest.into_iter().nth(usize::try_from(place).ok()?)
    }

    /// Asks again for what was never answered, waits for every outcome, and reads them.
    pub(super) async fn finish(&self, client: &Client) -> BTreeMap<String, Sent> {
        let keys: Vec<_> = self.state.borrow().sent.keys().cloned().collect();
        for key in &keys {
            let sent = self.state.borrow().sent[key].clone();
            if sent.id.is_none() {
                eventually(|| self.ask(client, key, &sent.body)).await;
            }
        }
        let mut all = self.state.borrow().sent.clone();
        for sent in all.values_mut() {
            let id = sent.id.clone().expect("acknowledged by now");
            client.completed(&id).await;
            let rows = eventually(|| client.deliveries(&id)).await;
            sent.ended = rows
                .iter()
                .map(|row| {
                    let device = text(&row["device_id"]);
                    let ours = |known: &&(String, String)| known.0 == device;
                    let (_, address) = self.devices.values().find(ours).expect("ours");
                    (device, address.clone(), text(&row["outcome"]))
                })
                .collect();
        }
        all
    }
}
