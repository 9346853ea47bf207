//! How a notification is kept and listed, by either store.

use std::ops::ControlFlow;

use fanfare_types::message::Variables;
use fanfare_types::{Counts, Message, Options, Outcome};
use serde::{Deserialize, Serialize};

use crate::codec;
use crate::{DeliveryPage, DeliveryRow, Ended};

/// What a notification says, and how it is to be sent; kept as JSON.
#[derive(Serialize, Deserialize)]
pub(crate) struct Body {
    pub(crate) options: Options,
    pub(crate) message: Message,
    pub(crate) variables: Variables,
}

pub(crate) fn with_waiting(mut counts: Counts, recipients: u64) -> Counts {
    counts.waiting = recipients.saturating_sub(counts.terminal());
    counts
}

/// Which deliveries are asked for.
pub(crate) struct Asked {
    pub(crate) outcome: Option<Outcome>,
    pub(crate) start: u32,
    pub(crate) limit: usize,
}

/// A page of packed targets and how they ended (ascending by ordinal). `None` when they are damaged.
pub(crate) fn page(targets: &[u8], ended: &[Ended], asked: &Asked) -> Option<DeliveryPage> {
    let mut page = DeliveryPage::default();
    let limit = asked.limit.max(1);
    codec::visit_targets(targets, asked.start, |ordinal, target| {
        let found = ended.binary_search_by_key(&ordinal, |row| row.ordinal);
        let ended = found.ok().map(|at| ended[at].clone());
        let outcome = ended.as_ref().map(|row| row.outcome);
        if asked.outcome.is_some() && asked.outcome != outcome {
            return ControlFlow::Continue(());
        }
        if page.rows.len() == limit {
            page.next = Some(ordinal);
            return ControlFlow::Break(());
        }
        page.rows.push(DeliveryRow {
            ordinal,
            device: target.device,
            channel: target.channel,
            ended,
        });
        ControlFlow::Continue(())
    })?;
    Some(page)
}
