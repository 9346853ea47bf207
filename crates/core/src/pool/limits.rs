//! What a pool may do, by channel.

use std::time::Duration;

use fanfare_types::Channel;

use crate::{breaker, token};

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
    /// Wait after a connection that came to nothing; doubles up to `connect_delay_max`. Default 100 ms.
    pub connect_delay_min: Duration,
    /// Default 30 s.
    pub connect_delay_max: Duration,
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

impl Limits {
    /// The defaults for a channel.
    pub fn for_channel(channel: Channel, connections_max: usize, rate_max: Option<u32>) -> Self {
        let is_apns = channel == Channel::IosPush;
        Limits {
            connections_max,
            batch_max: 64,
            urgent_weight: 8,
            streams_expected: 100,
            connect_delay_min: Duration::from_millis(100),
            connect_delay_max: Duration::from_secs(30),
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
