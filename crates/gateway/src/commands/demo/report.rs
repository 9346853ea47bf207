//! What the demo tells in the end.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::campaign::Campaign;

#[derive(Debug, Default)]
pub(super) struct Report {
    /// Registrations, and how long they took.
    registered: (usize, Duration),
    /// Deliveries by channel and outcome.
    outcomes: BTreeMap<(String, String), u64>,
    pub(super) attempts: u64,
    retried: u64,
    /// From acceptance to the provider's answer, of every delivery.
    latencies: Vec<Duration>,
    pub(super) cleaned: u64,
    /// From the first call of the big sending to its last outcome.
    sending: Duration,
    /// The gateway's CPU time during it.
    cpu: Duration,
    pub(super) disagreements: Vec<String>,
    pub(super) campaign: Option<Campaign>,
}

impl Report {
    pub(super) fn new(registered: (usize, Duration), sending: Duration, cpu: Duration) -> Self {
        Report {
            registered,
            sending,
            cpu,
            ..Report::default()
        }
    }

    pub(super) fn count(&mut self, channel: &str, outcome: &str, attempts: u64, took: Duration) {
        *self
            .outcomes
            .entry((channel.to_owned(), outcome.to_owned()))
            .or_default() += 1;
        self.attempts += attempts;
        self.retried += u64::from(attempts > 1);
        self.latencies.push(took);
    }

    pub(super) fn outcome(&self, wanted: &str) -> u64 {
        self.outcomes
            .iter()
            .filter(|((_, outcome), _)| outcome == wanted)
            .map(|(_, count)| count)
            .sum()
    }

    pub(super) fn deliveries(&self) -> u64 {
        self.outcomes.values().sum()
    }

    fn percentile(&self, share: f64) -> Duration {
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "an index"
        )]
        let index = (sorted.len() as f64 * share).ceil() as usize;
        sorted
            .get(index.saturating_sub(1))
            .copied()
            .unwrap_or_default()
    }

    #[allow(clippy::cast_precision_loss, reason = "figures for people")]
    fn per_second(count: u64, time: Duration) -> f64 {
        count as f64 / time.as_secs_f64().max(1e-9)
    }

    #[allow(clippy::cast_precision_loss, reason = "figures for people")]
    fn cpu_per_push(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / (self.deliveries().max(1) as f64)
    }

    pub(super) fn print(&self, as_json: bool) -> anyhow::Result<()> {
        if as_json {
            println!("{}", self.json());
        } else {
            self.table();
        }
        Ok(())
    }

    pub(super) fn books_agree(&self) -> bool {
        self.all_disagreements().next().is_none()
    }

    fn all_disagreements(&self) -> impl Iterator<Item = &String> {
        let campaign = self.campaign.iter();
        let campaign = campaign.flat_map(|campaign| &campaign.disagreements);
        self.disagreements.iter().chain(campaign)
    }

    fn json(&self) -> Value {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        json!({
            "registrations": self.registered.0,
            "registrations_per_second": Self::per_second(self.registered.0 as u64, self.registered.1),
            "accepted": self.deliveries(),
            "delivered": self.outcome("delivered"),
            "dead": self.outcome("dead"),
            "cleaned": self.cleaned,
            "retried": self.retried,
            "latency_ms": { "p50": millis(self.percentile(0.5)), "p99": millis(self.percentile(0.99)) },
            "pushes_per_second": Self::per_second(self.deliveries(), self.sending),
            "cpu_us_per_push": self.cpu_per_push(),
            "campaign": self.campaign.as_ref().map(Campaign::json),
            "disagreements": self.all_disagreements().collect::<Vec<_>>(),
        })
    }

    fn table(&self) {
        let (registrations, took) = self.registered;
        let rate = Self::per_second(registrations as u64, took);
        println!(
            "\nregistrations   {registrations} in {:.1} s, {rate:.0}/s, each durable",
            took.as_secs_f64()
        );
        println!("accepted        {}", self.deliveries());
        for ((channel, outcome), count) in &self.outcomes {
            println!("  {channel:<10}    {outcome} {count}");
        }
        println!(
            "dead, cleaned   {} of {}",
            self.cleaned,
            self.outcome("dead")
        );
        println!("retried         {}", self.retried);
        let millis = |share| self.percentile(share).as_millis();
        println!(
            "API to answer   p50 {} ms, p99 {} ms (of all, sent at once)",
            millis(0.5),
            millis(0.99)
        );
        println!(
            "pushes          {:.0}/s",
            Self::per_second(self.deliveries(), self.sending)
        );
        println!("gateway CPU     {:.1} µs a push", self.cpu_per_push());
        self.campaign.iter().for_each(Campaign::table);
        if self.books_agree() {
            println!("books           the simulators' agree with the gateway's to the last push");
        }
        for disagreement in self.all_disagreements() {
            println!("books DISAGREE  {disagreement}");
        }
    }
}

impl Campaign {
    fn per_second(&self) -> f64 {
        Report::per_second(self.view.counts.ended(), self.took)
    }

    #[allow(clippy::cast_precision_loss, reason = "figures for people")]
    fn cpu_per_push(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / (self.view.counts.ended().max(1) as f64)
    }

    fn json(&self) -> Value {
        let outcomes = self.view.counts.outcomes.iter();
        let outcomes = outcomes.map(|(name, count)| (name.clone(), Value::from(*count)));
        json!({
            "total": self.view.counts.total,
            "outcomes": outcomes.collect::<serde_json::Map<_, _>>(),
            "pushes_per_second": self.per_second(),
            "cpu_us_per_push": self.cpu_per_push(),
        })
    }

    fn table(&self) {
        println!(
            "campaign        {} devices in {:.1} s, {:.0}/s, gateway CPU {:.1} µs a push",
            self.view.counts.total,
            self.took.as_secs_f64(),
            self.per_second(),
            self.cpu_per_push()
        );
        let happened = self.view.counts.outcomes.iter();
        for (outcome, count) in happened.filter(|(_, count)| *count > 0) {
            println!("  campaign      {outcome} {count}");
        }
    }
}
