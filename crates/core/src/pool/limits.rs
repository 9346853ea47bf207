//! What a pool may do, by channel.

use std::time::Duration;

use fanfare_types::Channel;

use crate::{breaker, ramp, token};

#[derive(Clone, Debug)]
pub struct Limits {
    /// Most connections at once; as many again may be finishing their last answers.
    pub connections_max: usize,
    /// Deliveries in one message. Default 64.
    pub batch_max: usize,
    /// Urgent deliveries that go before one of bulk goes, when both wait. Default 8.
    pub urgent_weight: u32,
    /// Streams reckoned with on a connection that has not told yet. Default 100.
    pub streams_expected: u32,
    /// How it comes back when connections come to nothing.
    pub recovery: Recovery,
    /// A connection whose provider allows no stream for this long is replaced when work waits. Default 1 min.
    pub shut_after: Duration,
    /// A connection without work for this long is closed; `None` keeps it. Default: APNs none (it wants
    /// connections kept), FCM 2 min (it ends them itself soon after).
    pub idle_after: Option<Duration>,
    /// A connection shows no new provider token within this time after the last new one; it is replaced
    /// instead. Default: APNs 20 min (`TooManyProviderTokenUpdates`), FCM none.
    pub token_spacing: Option<Duration>,
    /// Pushes a second; `None` for no limit.
    pub rate_max: Option<u32>,
    /// How often expired deliveries are looked for. Default 1 s.
    pub sweep_every: Duration,
    /// How often cancelled ones are. Default 5 s.
    pub sweep_thoroughly_every: Duration,
    /// After a cancellation all that waits is walked at once, but no more often than this. Default 100 ms.
    pub sweep_cancelled_every: Duration,
    pub breaker: breaker::Limits,
    pub token: token::Limits,
}

/// How a pool comes back to a provider that was away, or had enough.
#[derive(Clone, Debug)]
pub struct Recovery {
    /// Wait after a connection that came to nothing; doubles up to `reconnect_max`, with jitter over its upper half.
    /// Meanwhile one connection is tried at a time. Default 100 ms.
    pub reconnect_min: Duration,
    /// Default 30 s.
    pub reconnect_max: Duration,
    /// Wait before another connection when the provider asked for calm; doubles up to `reconnect_max`, too.
    /// Default 5 s.
    pub calm: Duration,
    pub ramp: ramp::Limits,
}

impl Default for Recovery {
    fn default() -> Self {
        Recovery {
            reconnect_min: Duration::from_millis(100),
            reconnect_max: Duration::from_secs(30),
            calm: Duration::from_secs(5),
            ramp: ramp::Limits::default(),
        }
    }
}

impl Limits {
    /// The defaults for a channel.
    pub fn for_channel(channel: Channel, connections_max: usize, rate_max: Option<u32>) -> Self {
        let is_apns = channel == Channel::IosPush;
        Limits {
            connections_max,
            batch_max: 64,
            urgent_weight: 8,
            streams_expected: 100,
            recovery: Recovery::default(),
            shut_after: Duration::from_secs(60),
            idle_after: (!is_apns).then_some(Duration::from_secs(120)),
            token_spacing: is_apns.then_some(Duration::from_secs(20 * 60)),
            rate_max,
            sweep_every: Duration::from_secs(1),
            sweep_thoroughly_every: Duration::from_secs(5),
            sweep_cancelled_every: Duration::from_millis(100),
            breaker: breaker::Limits::default(),
            token: token::Limits::default(),
        }
    }
}
