//! The states of a campaign.
//!
//! ```text
//! draft ──▶ scheduled ──▶ running ⇄ paused ──▶ completed | cancelled | failed
//!   └───────────────────────▲
//! ```
//!
//! A transition is the next [`Standing`], to be written if nobody wrote another one meanwhile; what is the case
//! already needs no write, so that asking twice does no harm.

use std::time::Duration;

use fanfare_types::{CampaignState, Reason, Standing, Timestamp, Turn};

/// What a caller may ask of a campaign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    Start,
    Pause,
    Resume,
    Cancel,
    /// Pushes a second from now on; `None` for as fast as may be.
    Rate(Option<u32>),
}

/// Why a campaign cannot do what was asked. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Impossible {
    #[error("not possible from {from}")]
    State { from: CampaignState },
    /// The upload has not come to its end, or none began.
    #[error("the recipients are not completely uploaded")]
    UploadIncomplete,
    #[error("nobody is in the audience")]
    EmptyAudience,
    /// The app has as many unfinished campaigns as it may.
    #[error("too many unfinished campaigns")]
    TooMany,
}

impl Impossible {
    /// Stable word for problem documents, and the reason of a scheduled campaign that failed for it.
    pub fn label(self) -> &'static str {
        match self {
            Impossible::State { .. } => "impossible_in_state",
            Impossible::UploadIncomplete => "upload_incomplete",
            Impossible::EmptyAudience => "empty_audience",
            Impossible::TooMany => "too_many_campaigns",
        }
    }
}

/// What is known of a campaign's audience when it is to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// An upload that has not come to its end.
    pub upload_incomplete: bool,
    /// There is surely nobody in it.
    pub is_empty: bool,
    /// How long its pushes are of use, from the start.
    pub ttl: Duration,
}

impl Known {
    /// For what does not start it: nothing was looked at.
    pub fn of_any(ttl: Duration) -> Self {
        Known {
            upload_incomplete: false,
            is_empty: false,
            ttl,
        }
    }
}

/// A new campaign: a draft, or scheduled.
pub fn draft(rate: Option<u32>, start_at: Option<Timestamp>, now: Timestamp) -> Standing {
    let state = match start_at {
        Some(_) => CampaignState::Scheduled,
        None => CampaignState::Draft,
    };
    Standing {
        revision: 1,
        state,
        rate,
        start_at,
        started_at: None,
        expires_at: None,
        finished_at: None,
        reason: None,
        history: vec![Turn {
            revision: 1,
            state,
            at: now,
        }],
    }
}

/// What follows a command: the standing to write, or `None` when it is so already.
pub fn steer(
    command: Command,
    standing: &Standing,
    known: Known,
    now: Timestamp,
) -> Result<Option<Standing>, Impossible> {
    use CampaignState::{Cancelled, Draft, Paused, Running, Scheduled};
    let from = standing.state;
    match (command, from) {
        (Command::Start, Draft | Scheduled) => begin(standing, known, now).map(Some),
        (Command::Start | Command::Resume, Running)
        | (Command::Pause, Paused)
        | (Command::Cancel, Cancelled) => Ok(None),
        (Command::Pause, Running) => Ok(Some(turned(standing, Paused, now))),
        (Command::Resume, Paused) => Ok(Some(turned(standing, Running, now))),
        (Command::Cancel, Draft | Scheduled | Running | Paused) => {
            Ok(Some(turned(standing, Cancelled, now)))
        }
        (Command::Rate(rate), _) if !from.is_final() => Ok((rate != standing.rate).then(|| {
            let mut next = standing.clone();
            next.revision += 1;
            next.rate = rate;
            next
        })),
        _ => Err(Impossible::State { from }),
    }
}

/// A draft or scheduled campaign begins to run.
pub fn begin(standing: &Standing, known: Known, now: Timestamp) -> Result<Standing, Impossible> {
    if known.upload_incomplete {
        return Err(Impossible::UploadIncomplete);
    }
    if known.is_empty {
        return Err(Impossible::EmptyAudience);
    }
    let mut next = turned(standing, CampaignState::Running, now);
    next.started_at = Some(now);
    next.expires_at = Some(now + known.ttl);
    Ok(next)
}

/// A scheduled campaign whose time has come: it runs, or has failed. `None` when its time has not come.
pub fn due(standing: &Standing, known: Known, now: Timestamp) -> Option<Standing> {
    let is_due = standing.start_at.is_some_and(|at| at <= now);
    if standing.state != CampaignState::Scheduled || !is_due {
        return None;
    }
    Some(begin(standing, known, now).unwrap_or_else(|why| {
        let mut next = turned(standing, CampaignState::Failed, now);
        next.reason = Some(Reason::of(why.label()));
        next
    }))
}

/// Its last delivery has ended. `None` when it is not running (a paused one is completed once it is resumed).
pub fn finish(standing: &Standing, now: Timestamp) -> Option<Standing> {
    (standing.state == CampaignState::Running)
        .then(|| turned(standing, CampaignState::Completed, now))
}

fn turned(standing: &Standing, state: CampaignState, now: Timestamp) -> Standing {
    let mut next = standing.clone();
    next.revision += 1;
    next.state = state;
    if state.is_final() {
        next.finished_at = Some(now);
    }
    if next.history.len() >= Standing::HISTORY_MAX {
        next.history.remove(0);
    }
    next.history.push(Turn {
        revision: next.revision,
        state,
        at: now,
    });
    next
}

#[cfg(test)]
mod tests {
    use super::*;
    use CampaignState::*;

    const NOW: Timestamp = Timestamp(1_000);
    const KNOWN: Known = Known {
        upload_incomplete: false,
        is_empty: false,
        ttl: Duration::from_secs(60),
    };

    fn in_state(state: CampaignState) -> Standing {
        let mut standing = draft(None, None, Timestamp(1));
        standing.state = state;
        standing
    }

    fn to(command: Command, from: CampaignState) -> Result<Option<CampaignState>, Impossible> {
        let next = steer(command, &in_state(from), KNOWN, NOW)?;
        Ok(next.map(|next| {
            assert_eq!(next.revision, 2);
            assert_eq!(next.finished_at.is_some(), next.state.is_final());
            next.state
        }))
    }

    #[test]
    fn every_command_from_every_state() {
        let all = [
            Draft, Scheduled, Running, Paused, Completed, Cancelled, Failed,
        ];
        type Row = [Result<Option<CampaignState>, ()>; 7];
        let table: [(Command, Row); 4] = [
            (
                Command::Start,
                [
                    Ok(Some(Running)),
                    Ok(Some(Running)),
                    Ok(None),
                    Err(()),
                    Err(()),
                    Err(()),
                    Err(()),
                ],
            ),
            (
                Command::Pause,
                [
                    Err(()),
                    Err(()),
                    Ok(Some(Paused)),
                    Ok(None),
                    Err(()),
                    Err(()),
                    Err(()),
                ],
            ),
            (
                Command::Resume,
                [
                    Err(()),
                    Err(()),
                    Ok(None),
                    Ok(Some(Running)),
                    Err(()),
                    Err(()),
                    Err(()),
                ],
            ),
            (
                Command::Cancel,
                [
                    Ok(Some(Cancelled)),
                    Ok(Some(Cancelled)),
                    Ok(Some(Cancelled)),
                    Ok(Some(Cancelled)),
                    Err(()),
                    Ok(None),
                    Err(()),
                ],
            ),
        ];
        for (command, row) in table {
            for (from, expected) in all.into_iter().zip(row) {
                let expected = expected.map_err(|()| Impossible::State { from });
                assert_eq!(to(command, from), expected, "{command:?} from {from}");
            }
        }
    }

    #[test]
    fn a_start_fixes_when_it_expires_and_needs_an_audience() {
        let next = steer(Command::Start, &in_state(Draft), KNOWN, NOW)
            .unwrap()
            .unwrap();
        assert_eq!(next.expires_at, Some(NOW + KNOWN.ttl));
        let resumed = steer(Command::Pause, &next, KNOWN, NOW).unwrap().unwrap();
        let resumed = steer(Command::Resume, &resumed, KNOWN, Timestamp(9_000))
            .unwrap()
            .unwrap();
        assert_eq!(resumed.expires_at, next.expires_at);
        let empty = Known {
            is_empty: true,
            ..KNOWN
        };
        let refused = steer(Command::Start, &in_state(Draft), empty, NOW);
        assert_eq!(refused, Err(Impossible::EmptyAudience));
        let cut_off = Known {
            upload_incomplete: true,
            ..KNOWN
        };
        let refused = steer(Command::Start, &in_state(Draft), cut_off, NOW);
        assert_eq!(refused, Err(Impossible::UploadIncomplete));
    }

    #[test]
    fn a_scheduled_one_starts_when_it_is_due_or_fails() {
        let scheduled = draft(None, Some(NOW), Timestamp(1));
        assert_eq!(due(&scheduled, KNOWN, Timestamp(999)), None);
        assert_eq!(due(&scheduled, KNOWN, NOW).unwrap().state, Running);
        let empty = Known {
            is_empty: true,
            ..KNOWN
        };
        let failed = due(&scheduled, empty, NOW).unwrap();
        assert_eq!(failed.state, Failed);
        assert_eq!(failed.reason.unwrap().as_str(), "empty_audience");
    }

    #[test]
    fn the_rate_changes_in_any_state_but_the_last_ones_and_is_no_turn() {
        let next = steer(Command::Rate(Some(5)), &in_state(Paused), KNOWN, NOW)
            .unwrap()
            .unwrap();
        assert_eq!(
            (next.rate, next.revision, next.history.len()),
            (Some(5), 2, 1)
        );
        assert_eq!(steer(Command::Rate(Some(5)), &next, KNOWN, NOW), Ok(None));
        assert!(steer(Command::Rate(None), &in_state(Failed), KNOWN, NOW).is_err());
    }

    #[test]
    fn the_history_is_bounded() {
        let mut standing = in_state(Running);
        for _ in 0..100 {
            for command in [Command::Pause, Command::Resume] {
                standing = steer(command, &standing, KNOWN, NOW).unwrap().unwrap();
            }
        }
        assert_eq!(standing.history.len(), Standing::HISTORY_MAX);
        assert_eq!(standing.history.last().unwrap().revision, standing.revision);
    }
}
