//! Who is there.

use super::{PART, Room, big, bytes, node_id, number};
use crate::fleet::{Node, NodeId};
use crate::scylla::session::Cas;
use crate::{Error, Result};

type Row = (Vec<u8>, String, i64, bool, i64, String);

impl Room {
    pub(super) async fn nodes(&self) -> Result<Vec<Node>> {
        let rows: Vec<Row> = self.db.rows(&self.statements.nodes, (PART,)).await?;
        let node = |(id, name, beat, is_draining, inbox, doing): Row| {
            Ok(Node {
                id: node_id(&id)?,
                name,
                beat: number(beat),
                is_draining,
                inbox: number(inbox),
                doing,
            })
        };
        rows.into_iter().map(node).collect()
    }

    pub(super) async fn join(&self, id: NodeId, name: &str) -> Result<()> {
        let joined = self.db.cas(&self.statements.join, (PART, bytes(id), name));
        match joined.await? {
            // Of a former try.
            Cas::Applied | Cas::Refused => Ok(()),
        }
    }

    pub(super) async fn beat(&self, node: &Node) -> Result<bool> {
        let id = bytes(node.id);
        let before = big(node.beat.saturating_sub(1));
        let values = (
            big(node.beat),
            &node.name,
            node.is_draining,
            big(node.inbox),
            &node.doing,
            PART,
            &id,
            before,
        );
        match self.db.cas(&self.statements.beat, values).await? {
            Cas::Applied => Ok(true),
            // A former try was, or the node is gone.
            Cas::Refused => Ok(self.beat_of(node.id).await? == Some(node.beat)),
        }
    }

    async fn beat_of(&self, id: NodeId) -> Result<Option<u64>> {
        let found = self.db.row(&self.statements.beat_of, (PART, bytes(id)));
        let found: Option<(i64,)> = found.await?;
        Ok(found.map(|(beat,)| number(beat)))
    }

    pub(super) async fn bury(&self, id: NodeId, beat: u64) -> Result<bool> {
        let buried = self
            .db
            .cas(&self.statements.bury, (PART, bytes(id), big(beat)));
        match buried.await? {
            Cas::Applied => Ok(true),
            Cas::Refused => Ok(false),
        }
    }

    pub(super) async fn leave(&self, id: NodeId) -> Result<()> {
        let left = self.db.cas(&self.statements.leave, (PART, bytes(id))).await;
        match left {
            Ok(Cas::Applied | Cas::Refused) => Ok(()),
            // Whether it is gone is seen, and need not be guessed.
            Err(error @ Error::Unknown(_)) => match self.beat_of(id).await {
                Ok(None) => Ok(()),
                _ => Err(error),
            },
            Err(error) => Err(error),
        }
    }
}
