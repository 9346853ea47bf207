//! A campaign in words: what the API says of it, or an event of it.

use std::fmt;

use fanfare_types::{CampaignState, Timestamp};
use serde_json::Value;

/// The members that people look at. Absent ones are empty, so that it is read from whole campaigns and from events.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::commands) struct View {
    pub(in crate::commands) id: String,
    pub(super) name: String,
    pub(super) state: String,
    pub(super) reason: Option<String>,
    pub(super) rate: Option<u64>,
    pub(in crate::commands) counts: Counts,
    pub(super) rate_now: f64,
    pub(super) eta: Option<Timestamp>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::commands) struct Counts {
    pub(in crate::commands) total: u64,
    pub(super) estimated: bool,
    pub(super) waiting: u64,
    pub(super) in_flight: u64,
    /// Outcomes in the order of the API.
    pub(in crate::commands) outcomes: Vec<(String, u64)>,
}

const OUTCOMES: [&str; 6] = [
    "delivered",
    "rejected",
    "dead",
    "expired",
    "cancelled",
    "failed",
];

impl View {
    pub(in crate::commands) fn of(campaign: &Value) -> Self {
        let text = |name: &str| campaign[name].as_str().unwrap_or_default().to_owned();
        let instant = |name: &str| Timestamp::parse_rfc3339(campaign[name].as_str()?).ok();
        View {
            id: text("id"),
            name: text("name"),
            state: text("state"),
            reason: campaign["reason"].as_str().map(str::to_owned),
            rate: campaign["rate"].as_u64(),
            counts: Counts::of(&campaign["counts"]),
            rate_now: campaign["rate_now"].as_f64().unwrap_or(0.0),
            eta: instant("eta"),
        }
    }

    /// Whether nothing changes about it any more.
    pub(in crate::commands) fn is_final(&self) -> bool {
        CampaignState::parse(&self.state).is_some_and(CampaignState::is_final)
    }

    pub(in crate::commands) fn is_completed(&self) -> bool {
        self.state == CampaignState::Completed.as_str()
    }

    /// `running: 79,790 of 200,000, 4998/s, 25 s left; delivered 79,000, dead 790`
    pub(super) fn line(&self, now: Timestamp) -> String {
        let counts = &self.counts;
        let about = if counts.estimated { "about " } else { "" };
        let (ended, total) = (grouped(counts.ended()), grouped(counts.total));
        let mut line = format!("{}: {ended} of {about}{total}", self.state);
        if self.rate_now > 0.0 {
            line.push_str(&format!(", {:.0}/s", self.rate_now));
        }
        if let Some(eta) = self.eta {
            line.push_str(&format!(", {} left", duration(eta.since(now).as_secs())));
        }
        let outcomes = counts.in_words();
        if !outcomes.is_empty() {
            line.push_str("; ");
            line.push_str(&outcomes);
        }
        if let Some(reason) = &self.reason {
            line.push_str(&format!(" ({reason})"));
        }
        line
    }
}

impl Counts {
    fn of(counts: &Value) -> Self {
        let count = |name: &str| counts[name].as_u64().unwrap_or(0);
        let outcomes = OUTCOMES
            .iter()
            .map(|name| ((*name).to_owned(), count(name)));
        Counts {
            total: count("total"),
            estimated: counts["estimated"].as_bool().unwrap_or(false),
            waiting: count("waiting"),
            in_flight: count("in_flight"),
            outcomes: outcomes.collect(),
        }
    }

    pub(in crate::commands) fn ended(&self) -> u64 {
        self.outcomes.iter().map(|(_, count)| count).sum()
    }

    pub(in crate::commands) fn outcome(&self, wanted: &str) -> u64 {
        let of = |(name, count): &(String, u64)| (name == wanted).then_some(*count);
        self.outcomes.iter().find_map(of).unwrap_or(0)
    }

    /// What must hold at every moment.
    pub(in crate::commands) fn add_up(&self) -> bool {
        self.total == self.waiting + self.in_flight + self.ended()
    }

    /// Outcomes that happened: `delivered 79,000, dead 790`.
    fn in_words(&self) -> String {
        let happened = self.outcomes.iter().filter(|(_, count)| *count > 0);
        let words = happened.map(|(name, count)| format!("{name} {}", grouped(*count)));
        words.collect::<Vec<_>>().join(", ")
    }
}

impl fmt::Display for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = &self.counts;
        let about = if counts.estimated { "about " } else { "" };
        write!(f, "campaign {} ({}): {}", self.id, self.name, self.state)?;
        if let Some(reason) = &self.reason {
            write!(f, ", {reason}")?;
        }
        write!(f, "\n  {:<10} {about}{}", "total", grouped(counts.total))?;
        let standing = [("waiting", counts.waiting), ("in_flight", counts.in_flight)];
        let outcomes = counts.outcomes.iter();
        let all = standing.into_iter();
        let all = all.chain(outcomes.map(|(name, count)| (name.as_str(), *count)));
        for (name, count) in all.filter(|(_, count)| *count > 0) {
            write!(f, "\n  {name:<10} {}", grouped(count))?;
        }
        let limit = match self.rate {
            Some(rate) => format!("at most {rate}/s"),
            None => "as fast as may be".to_owned(),
        };
        write!(f, "\n  {:<10} {:.0}/s now, {limit}", "rate", self.rate_now)?;
        if let Some(eta) = self.eta {
            write!(f, "\n  {:<10} {}", "eta", eta.to_rfc3339())?;
        }
        Ok(())
    }
}

/// `1,234,567`
pub(in crate::commands) fn grouped(number: u64) -> String {
    indicatif::HumanCount(number).to_string()
}

/// `45 s`, `3 min 20 s`, `5 h 12 min`
fn duration(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn campaign() -> Value {
        json!({
            "id": "0190c42f-0d6a-8000-8000-0123456789ab", "name": "spring", "state": "running", "rate": 5000, "reason": null,
            "counts": {"total": 200_000, "estimated": false, "waiting": 120_000, "in_flight": 210, "delivered": 79_000,
                "rejected": 0, "dead": 790, "expired": 0, "cancelled": 0, "failed": 0},
            "rate_now": 4998.2, "eta": "2026-01-31T08:01:00.000Z",
        })
    }

    #[test]
    fn a_line_of_progress() {
        let now = Timestamp::parse_rfc3339("2026-01-31T08:00:35.000Z").unwrap();
        let mut view = View::of(&campaign());
        assert!(view.counts.add_up() && !view.is_final());
        assert_eq!(
            view.line(now),
            "running: 79,790 of 200,000, 4998/s, 25 s left; delivered 79,000, dead 790"
        );
        view.counts.estimated = true;
        view.eta = Some(Timestamp(now.0 + 3_725_000));
        assert!(
            view.line(now)
                .starts_with("running: 79,790 of about 200,000, 4998/s, 1 h 2 min left")
        );
    }

    #[test]
    fn the_end_says_why() {
        let failed = json!({"state": "failed", "reason": "empty_audience", "counts": {"total": 0}});
        let view = View::of(&failed);
        assert!(view.is_final() && !view.is_completed());
        assert_eq!(view.line(Timestamp(0)), "failed: 0 of 0 (empty_audience)");
    }

    #[test]
    fn a_whole_campaign_in_words() {
        assert_eq!(
            View::of(&campaign()).to_string(),
            "campaign 0190c42f-0d6a-8000-8000-0123456789ab (spring): running\n  total      200,000\n  \
             waiting    120,000\n  in_flight  210\n  delivered  79,000\n  dead       790\n  \
             rate       4998/s now, at most 5000/s\n  eta        2026-01-31T08:01:00.000Z"
        );
    }
}
