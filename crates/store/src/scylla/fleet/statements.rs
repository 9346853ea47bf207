//! What the fleet says to the database.

use scylla::statement::prepared::PreparedStatement;

use crate::Result;
use crate::scylla::session::{Db, Kind};

pub(super) struct Statements {
    pub(super) nodes: PreparedStatement,
    pub(super) listeners: PreparedStatement,
    pub(super) beat_of: PreparedStatement,
    pub(super) join: PreparedStatement,
    pub(super) beat: PreparedStatement,
    pub(super) bury: PreparedStatement,
    pub(super) leave: PreparedStatement,

    pub(super) slots: PreparedStatement,
    pub(super) claim: PreparedStatement,
    pub(super) release: PreparedStatement,

    pub(super) put: PreparedStatement,
    pub(super) inbox: PreparedStatement,
    pub(super) acknowledge: PreparedStatement,
    pub(super) heard: PreparedStatement,

    pub(super) ping: PreparedStatement,
    pub(super) pinged: PreparedStatement,
}

impl Statements {
    pub(super) async fn prepare(db: &Db) -> Result<Self> {
        let read = async |cql: &str| db.prepare(cql, Kind::Read).await;
        let serial = async |cql: &str| db.prepare(cql, Kind::SerialRead).await;
        let write = async |cql: &str| db.prepare(cql, Kind::Write).await;
        let cas = async |cql: &str| db.prepare(cql, Kind::Cas).await;
        Ok(Statements {
            nodes: serial(
                "SELECT id, name, beat, draining, inbox, doing FROM fleet_nodes WHERE part = ?",
            )
            .await?,
            listeners: read("SELECT id, inbox FROM fleet_nodes WHERE part = ?").await?,
            beat_of: serial("SELECT beat FROM fleet_nodes WHERE part = ? AND id = ?").await?,
            join: cas(
                "INSERT INTO fleet_nodes (part, id, name, beat, draining, inbox, doing)
                 VALUES (?, ?, ?, 0, false, 0, '') IF NOT EXISTS",
            )
            .await?,
            beat: cas(
                "UPDATE fleet_nodes SET beat = ?, name = ?, draining = ?, inbox = ?, doing = ?
                 WHERE part = ? AND id = ? IF beat = ?",
            )
            .await?,
            bury: cas("DELETE FROM fleet_nodes WHERE part = ? AND id = ? IF beat = ?").await?,
            leave: cas("DELETE FROM fleet_nodes WHERE part = ? AND id = ? IF EXISTS").await?,

            slots: serial("SELECT slot, epoch, holder FROM fleet_slots WHERE part = ?").await?,
            claim: cas("UPDATE fleet_slots SET epoch = ?, holder = ?
                 WHERE part = ? AND slot = ? IF epoch = ? AND holder = ?")
            .await?,
            release: cas(
                "UPDATE fleet_slots SET holder = null WHERE part = ? AND slot = ? IF epoch = ?",
            )
            .await?,

            put: write(
                "INSERT INTO fleet_inbox (node, inbox, teller, number, notices)
                 VALUES (?, ?, ?, ?, ?)",
            )
            .await?,
            inbox: read(
                "SELECT teller, number, notices FROM fleet_inbox WHERE node = ? AND inbox = ?",
            )
            .await?,
            acknowledge: write("INSERT INTO fleet_heard (teller, number, node) VALUES (?, ?, ?)")
                .await?,
            heard: read("SELECT node FROM fleet_heard WHERE teller = ? AND number = ?").await?,

            ping: write("INSERT INTO fleet_ping (part, at) VALUES (?, toTimestamp(now()))").await?,
            pinged: read("SELECT part FROM fleet_ping WHERE part = ?").await?,
        })
    }
}
