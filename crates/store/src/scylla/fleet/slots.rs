//! Who holds what.

use fanfare_types::{Epoch, NodeId, Slot};

use super::{PART, Room, big, bytes, node_id, number};
use crate::Result;
use crate::fleet::Lease;
use crate::scylla::fault::damaged;
use crate::scylla::session::Cas;

/// No slot has this epoch once it was held.
const NEVER: Epoch = Epoch(0);

type Row = (i8, i64, Option<Vec<u8>>);

fn tiny(slot: Slot) -> i8 {
    // Below 64.
    i8::try_from(slot.number()).unwrap_or(i8::MAX)
}

impl Room {
    pub(super) async fn slots(&self) -> Result<Vec<Lease>> {
        let rows: Vec<Row> = self.db.rows(&self.statements.slots, (PART,)).await?;
        let never = |slot| Lease {
            slot,
            epoch: NEVER,
            holder: None,
        };
        let mut slots: Vec<_> = Slot::all().map(never).collect();
        for (slot, epoch, holder) in rows {
            let place = usize::try_from(slot).ok();
            let lease = place.and_then(|place| slots.get_mut(place));
            let lease = lease.ok_or_else(|| damaged("a slot"))?;
            lease.epoch = Epoch(number(epoch));
            lease.holder = holder.as_deref().map(node_id).transpose()?;
        }
        Ok(slots)
    }

    /// One conditional batch: the slots are of one partition.
    pub(super) async fn claim(&self, id: NodeId, seen: Vec<Lease>) -> Result<bool> {
        if seen.is_empty() {
            return Ok(true);
        }
        let holder = bytes(id);
        let values = seen.iter().map(|lease| {
            // A slot that was never held has no row, and nothing to compare.
            let epoch = (lease.epoch != NEVER).then_some(big(lease.epoch.0));
            let next = big(lease.epoch.0.saturating_add(1));
            let former = lease.holder.map(bytes);
            (next, &holder, PART, tiny(lease.slot), epoch, former)
        });
        let values: Vec<_> = values.collect();
        let statements = vec![self.statements.claim.clone(); values.len()];
        match self.db.cas_all(statements, values).await? {
            Cas::Applied => Ok(true),
            Cas::Refused => Ok(false),
        }
    }

    pub(super) async fn release(&self, slot: Slot, epoch: Epoch) -> Result<()> {
        let values = (PART, tiny(slot), big(epoch.0));
        match self.db.cas(&self.statements.release, values).await? {
            // Refused: somebody else's by now.
            Cas::Applied | Cas::Refused => Ok(()),
        }
    }
}
