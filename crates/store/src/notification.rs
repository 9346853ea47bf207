//! How a notification is kept and listed, by either store.

use std::ops::ControlFlow;

use fanfare_types::message::Variables;
use fanfare_types::{
    AppId, Counts, Message, NotificationId, NotificationRecord, Options, Outcome, Timestamp,
};
use serde::{Deserialize, Serialize};

use crate::codec;
use crate::{Accept, DeliveryPage, DeliveryRow, Ended, Error, Idempotency, Result};

/// What a notification says, and how it is to be sent; kept as JSON.
#[derive(Serialize, Deserialize)]
pub(crate) struct Body {
    pub(crate) options: Options,
    pub(crate) message: Message,
    pub(crate) variables: Variables,
}

/// A notification packed for its rows, before anybody is asked to write it.
pub(crate) struct Packed {
    pub(crate) id: NotificationId,
    pub(crate) app: AppId,
    pub(crate) created_at: Timestamp,
    pub(crate) send_at: Option<Timestamp>,
    pub(crate) expires_at: Timestamp,
    pub(crate) recipients: u64,
    pub(crate) body: String,
    pub(crate) targets: Vec<u8>,
    pub(crate) idempotency: Option<Idempotency>,
}

impl Packed {
    pub(crate) fn new(accept: Accept) -> Result<Self> {
        let Accept {
            record,
            idempotency,
        } = accept;
        let NotificationRecord {
            id,
            app,
            created_at,
            options,
            message,
            variables,
            targets,
        } = record;
        let (send_at, expires_at) = (options.send_at, options.expires_at);
        let body = Body {
            options,
            message,
            variables,
        };
        Ok(Packed {
            id,
            app,
            created_at,
            send_at,
            expires_at,
            recipients: targets.len() as u64,
            body: serde_json::to_string(&body)
                .map_err(|error| Error::Row(format!("record not written: {error}")))?,
            targets: codec::pack_targets(&targets),
            idempotency,
        })
    }

    /// When it is to be looked for: what is not scheduled, by any clock.
    pub(crate) fn due(&self) -> Timestamp {
        self.send_at.unwrap_or_default()
    }
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
