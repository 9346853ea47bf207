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

    /// `running: 79,790 of 200,000, 4,998/s, 25 s left; delivered 79,000, dead 790`
    pub(super) fn line(&self, now: Timestamp) -> String {
        let mut line = self.progress(now).join(", ");
        let outcomes = self.counts.in_words();
        if !outcomes.is_empty() {
            line.push_str("; ");
            line.push_str(&outcomes.join(", "));
        }
        if let Some(reason) = &self.reason {
            line.push_str(&format!(" ({reason})"));
        }
        line
    }

    /// The same for a terminal so many columns wide: no line is longer, and none breaks within a figure.
    pub(super) fn lines(&self, now: Timestamp, columns: usize) -> String {
        let all = [self.progress(now), self.counts.in_words()];
        let all = all.iter().filter(|parts| !parts.is_empty());
        let lines: Vec<_> = all.map(|parts| wrapped(parts, columns)).collect();
        lines.join("\n")
    }

    /// How far it is, how fast, and for how long.
    fn progress(&self, now: Timestamp) -> Vec<String> {
        let counts = &self.counts;
        let about = if counts.estimated { "about " } else { "" };
        let (ended, total) = (grouped(counts.ended()), grouped(counts.total));
        let mut parts = vec![format!("{}: {ended} of {about}{total}", self.state)];
        if self.rate_now > 0.0 {
            parts.push(format!("{}/s", rounded(self.rate_now)));
        }
        if let Some(eta) = self.eta {
            parts.push(format!("{} left", duration(eta.since(now).as_secs())));
        }
        parts
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

    /// Outcomes that happened: `delivered 79,000`, `dead 790`.
    fn in_words(&self) -> Vec<String> {
        let happened = self.outcomes.iter().filter(|(_, count)| *count > 0);
        let words = happened.map(|(name, count)| format!("{name} {}", grouped(*count)));
        words.collect()
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
            Some(rate) => format!("at most {}/s", grouped(rate)),
            None => "as fast as may be".to_owned(),
        };
        let now = rounded(self.rate_now);
        write!(f, "\n  {:<10} {now}/s now, {limit}", "rate")?;
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

/// `4,998`; of slow ones a digit more.
fn rounded(rate: f64) -> String {
    match rate {
        rate if rate > 0.0 && rate < 10.0 => format!("{rate:.1}"),
        rate => indicatif::HumanFloatCount(rate.round()).to_string(),
    }
}

/// Parts with commas between them, as many in a line as fit.
fn wrapped(parts: &[String], columns: usize) -> String {
    let (mut text, mut column) = (String::new(), 0);
    for (n, part) in parts.iter().enumerate() {
        let comma = if n + 1 < parts.len() { "," } else { "" };
        let length = part.len() + comma.len();
        if column > 0 && column + 1 + length > columns {
            text.push('\n');
            column = 0;
        } else if column > 0 {
            text.push(' ');
            column += 1;
        }
        text.push_str(part);
        text.push_str(comma);
        column += length;
    }
    text
}

/// `45 s`, `3 min 20 s`, `5 h 12 min`
fn duration(seconds: u64) -> String {
    match seconds {
        0 => "less than 1 s".to_owned(),
        1..60 => format!("{seconds} s"),
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
            "running: 79,790 of 200,000, 4,998/s, 25 s left; delivered 79,000, dead 790"
        );
        view.counts.estimated = true;
        view.eta = Some(Timestamp(now.0 + 3_725_000));
        assert!(
            view.line(now)
                .starts_with("running: 79,790 of about 200,000, 4,998/s, 1 h 2 min left")
        );
    }

    #[test]
    fn a_narrow_terminal_breaks_no_figure() {
        let now = Timestamp::parse_rfc3339("2026-01-31T08:00:35.000Z").unwrap();
        let view = View::of(&campaign());
        assert_eq!(
            view.lines(now, 80),
            "running: 79,790 of 200,000, 4,998/s, 25 s left\ndelivered 79,000, dead 790"
        );
        assert_eq!(
            view.lines(now, 40),
            "running: 79,790 of 200,000, 4,998/s,\n25 s left\ndelivered 79,000, dead 790"
        );
        for columns in [40, 60] {
            let lines = view.lines(now, columns);
            assert!(lines.lines().all(|line| line.len() <= columns), "{lines}");
        }
    }

    #[test]
    fn rates_are_round() {
        let rates = [0.0, 0.25, 9.0, 4_998.2, 1_234_567.0].map(rounded);
        assert_eq!(rates, ["0", "0.2", "9.0", "4,998", "1,234,567"]);
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
             rate       4,998/s now, at most 5,000/s\n  eta        2026-01-31T08:01:00.000Z"
        );
    }
}
