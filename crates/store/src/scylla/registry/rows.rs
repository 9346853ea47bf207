//! Every statement of the registry, and reading its rows.

use fanfare_types::{AddressKey, AppId, DeviceId, DeviceRef, UserId};
use scylla::statement::prepared::PreparedStatement;

use super::Room;
use super::address::Decision;
use super::row::{Columns, Row};
use crate::Result;
use crate::scylla::fault::damaged;
use crate::scylla::session::{Db, Kind};

pub(super) struct Statements {
    of_user: PreparedStatement,
    of_user_timed: PreparedStatement,
    one: PreparedStatement,
    one_timed: PreparedStatement,
    pub(super) put: PreparedStatement,
    pub(super) put_new: PreparedStatement,
    pub(super) delete: PreparedStatement,
    pub(super) facts: PreparedStatement,
    pub(super) of_range: PreparedStatement,
    owner: PreparedStatement,
    pub(super) put_owner: PreparedStatement,
    pub(super) delete_owner: PreparedStatement,
    pub(super) of_tenant: PreparedStatement,
    pub(super) list: PreparedStatement,
    pub(super) unlist: PreparedStatement,
    address: PreparedStatement,
    address_serially: PreparedStatement,
    pub(super) decide_first: PreparedStatement,
    pub(super) decide: PreparedStatement,
    pub(super) forget: PreparedStatement,
}

const OF_USER: &str = "SELECT id, body, facts FROM devices WHERE app = ? AND user = ?";
const OF_USER_TIMED: &str = "SELECT id, body, facts, WRITETIME(body), WRITETIME(facts)
    FROM devices WHERE app = ? AND user = ?";
const ONE: &str = "SELECT id, body, facts FROM devices WHERE app = ? AND user = ? AND id = ?";
const ONE_TIMED: &str = "SELECT id, body, facts, WRITETIME(body), WRITETIME(facts)
    FROM devices WHERE app = ? AND user = ? AND id = ?";
const PUT: &str = "INSERT INTO devices (app, user, id, body) VALUES (?, ?, ?, ?) USING TIMESTAMP ?";
const PUT_NEW: &str =
    "INSERT INTO devices (app, user, id, body, since) VALUES (?, ?, ?, ?, ?) USING TIMESTAMP ?";
const DELETE: &str = "DELETE FROM devices USING TIMESTAMP ? WHERE app = ? AND user = ? AND id = ?";
const FACTS: &str =
    "UPDATE devices USING TIMESTAMP ? SET facts = ? WHERE app = ? AND user = ? AND id = ?";
const OF_RANGE: &str = "SELECT app, user, id, body, facts FROM devices
    WHERE token(app, user) > ? AND token(app, user) <= ?";

const OWNER: &str = "SELECT user FROM device_ids WHERE app = ? AND id = ?";
const PUT_OWNER: &str = "INSERT INTO device_ids (app, id, user) VALUES (?, ?, ?) USING TIMESTAMP ?";
const DELETE_OWNER: &str = "DELETE FROM device_ids USING TIMESTAMP ? WHERE app = ? AND id = ?";

const OF_TENANT: &str = "SELECT id, user FROM tenants WHERE app = ? AND tenant = ? AND bucket = ?";
const LIST: &str =
    "INSERT INTO tenants (app, tenant, bucket, id, user) VALUES (?, ?, ?, ?, ?) USING TIMESTAMP ?";
const UNLIST: &str = "DELETE FROM tenants USING TIMESTAMP ?
    WHERE app = ? AND tenant = ? AND bucket = ? AND id = ?";

const ADDRESS: &str = "SELECT change, ts, decided FROM addresses WHERE app = ? AND key = ?";
const DECIDE_FIRST: &str =
    "INSERT INTO addresses (change, ts, decided, app, key) VALUES (?, ?, ?, ?, ?) IF NOT EXISTS";
const DECIDE: &str = "UPDATE addresses SET change = ?, ts = ?, decided = ?
    WHERE app = ? AND key = ? IF change = ?";
const FORGET: &str = "DELETE FROM addresses WHERE app = ? AND key = ? IF change = ?";

impl Statements {
    pub(super) async fn prepare(db: &Db) -> Result<Self> {
        let read = async |cql| db.prepare(cql, Kind::Read).await;
        let write = async |cql| db.prepare(cql, Kind::Write).await;
        let cas = async |cql| db.prepare(cql, Kind::Cas).await;
        Ok(Statements {
            of_user: read(OF_USER).await?,
            of_user_timed: read(OF_USER_TIMED).await?,
            one: read(ONE).await?,
            one_timed: read(ONE_TIMED).await?,
            put: write(PUT).await?,
            put_new: write(PUT_NEW).await?,
            delete: write(DELETE).await?,
            facts: write(FACTS).await?,
            of_range: read(OF_RANGE).await?,
            owner: read(OWNER).await?,
            put_owner: write(PUT_OWNER).await?,
            delete_owner: write(DELETE_OWNER).await?,
            of_tenant: read(OF_TENANT).await?,
            list: write(LIST).await?,
            unlist: write(UNLIST).await?,
            address: read(ADDRESS).await?,
            address_serially: db.prepare(ADDRESS, Kind::SerialRead).await?,
            decide_first: cas(DECIDE_FIRST).await?,
            decide: cas(DECIDE).await?,
            forget: cas(FORGET).await?,
        })
    }
}

type Timeless = (Vec<u8>, Option<Vec<u8>>, Option<Vec<u8>>);
type Timed = (
    Vec<u8>,
    Option<Vec<u8>>,
    Option<Vec<u8>>,
    Option<i64>,
    Option<i64>,
);

impl Room {
    /// All rows of a user.
    pub(super) async fn own(&self, app: &AppId, user: &UserId) -> Result<Vec<Row>> {
        let key = (app.as_str(), user.as_str());
        let rows: Vec<Timeless> = self.db.rows(&self.statements.of_user, key).await?;
        let rows = rows.into_iter().map(timeless);
        collect(app, user, rows)
    }

    /// The same with their times, for whoever changes them.
    pub(super) async fn own_timed(&self, app: &AppId, user: &UserId) -> Result<Vec<Row>> {
        let key = (app.as_str(), user.as_str());
        let rows: Vec<Timed> = self.db.rows(&self.statements.of_user_timed, key).await?;
        collect(app, user, rows.into_iter().map(timed))
    }

    pub(super) async fn one(&self, app: &AppId, name: &DeviceRef) -> Result<Option<Row>> {
        let key = (app.as_str(), name.user.as_str(), &name.id.0.0[..]);
        let row: Option<Timeless> = self.db.row(&self.statements.one, key).await?;
        Ok(collect(app, &name.user, row.map(timeless))?.pop())
    }

    pub(super) async fn one_timed(&self, app: &AppId, name: &DeviceRef) -> Result<Option<Row>> {
        let key = (app.as_str(), name.user.as_str(), &name.id.0.0[..]);
        let row: Option<Timed> = self.db.row(&self.statements.one_timed, key).await?;
        Ok(collect(app, &name.user, row.map(timed))?.pop())
    }

    /// Whose a device is.
    pub(super) async fn owner(&self, app: &AppId, id: DeviceId) -> Result<Option<UserId>> {
        let key = (app.as_str(), &id.0.0[..]);
        let user: Option<(String,)> = self.db.row(&self.statements.owner, key).await?;
        user.map(|(user,)| UserId::new(&user).map_err(|_| damaged("device_ids.user")))
            .transpose()
    }

    /// What was decided on an address, as far as it was acknowledged.
    pub(super) async fn address(&self, app: &AppId, key: &AddressKey) -> Result<Option<Decision>> {
        self.decision(&self.statements.address, app, key).await
    }

    /// What was decided on an address, also when nobody heard so.
    pub(super) async fn address_serially(
        &self,
        app: &AppId,
        key: &AddressKey,
    ) -> Result<Option<Decision>> {
        let statement = &self.statements.address_serially;
        self.decision(statement, app, key).await
    }

    async fn decision(
        &self,
        statement: &PreparedStatement,
        app: &AppId,
        key: &AddressKey,
    ) -> Result<Option<Decision>> {
        let row: Option<(i64, i64, Vec<u8>)> =
            self.db.row(statement, (app.as_str(), &key.0[..])).await?;
        row.map(|(change, ts, decided)| {
            let decision = Decision::unpack(change, ts, &decided);
            decision.ok_or_else(|| damaged("addresses.decided"))
        })
        .transpose()
    }
}

fn collect(
    app: &AppId,
    user: &UserId,
    rows: impl IntoIterator<Item = Columns>,
) -> Result<Vec<Row>> {
    let rows = rows.into_iter();
    rows.filter_map(|columns| Row::read(app, user, columns).transpose())
        .collect()
}

fn timeless((id, body, facts): Timeless) -> Columns {
    Columns {
        id,
        body,
        facts,
        times: (None, None),
    }
}

fn timed((id, body, facts, at, facts_at): Timed) -> Columns {
    Columns {
        id,
        body,
        facts,
        times: (at, facts_at),
    }
}
