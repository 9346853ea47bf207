//! One buffer of endings, as the journal writes it and as the reaper reads it.

use std::collections::HashMap;

use fanfare_core::cleanup;
use fanfare_store::{Ended, OutcomeBatch};
use fanfare_types::Verdict;

use super::Ending;
use crate::reaper::{Answers, Credential, Suspect};

/// Groups by notification.
pub(super) fn outcomes(endings: &[Ending]) -> Vec<OutcomeBatch> {
    let mut batches: Vec<OutcomeBatch> = Vec::new();
    let mut places = HashMap::new();
    for Ending { finished, .. } in endings {
        let live = &finished.delivery.live;
        let place = *places.entry(live.id).or_insert_with(|| {
            batches.push(OutcomeBatch {
                app: live.app.clone(),
                id: live.id,
                ended: Vec::new(),
            });
            batches.len() - 1
        });
        batches[place].ended.push(Ended {
            ordinal: finished.delivery.ordinal,
            outcome: finished.outcome,
            reason: finished.reason.clone(),
            attempts: finished.delivery.attempts,
            at: finished.at,
        });
    }
    batches
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
        let credential = Credential {
            app: delivery.live.app.clone(),
            channel: delivery.address.channel,
            environment: delivery.address.environment,
        };
        let place = all
            .iter()
            .position(|answers| answers.credential == credential)
            .unwrap_or_else(|| {
                all.push(Answers::none_of(credential));
                all.len() - 1
            });
        let answers = &mut all[place];
        let suspect = |since| Suspect {
            device: delivery.device.clone(),
            address: delivery.address.clone(),
            since,
        };
        match verdict {
            Verdict::TokenSuspect => answers.suspects.push(suspect(delivery.started_at)),
            Verdict::TokenDead { since } => {
                answers.sound += 1;
                let since = cleanup::died_at(*since, delivery.started_at);
                answers.dead.push(suspect(since));
            }
            _ => answers.sound += 1,
        }
    }
    all
}
