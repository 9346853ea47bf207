//! A link that sends a plan's requests, and holds the answers against it.

use std::collections::BTreeSet;
use std::time::Duration;

use fanfare_link::{Answer, Config, Endpoint, Engine, Event, Lost, connect, tls};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::requests::Plan;
use crate::server::Server;

/// Longest wait for a run, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(100);

const BATCH: usize = 64;

pub(crate) struct Client {
    tls: tls::Client,
    config: Config,
}

/// What became of a run's requests.
#[derive(Default)]
struct Outcome {
    answered: u32,
    not_sent: Vec<u32>,
    unknown: Vec<u32>,
    went_away: bool,
}

impl Client {
    pub(crate) fn new(server: &Server, engine: Engine) -> Self {
        let tls = tls::Client::new(Some(server.ca_pem.as_bytes()), None);
        Client {
            tls: tls.expect("a certificate"),
            config: Config {
                engine,
                queue_max: 4_000,
                answer_bytes_max: 64 * 1024,
                ..Config::default()
            },
        }
    }

    /// Every request has its answer, on one connection.
    pub(crate) async fn answered_at_once(&self, port: u16, plan: Plan) {
        let outcome = self.run(port, &plan, plan.keys()).await;
        assert_eq!(outcome.answered, plan.requests);
        assert!(!outcome.went_away);
    }

    /// The server goes away in the middle. Each request was answered or surely not processed, and the latter are answered
    /// on the next connection.
    pub(crate) async fn answered_in_the_end(&self, port: u16, plan: Plan) {
        let first = self.run(port, &plan, plan.keys()).await;
        assert!(first.went_away, "GOAWAY was told");
        assert!(
            !first.not_sent.is_empty(),
            "it went in the middle of the run"
        );
        let second = self.run(port, &plan, first.not_sent).await;
        assert_eq!(first.answered + second.answered, plan.requests);
    }

    async fn run(&self, port: u16, plan: &Plan, keys: Vec<u32>) -> Outcome {
        let engine = self.config.engine;
        timeout(PATIENCE, self.run_until_answered(port, plan, keys))
            .await
            .unwrap_or_else(|_| panic!("not all answered in {PATIENCE:?} with {engine:?}"))
    }

    async fn run_until_answered(&self, port: u16, plan: &Plan, keys: Vec<u32>) -> Outcome {
        let endpoint = Endpoint {
            host: "localhost".to_owned(),
            port,
        };
        let connected = connect(&endpoint, &self.tls, &self.config).await;
        let (sender, driver) = connected.expect("a connection");
        // More than there are requests, so that none is too many.
        let (tell, mut events) = mpsc::channel(2 * keys.len() + 100);
        let driver = tokio::spawn(driver.run(move |event| {
            tell.try_send(event).expect("room for every event");
        }));
        for batch in keys.chunks(BATCH) {
            let batch = batch.iter().map(|key| plan.request(*key)).collect();
            sender.send(batch).expect("room for all");
        }
        let mut outcome = Outcome::default();
        let mut left: BTreeSet<u32> = keys.iter().copied().collect();
        while !left.is_empty() {
            match events.recv().await.expect("the link goes on") {
                Event::Answers(answers) => {
                    for answer in answers {
                        assert!(left.remove(&answer.key), "answered twice");
                        outcome.note(plan, answer);
                    }
                }
                Event::GoingAway { calm, .. } => {
                    assert!(!calm, "we were too much for it");
                    outcome.went_away = true;
                }
                Event::Silent => panic!("no answer in time"),
                Event::Streams(_) => {}
            }
        }
        assert!(
            outcome.unknown.is_empty(),
            "nobody knows what became of {:?}",
            outcome.unknown
        );
        sender.close();
        driver.await.expect("no panic").expect("a calm end");
        outcome
    }
}

impl Outcome {
    fn note(&mut self, plan: &Plan, answer: Answer) {
        match answer.result {
            Ok(response) => {
                plan.check(answer.key, &response);
                self.answered += 1;
            }
            Err(Lost::NotSent) => self.not_sent.push(answer.key),
            Err(Lost::Unknown) => self.unknown.push(answer.key),
        }
    }
}
