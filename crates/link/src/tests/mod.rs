//! The link against a scripted peer over a pipe, on each engine. Each test ends with [`Link::end`], which checks that
//! every key handed over was answered exactly once.

/// Runs functions of a configuration as tests, once on each engine.
macro_rules! on_each_engine {
    ($(#[$test:meta] $($name:ident)+;)+) => {$($(
        mod $name {
            use crate::{Config, Engine};

            #[$test]
            async fn h2() {
                let engine = Engine::H2;
                super::$name(Config { engine, ..Config::default() }).await;
            }

            #[$test]
            async fn lean() {
                let engine = Engine::Lean;
                super::$name(Config { engine, ..Config::default() }).await;
            }
        }
    )+)+};
}

mod answers;
mod choppy;
mod dialling;
mod differential;
mod ending;
mod limits;
mod peer;
mod resolving;
mod silence;

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use fanfare_types::Head;
use http::uri::{Authority, PathAndQuery};
use http::{HeaderName, HeaderValue};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::{Answer, Config, Event, Io, Lost, Request, Response, Result, Sender, connect};
use peer::Peer;

/// Longest wait for anything that must come; in paused time it passes at once.
const PATIENCE: Duration = Duration::from_secs(120);

/// A running link, and what it has told so far.
struct Link {
    sender: Option<Sender>,
    run: JoinHandle<Result<()>>,
    events: mpsc::Receiver<Event>,
    sent: Vec<u32>,
    answers: Vec<Answer>,
    limits: Vec<u32>,
    going_away: Vec<String>,
    /// The last GOAWAY asked for calm.
    calm: bool,
    /// How often the peer was said to be silent, each time with the answers told before.
    silent: Vec<usize>,
}

/// How it went.
struct Ended {
    result: Result<()>,
    answers: HashMap<u32, Result<Response, Lost>>,
    limits: Vec<u32>,
    going_away: Vec<String>,
    calm: bool,
    silent: Vec<usize>,
}

impl Link {
    /// A link with a scripted peer that has sent SETTINGS with this many streams.
    async fn with_peer(config: &Config, streams: u32) -> (Link, Peer) {
        let (ours, theirs) = tokio::io::duplex(1024 * 1024);
        let mut link = Link::over(ours, config).await;
        let peer = Peer::start(theirs, streams).await;
        let expected = streams.min(config.streams_max);
        link.limit(expected).await;
        (link, peer)
    }

    async fn over(io: impl Io + 'static, config: &Config) -> Link {
        let (sender, driver) = connect::open(io, config).await.unwrap();
        let (told, events) = mpsc::channel(100_000);
        let run = tokio::spawn(driver.run(move |event| told.try_send(event).unwrap()));
        Link {
            sender: Some(sender),
            run,
            events,
            sent: Vec::new(),
            answers: Vec::new(),
            limits: Vec::new(),
            going_away: Vec::new(),
            calm: false,
            silent: Vec::new(),
        }
    }

    fn send(&mut self, keys: impl IntoIterator<Item = u32>) {
        let batch: Vec<_> = keys.into_iter().map(|key| request(key, 100)).collect();
        self.sent.extend(batch.iter().map(|request| request.key));
        self.sender.as_ref().unwrap().send(batch).unwrap();
    }

    fn refused(&self) -> bool {
        match self.sender.as_ref().unwrap().send(vec![request(999, 1)]) {
            Ok(()) => false,
            Err(batch) => batch.len() == 1,
        }
    }

    async fn event(&mut self) {
        let event = timeout(PATIENCE, self.events.recv()).await;
        match event
            .expect("an event in time")
            .expect("an event before the end")
        {
            Event::Streams(limit) => self.limits.push(limit),
            Event::Answers(answers) => self.answers.extend(answers),
            Event::GoingAway { reason, calm } => {
                self.going_away.push(reason);
                self.calm = calm;
            }
            Event::Silent => self.silent.push(self.answers.len()),
        }
    }

    async fn answers(&mut self, count: usize) {
        while self.answers.len() < count {
            self.event().await;
        }
        assert_eq!(self.answers.len(), count);
    }

    async fn limit(&mut self, limit: u32) {
        while self.limits.last() != Some(&limit) {
            self.event().await;
        }
    }

    async fn goaway(&mut self) {
        while self.going_away.is_empty() {
            self.event().await;
        }
    }

    fn close(&self) {
        self.sender.as_ref().unwrap().close();
    }

    async fn end(mut self) -> Ended {
        let result = timeout(PATIENCE, &mut self.run)
            .await
            .expect("an end in time")
            .expect("no panic");
        if let Some(sender) = &self.sender {
            assert!(
                sender.send(vec![request(0, 1)]).is_err(),
                "takes requests after its end"
            );
        }
        self.events.close();
        while !self.events.is_empty() {
            self.event().await;
        }
        let count = self.answers.len();
        let answers: HashMap<_, _> = self
            .answers
            .into_iter()
            .map(|answer| (answer.key, answer.result))
            .collect();
        assert_eq!(answers.len(), count, "a key was answered twice");
        let mut answered: Vec<_> = answers.keys().copied().collect();
        answered.sort_unstable();
        self.sent.sort_unstable();
        assert_eq!(answered, self.sent, "answered and sent");
        Ended {
            result,
            answers,
            limits: self.limits,
            going_away: self.going_away,
            calm: self.calm,
            silent: self.silent,
        }
    }
}

impl Ended {
    fn status(&self, key: u32) -> u16 {
        self.answers[&key].as_ref().unwrap().status.as_u16()
    }

    fn lost(&self, key: u32) -> Lost {
        *self.answers[&key].as_ref().unwrap_err()
    }

    fn label(&self) -> &'static str {
        self.result
            .as_ref()
            .map_or_else(|error| error.label(), |()| "ok")
    }
}

fn request(key: u32, body: usize) -> Request {
    let topic = HeaderName::from_static("apns-topic");
    let head = Head::new(
        Authority::from_static("push.test"),
        PathAndQuery::from_static("/3/device/"),
        vec![(topic, HeaderValue::from_static("org.example.app"))],
        None,
    );
    Request {
        key,
        request: fanfare_types::Request {
            head: head.into(),
            rest: key.to_string().into(),
            own: None,
            body: Bytes::from(vec![b'x'; body]),
        },
    }
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}
