//! One session with the cluster: prepared statements, bounded calls, compare-and-set.
//!
//! Reads and writes are at LOCAL_QUORUM, compare-and-set at LOCAL_SERIAL with LOCAL_QUORUM for its commit (or QUORUM and
//! SERIAL, [`super::Consistency`]): whoever reads after an acknowledged write sees it, whichever node answers.

use std::time::Duration;

use scylla::client::execution_profile::ExecutionProfile;
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::deserialize::row::DeserializeRow;
use scylla::policies::load_balancing::DefaultPolicy;
use scylla::response::query_result::{QueryResult, QueryRowsResult};
use scylla::response::{PagingState, PagingStateResponse};
use scylla::serialize::batch::BatchValues;
use scylla::serialize::row::SerializeRow;
use scylla::statement::batch::{Batch, BatchType};
use scylla::statement::prepared::PreparedStatement;
use scylla::statement::{Consistency, SerialConsistency};
use scylla::value::{CqlValue, Row};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::fault::{self, damaged};
use super::{Config, config};
use crate::{Error, Result};

/// What a statement is, which decides whether it may be sent again by the driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Changes nothing.
    Read,
    /// Reads what compare-and-set has decided, also when its answer never came.
    SerialRead,
    /// Says the same however often it is said: it names its timestamp or only inserts what never changes.
    Write,
    /// Compare-and-set: never sent again by itself.
    Cas,
}

/// Of a request's time, what a compare-and-set may take: so that there is time to read back what became of it.
const CAS_SHARE: f32 = 0.6;

/// What became of a compare-and-set.
#[derive(Debug)]
pub(super) enum Cas {
    Applied,
    /// It is not what it was. The columns that were compared, as they are, where the server tells them.
    Refused,
}

pub(super) struct Db {
    session: Session,
    serial: Consistency,
    room: Semaphore,
    cas_timeout: Duration,
}

impl Db {
    /// `keyspace`: whether tables are in use, or about to be made.
    pub(super) async fn connect(config: &Config, keyspace: Option<&str>) -> Result<Self> {
        let mut policy = DefaultPolicy::builder()
            .token_aware(true)
            .permit_dc_failover(false);
        if let Some(datacenter) = &config.datacenter {
            policy = policy.prefer_datacenter(datacenter.clone());
        }
        let (consistency, conditional, serial) = levels(config.consistency);
        let profile = ExecutionProfile::builder()
            .consistency(consistency)
            .serial_consistency(Some(conditional))
            .request_timeout(Some(config.request_timeout))
            .load_balancing_policy(policy.build())
            .build();
        let mut builder = SessionBuilder::new()
            .known_nodes(&config.nodes)
            .connection_timeout(config.request_timeout)
            .default_execution_profile_handle(profile.into_handle())
            .tls_context(config.tls.clone());
        if let Some(credentials) = &config.credentials {
            builder = builder.user(&credentials.user, &credentials.password);
        }
        if let Some(keyspace) = keyspace {
            builder = builder.use_keyspace(keyspace, true);
        }
        let session = builder
            .build()
            .await
            .map_err(|error| fault::connect(&error))?;
        Ok(Db {
            session,
            serial,
            room: Semaphore::new(config.queue_max.max(1)),
            cas_timeout: config.request_timeout.mul_f32(CAS_SHARE),
        })
    }

    /// For what is asked once: the schema, and what the server is.
    pub(super) fn session(&self) -> &Session {
        &self.session
    }

    pub(super) async fn prepare(&self, cql: &str, kind: Kind) -> Result<PreparedStatement> {
        let prepared = self.session.prepare(cql).await;
        let mut statement = prepared.map_err(|error| fault::prepare(&error))?;
        statement.set_is_idempotent(kind != Kind::Cas);
        if kind == Kind::Cas {
            statement.set_request_timeout(Some(self.cas_timeout));
        }
        if kind == Kind::SerialRead {
            statement.set_consistency(self.serial);
        }
        Ok(statement)
    }

    /// All rows of a statement whose answer is known to be small.
    pub(super) async fn rows<R>(
        &self,
        statement: &PreparedStatement,
        values: impl SerializeRow,
    ) -> Result<Vec<R>>
    where
        R: for<'a> DeserializeRow<'a, 'a>,
    {
        let _room = self.room()?;
        let answer = self.session.execute_unpaged(statement, values).await;
        collect(answer.map_err(|error| fault::read(&error))?)
    }

    /// The same as it came, for rows that are borrowed from it.
    pub(super) async fn answer(
        &self,
        statement: &PreparedStatement,
        values: impl SerializeRow,
    ) -> Result<QueryRowsResult> {
        let _room = self.room()?;
        let answer = self.session.execute_unpaged(statement, values).await;
        answer
            .map_err(|error| fault::read(&error))?
            .into_rows_result()
            .map_err(|_| damaged("an answer"))
    }

    /// The first row, if there is one.
    pub(super) async fn row<R>(
        &self,
        statement: &PreparedStatement,
        values: impl SerializeRow,
    ) -> Result<Option<R>>
    where
        R: for<'a> DeserializeRow<'a, 'a>,
    {
        let rows: Vec<R> = self.rows(statement, values).await?;
        Ok(rows.into_iter().next())
    }

    /// A page, of the size that the statement has, and where the next one starts. A page may be empty and not the last.
    pub(super) async fn page<R>(
        &self,
        statement: &PreparedStatement,
        values: impl SerializeRow,
        from: PagingState,
    ) -> Result<(Vec<R>, Option<PagingState>)>
    where
        R: for<'a> DeserializeRow<'a, 'a>,
    {
        let _room = self.room()?;
        let page = self
            .session
            .execute_single_page(statement, values, from)
            .await;
        let (answer, next) = page.map_err(|error| fault::read(&error))?;
        let next = match next {
            PagingStateResponse::HasMorePages { state } => Some(state),
            PagingStateResponse::NoMorePages => None,
        };
        Ok((collect(answer)?, next))
    }

    /// Durable on a quorum when it answers.
    pub(super) async fn write(
        &self,
        statement: &PreparedStatement,
        values: impl SerializeRow,
    ) -> Result<()> {
        let _room = self.room()?;
        let answer = self.session.execute_unpaged(statement, values).await;
        answer.map(drop).map_err(|error| fault::write(&error))
    }

    /// Several writes, all of them in the end or none; durable on a quorum when it answers.
    pub(super) async fn write_all(
        &self,
        statements: Vec<PreparedStatement>,
        values: impl BatchValues,
    ) -> Result<()> {
        let _room = self.room()?;
        let batch = batch(statements, BatchType::Logged, true);
        let answer = self.session.batch(&batch, values).await;
        answer.map(drop).map_err(|error| fault::write(&error))
    }

    /// [`Error::Unknown`]: whether it was applied is not known, and the caller reads it back by a
    /// [`Kind::SerialRead`].
    pub(super) async fn cas(
        &self,
        statement: &PreparedStatement,
        values: impl SerializeRow,
    ) -> Result<Cas> {
        let _room = self.room()?;
        let answer = self.session.execute_unpaged(statement, values).await;
        applied(answer.map_err(|error| fault::write(&error))?)
    }

    /// Several statements on one partition of one table, some with a condition: all of them or none.
    pub(super) async fn cas_all(
        &self,
        statements: Vec<PreparedStatement>,
        values: impl BatchValues,
    ) -> Result<Cas> {
        let _room = self.room()?;
        let mut batch = batch(statements, BatchType::Unlogged, false);
        batch.set_request_timeout(Some(self.cas_timeout));
        let answer = self.session.batch(&batch, values).await;
        applied(answer.map_err(|error| fault::write(&error))?)
    }

    fn room(&self) -> Result<SemaphorePermit<'_>> {
        self.room.try_acquire().map_err(|error| match error {
            tokio::sync::TryAcquireError::NoPermits => Error::Overloaded,
            tokio::sync::TryAcquireError::Closed => Error::Closed,
        })
    }

    /// Later calls answer [`Error::Closed`]; those under way end.
    pub(super) fn close(&self) {
        self.room.close();
    }
}

/// Of reads and writes, of compare-and-set, and of reads of what that decided.
fn levels(consistency: config::Consistency) -> (Consistency, SerialConsistency, Consistency) {
    match consistency {
        config::Consistency::LocalQuorum => (
            Consistency::LocalQuorum,
            SerialConsistency::LocalSerial,
            Consistency::LocalSerial,
        ),
        config::Consistency::Quorum => (
            Consistency::Quorum,
            SerialConsistency::Serial,
            Consistency::Serial,
        ),
    }
}

fn batch(statements: Vec<PreparedStatement>, kind: BatchType, is_idempotent: bool) -> Batch {
    let mut batch = Batch::new(kind);
    statements
        .into_iter()
        .for_each(|statement| batch.append_statement(statement));
    batch.set_is_idempotent(is_idempotent);
    batch
}

fn collect<R>(answer: QueryResult) -> Result<Vec<R>>
where
    R: for<'a> DeserializeRow<'a, 'a>,
{
    let answer = answer
        .into_rows_result()
        .map_err(|_| damaged("an answer"))?;
    let rows = answer
        .rows::<R>()
        .map_err(|_| damaged("the columns of a row"))?;
    rows.collect::<Result<_, _>>().map_err(|_| damaged("a row"))
}

/// Cassandra answers one row, with `[applied]` alone when it was; ScyllaDB one row for each statement, with the old
/// values beside it. So it is looked for by name, and every row has to say so.
fn applied(answer: QueryResult) -> Result<Cas> {
    let answer = answer
        .into_rows_result()
        .map_err(|_| damaged("the answer to a compare-and-set"))?;
    let columns = answer.column_specs();
    let Some((at, _)) = columns.get_by_name("[applied]") else {
        return Err(damaged("the answer to a compare-and-set"));
    };
    let rows = answer.rows::<Row>().map_err(|_| damaged("[applied]"))?;
    for row in rows {
        let row = row.map_err(|_| damaged("[applied]"))?;
        match row.columns.get(at) {
            Some(Some(CqlValue::Boolean(true))) => {}
            Some(Some(CqlValue::Boolean(false))) => return Ok(Cas::Refused),
            _ => return Err(damaged("[applied]")),
        }
    }
    Ok(Cas::Applied)
}
