//! One buffer of endings, as the journal writes it and as the reaper reads it.

use std::collections::HashMap;

use fanfare_core::cleanup;
use fanfare_store::campaigns::ChunkOutcomes;
use fanfare_store::{Ended, OutcomeBatch};
use fanfare_types::{CampaignId, Live, NotificationId, Verdict};

use super::Ending;
use crate::reaper::{Answers, Credential, Suspect};

/// Of notifications, grouped.
pub(super) fn outcomes(endings: &[Ending]) -> Vec<OutcomeBatch> {
    let batches = grouped(endings, |live| live.run.is_none().then_some(()));
    let batch = |(live, (), ended): (&Live, _, _)| OutcomeBatch {
        app: live.app.clone(),
        id: live.id,
        ended,
    };
    batches.into_iter().map(batch).collect()
}

/// Of campaigns, grouped by chunk.
pub(super) fn chunks(endings: &[Ending]) -> Vec<ChunkOutcomes> {
    let batches = grouped(endings, |live| live.run.as_ref().map(|run| run.campaign));
    let batch = |(live, campaign, ended): (&Live, _, _)| ChunkOutcomes {
        app: live.app.clone(),
        campaign,
        chunk: live.id,
        ended,
    };
    batches.into_iter().map(batch).collect()
}

/// Groups those that `of` knows. Endings of one notification or chunk mostly come together.
fn grouped<T>(endings: &[Ending], of: impl Fn(&Live) -> Option<T>) -> Vec<(&Live, T, Vec<Ended>)> {
    let mut groups: Vec<(&Live, T, Vec<Ended>)> = Vec::new();
    let mut places = HashMap::<NotificationId, usize>::new();
    let mut last = None;
    for Ending { finished, .. } in endings {
        let live = &*finished.delivery.live;
        let place = match last {
            Some((id, place)) if id == live.id => place,
            _ => {
                let known = places.get(&live.id).copied();
                let Some(place) = known.or_else(|| {
                    groups.push((live, of(live)?, Vec::new()));
                    places.insert(live.id, groups.len() - 1);
                    Some(groups.len() - 1)
                }) else {
                    continue;
                };
                place
            }
        };
        last = Some((live.id, place));
        groups[place].2.push(Ended {
            ordinal: finished.delivery.ordinal,
            outcome: finished.outcome,
            reason: finished.reason.clone(),
            attempts: finished.delivery.attempts,
            at: finished.at,
        });
    }
    groups
}

/// Chunks of each campaign, and how many ended in them.
pub(super) fn by_campaign(chunks: &[ChunkOutcomes]) -> Vec<(CampaignId, Vec<NotificationId>, u64)> {
    let mut campaigns: Vec<(CampaignId, Vec<NotificationId>, u64)> = Vec::new();
    for ChunkOutcomes {
        campaign,
        chunk,
        ended,
        ..
    } in chunks
    {
        let known = campaigns.iter().position(|(id, ..)| id == campaign);
        let place = known.unwrap_or_else(|| {
            campaigns.push((*campaign, Vec::new(), 0));
            campaigns.len() - 1
        });
        campaigns[place].1.push(*chunk);
        campaigns[place].2 += ended.len() as u64;
    }
    campaigns
}

/// What providers said of addresses, by credential.
pub(super) fn answers(endings: &[Ending]) -> Vec<Answers> {
    let mut all: Vec<Answers> = Vec::new();
    for Ending { finished, verdict } in endings {
        let Some(verdict @ (Verdict::Accepted | Verdict::TokenDead { .. } | Verdict::TokenSuspect)) =
            verdict
        else {
            continue;
        };
        let delivery = &finished.delivery;
        let (app, address) = (&delivery.live.app, &delivery.address);
        let is_its = |answers: &Answers| {
            let of = &answers.credential;
            (of.channel, of.environment) == (address.channel, address.environment) && of.app == *app
        };
        let place = all.iter().position(is_its).unwrap_or_else(|| {
            all.push(Answers::none_of(Credential {
                app: app.clone(),
                channel: address.channel,
                environment: address.environment,
            }));
            all.len() - 1
        });
        let answers = &mut all[place];
        let suspect = |since| Suspect {
            device: delivery.device.clone(),
            address: delivery.address.clone(),
            since,
        };
        match verdict {
            Verdict::TokenSuspect => {
                let since = cleanup::dead_since(None, delivery.registered_at);
                answers.suspects.push(suspect(since));
            }
            Verdict::TokenDead { since } => {
                answers.sound += 1;
                let since = cleanup::dead_since(*since, delivery.registered_at);
                answers.dead.push(suspect(since));
            }
            _ => answers.sound += 1,
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use fanfare_types::message::Variables;
    use fanfare_types::{
        Address, AddressKind, AppId, Budget, Channel, Counts, Delivery, DeviceId, Environment,
        Finished, Hold, Lane, Live, Message, NotificationId, OnUnknown, Options, Outcome, Permits,
        Priority, Progress, Reason, Slot, Timestamp, UserId,
    };

    use super::*;

    const NOW: Timestamp = Timestamp(1_700_000_000_000);

    /// A push to a device that was registered a minute before, handed over now.
    fn delivery() -> Delivery {
        let live = Live {
            id: NotificationId::new(NOW, 1),
            app: AppId::new("shop").unwrap(),
            created_at: NOW,
            options: Options {
                priority: Priority::High,
                collapse_key: None,
                lane: Lane::Urgent,
                on_unknown: OnUnknown::Retry,
                expires_at: NOW + Duration::from_secs(600),
                send_at: None,
            },
            message: Message::default().into(),
            variables: Variables::new().into(),
            progress: Progress::new(1, Counts::default()),
            run: None,
            hold: Hold::new(Slot::of_shard(0)),
        };
        let budgets: Arc<[Arc<Budget>]> = [Budget::new(1)].into();
        Delivery {
            live: Arc::new(live),
            ordinal: 0,
            device: Some((DeviceId::new(NOW, 1), UserId::new("ada").unwrap())),
            address: Address::new(
                Channel::IosPush,
                AddressKind::RegistrationToken,
                Environment::Production,
                "t",
            ),
            locale: None,
            variables: None,
            registered_at: NOW - Duration::from_secs(60),
            routed_at: NOW,
            attempts: 1,
            auth_refreshes: 0,
            permit: Permits::try_take(&budgets, 1).unwrap().split().unwrap(),
        }
    }

    /// Up to when registrations are meant by this verdict.
    fn meant_until(verdict: Verdict) -> Timestamp {
        let finished = Finished {
            delivery: delivery().into(),
            outcome: Outcome::Dead,
            reason: Reason::NONE,
            at: NOW + Duration::from_secs(3),
        };
        let ending = Ending {
            finished,
            verdict: Some(verdict),
        };
        let mut all = answers(&[ending]);
        let Answers { dead, suspects, .. } = all.pop().expect("one credential's");
        let [suspect] = [dead, suspects].concat().try_into().expect("one address");
        suspect.since
    }

    #[test]
    fn who_registers_in_the_millisecond_of_the_hand_over_is_not_meant() {
        let routed_by = NOW - Duration::from_secs(60);
        let later = NOW + Duration::from_secs(2);
        for since in [None, Some(NOW), Some(later), Some(Timestamp(u64::MAX))] {
            assert_eq!(meant_until(Verdict::TokenDead { since }), routed_by);
        }
        assert_eq!(meant_until(Verdict::TokenSuspect), routed_by);
        let since = Some(Timestamp(1));
        assert_eq!(meant_until(Verdict::TokenDead { since }), Timestamp(1));
    }
}
