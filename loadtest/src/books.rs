//! The gateway's account of what became of its pushes, against that of the providers who had them.

use std::collections::BTreeMap;
use std::time::Duration;

use fanfare_simulator::books::{ProviderTotals, Totals};

use crate::provider::both;
use crate::report::{Figure, Row};
use crate::world::{App, World};

/// Longest wait for the last counters to be written.
const PATIENCE: Duration = Duration::from_secs(5);

/// Ended deliveries by outcome.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcomes(BTreeMap<String, u64>);

impl Outcomes {
    /// From `GET /metrics`: of one app and channel.
    fn read(metrics: &str, app: &str, channel: &str) -> Self {
        let mut outcomes = BTreeMap::new();
        for line in metrics.lines() {
            let Some((labels, value)) = line
                .strip_prefix("fanfare_deliveries_ended_total{")
                .and_then(|rest| rest.rsplit_once("} "))
            else {
                continue;
            };
            let label = |name: &str| {
                let rest = labels.split(',').find_map(|label| label.strip_prefix(name));
                rest.map(|rest| rest.trim_matches(['=', '"']).to_owned())
            };
            let is_ours = label("app").as_deref() == Some(app)
                && label("channel").as_deref() == Some(channel);
            if let (true, Some(outcome), Ok(count)) = (is_ours, label("outcome"), value.parse()) {
                outcomes.insert(outcome, count);
            }
        }
        Outcomes(outcomes)
    }

    fn of(&self, outcome: &str) -> u64 {
        self.0.get(outcome).copied().unwrap_or(0)
    }

    /// What differs from one provider's totals.
    fn faults(&self, who: &str, totals: &ProviderTotals) -> Vec<String> {
        let gone = totals.answered(410, None) + totals.answered(404, Some("UNREGISTERED"));
        let mut faults = Vec::new();
        for (what, ours, theirs) in [
            ("delivered", self.of("delivered"), totals.accepted),
            ("dead", self.of("dead"), gone),
            ("sent twice", totals.duplicates, 0),
            (
                "connections closed for a broken limit",
                totals.connections.violations,
                0,
            ),
        ] {
            if ours != theirs {
                faults.push(format!(
                    "{who}: {what}: {ours} by the gateway's books, {theirs} by the provider's"
                ));
            }
        }
        faults
    }
}

/// What a check has found.
pub(crate) struct Checked {
    /// Empty when the books agree.
    pub(crate) faults: Vec<String>,
    /// What both say, a row an app.
    pub(crate) rows: Vec<Row>,
}

/// Checks these apps once the gateway holds nothing any more.
pub(crate) async fn check(world: &World, apps: &[&App]) -> anyhow::Result<Checked> {
    world.is_idle().await?;
    let start = tokio::time::Instant::now();
    loop {
        let metrics = world.metrics().await?;
        let mut checked = Checked {
            faults: Vec::new(),
            rows: Vec::new(),
        };
        for app in apps {
            let totals = app.providers.control.totals().await?;
            let sides = [
                ("apns", "ios_push", &totals.apns),
                ("fcm", "fcm", &totals.fcm),
            ];
            for (provider, channel, side) in sides {
                let outcomes =
                    Outcomes::read(&metrics, &app.name, channel).since(&app.before(channel));
                let who = format!("{} on {provider}", app.name);
                checked.faults.extend(outcomes.faults(&who, side));
            }
            checked.rows.push(row(app, &metrics, &totals));
        }
        if checked.faults.is_empty() || start.elapsed() >= PATIENCE {
            return Ok(checked);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

impl Outcomes {
    fn since(mut self, before: &Outcomes) -> Self {
        for (outcome, count) in &mut self.0 {
            *count -= before.of(outcome).min(*count);
        }
        self
    }

    /// Of each channel, now.
    pub(crate) fn now(metrics: &str, app: &str) -> BTreeMap<&'static str, Outcomes> {
        let channels = ["ios_push", "fcm"].into_iter();
        channels
            .map(|channel| (channel, Outcomes::read(metrics, app, channel)))
            .collect()
    }
}

fn row(app: &App, metrics: &str, totals: &Totals) -> Row {
    let now = Outcomes::now(metrics, &app.name);
    let ours = |outcome: &str| {
        let all = now.iter().map(|(channel, now)| {
            now.of(outcome) - app.before(channel).of(outcome).min(now.of(outcome))
        });
        all.sum::<u64>() as f64
    };
    Row::new(
        format!("books of {}", app.name),
        vec![
            Figure::new("delivered", ours("delivered")),
            Figure::new(
                "accepted by providers",
                both(totals, |side| side.accepted) as f64,
            ),
            Figure::new("dead", ours("dead")),
            Figure::new(
                "expired or failed",
                ours("expired") + ours("failed") + ours("rejected"),
            ),
            Figure::new("cancelled", ours("cancelled")),
        ],
    )
}

#[cfg(test)]
mod tests {
    use fanfare_simulator::books::AnswerTotal;

    use super::*;

    const METRICS: &str = "# TYPE fanfare_deliveries_ended counter\n\
        fanfare_deliveries_ended_total{app=\"shop\",channel=\"ios_push\",outcome=\"delivered\"} 90\n\
        fanfare_deliveries_ended_total{app=\"shop\",channel=\"ios_push\",outcome=\"dead\"} 10\n\
        fanfare_deliveries_ended_total{app=\"other\",channel=\"ios_push\",outcome=\"delivered\"} 7\n\
        fanfare_deliveries_ended_total{app=\"shop\",channel=\"fcm\",outcome=\"delivered\"} 3\n# EOF\n";

    fn totals(accepted: u64, gone: u64) -> ProviderTotals {
        let answer = |status, reason: &str, count| AnswerTotal {
            status,
            reason: reason.to_owned(),
            count,
        };
        ProviderTotals {
            accepted,
            answers: vec![answer(200, "", accepted), answer(410, "Unregistered", gone)],
            ..ProviderTotals::default()
        }
    }

    #[test]
    fn books_agree_only_when_every_count_does() {
        let outcomes = Outcomes::read(METRICS, "shop", "ios_push");
        assert_eq!(
            outcomes.faults("shop", &totals(90, 10)),
            Vec::<String>::new()
        );
        assert_eq!(outcomes.faults("shop", &totals(91, 10)).len(), 1);
        assert_eq!(outcomes.faults("shop", &totals(91, 9)).len(), 2);
        let twice = ProviderTotals {
            duplicates: 1,
            ..totals(90, 10)
        };
        assert_eq!(outcomes.faults("shop", &twice).len(), 1);
    }

    #[test]
    fn what_ended_before_does_not_count() {
        let outcomes = Outcomes::read(METRICS, "shop", "ios_push");
        let later = Outcomes::read(&METRICS.replace(" 90", " 100"), "shop", "ios_push");
        let since = later.since(&outcomes);
        assert_eq!((since.of("delivered"), since.of("dead")), (10, 0));
    }
}
