//! What nodes tell each other.

use fanfare_types::NodeId;
use futures_util::future::{try_join, try_join_all};
use tokio::time::Instant;

use super::{Room, big, bytes, node_id, number};
use crate::fleet::{INBOX_KEPT, Notice, NoticeId, Told};
use crate::scylla::fault::damaged;
use crate::scylla::session::Db;
use crate::{Error, Result};
use scylla::statement::prepared::PreparedStatement;

/// Tries of a telling that took so long that who was told may listen elsewhere.
const TRIES: usize = 3;

impl Room {
    pub(super) async fn tell(
        &self,
        from: NodeId,
        id: NoticeId,
        notices: &[Notice],
    ) -> Result<Vec<NodeId>> {
        let text = serde_json::to_string(notices).map_err(|_| damaged("a notice"))?;
        for _ in 0..TRIES {
            let begun = Instant::now();
            let to = self.listeners(from).await?;
            let put = |(node, inbox): &(NodeId, i64)| {
                let (teller, number) = (bytes(id.from), big(id.number));
                let values = (bytes(*node), *inbox, teller, number, text.clone());
                write(&self.db, &self.statements.put, values)
            };
            try_join_all(to.iter().map(put)).await?;
            if begun.elapsed() < INBOX_KEPT / 2 {
                return Ok(to.into_iter().map(|(node, _)| node).collect());
            }
        }
        Err(Error::Unknown("the others were told too slowly".to_owned()))
    }

    /// Everybody else, and where they listen. Whoever joined, and so may rely upon anything, was entered by a quorum.
    async fn listeners(&self, from: NodeId) -> Result<Vec<(NodeId, i64)>> {
        let rows: Vec<(Vec<u8>, i64)> = self
            .db
            .rows(&self.statements.listeners, (super::PART,))
            .await?;
        let mut listeners = Vec::with_capacity(rows.len());
        for (id, inbox) in rows {
            listeners.push((node_id(&id)?, inbox));
        }
        listeners.retain(|(node, _)| *node != from);
        Ok(listeners)
    }

    pub(super) async fn hear(&self, id: NodeId, inbox: u64) -> Result<Vec<Told>> {
        let (former, present) = try_join(
            self.inbox(id, inbox.checked_sub(1)),
            self.inbox(id, Some(inbox)),
        )
        .await?;
        let mut told = former;
        told.extend(present);
        Ok(told)
    }

    async fn inbox(&self, id: NodeId, inbox: Option<u64>) -> Result<Vec<Told>> {
        let Some(inbox) = inbox else {
            return Ok(Vec::new());
        };
        let values = (bytes(id), big(inbox));
        let rows: Vec<(Vec<u8>, i64, String)> =
            self.db.rows(&self.statements.inbox, values).await?;
        let told = |(teller, count, notices): (Vec<u8>, i64, String)| {
            Ok(Told {
                id: NoticeId {
                    from: node_id(&teller)?,
                    number: number(count),
                },
                notices: serde_json::from_str(&notices).map_err(|_| damaged("a notice"))?,
            })
        };
        rows.into_iter().map(told).collect()
    }

    pub(super) async fn acknowledge(&self, id: NodeId, heard: Vec<NoticeId>) -> Result<()> {
        let put = |notice: NoticeId| {
            let values = (bytes(notice.from), big(notice.number), bytes(id));
            write(&self.db, &self.statements.acknowledge, values)
        };
        try_join_all(heard.into_iter().map(put)).await.map(drop)
    }

    pub(super) async fn heard(&self, id: NoticeId) -> Result<Vec<NodeId>> {
        let values = (bytes(id.from), big(id.number));
        let rows: Vec<(Vec<u8>,)> = self.db.rows(&self.statements.heard, values).await?;
        rows.iter().map(|(node,)| node_id(node)).collect()
    }
}

/// With values of its own, so that many can be under way.
async fn write(
    db: &Db,
    statement: &PreparedStatement,
    values: impl scylla::serialize::row::SerializeRow,
) -> Result<()> {
    db.write(statement, values).await
}
