//! The database that everything is recorded in: Postgres in production, SQLite where nothing shall be installed.
//!
//! One type for both; [`Backend`] says which it is wherever the two need different words.

use std::{fmt, sync::Arc, time::Duration};

use sea_orm::{DatabaseConnection, DbBackend};
use tokio::time::timeout;

use super::{Clock, ConnectError, MigrationError, connect, copy::Copies, given_up::Links, tally::Tally, verdict};
use crate::masked_url::masked;

/// How long the database may take to answer a question that asks for nothing.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// How to reach the database, and how much of it to use.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseConfig {
    /// `postgres://user:password@host:5432/name`, `sqlite:///absolute/path`, `sqlite://relative/path`, or
    /// `sqlite::memory:` for a database that lives and dies with its [`Database`].
    pub url: String,
    /// The most connections to keep, at least 5: two write, one looks tasks up, one gives signs of life, the others read;
    /// for what is written seldom there may be two more for a while. SQLite: one writes, whatever the number.
    pub max_connections: u32,
    /// How long to wait for a connection, at the start and later. Longer than that is an error.
    pub connect_timeout: Duration,
    /// SQLite: how long to wait for another process that writes to the same file.
    pub busy_timeout: Duration,
    /// How long a runtime may give no sign of life before it is taken for gone. The same for all runtimes.
    pub lease: Duration,
    /// How long a statement that writes may take before it is given up and tried again with fewer rows; one row alone is
    /// given more and more time. Also bounds each question that the service itself asks.
    pub statement_timeout: Duration,
}

impl DatabaseConfig {
    /// The default number of connections: enough for the writers, the lookups and a few readers; a twelfth of what
    /// Postgres allows by default.
    pub const MAX_CONNECTIONS: u32 = 8;
    /// The default time to wait for a connection.
    pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
    /// The default time to wait for another writer of a SQLite file.
    pub const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
    /// The default lease: what a task that was cut off by a crash may wait for at most, and a busy database may pause.
    pub const LEASE: Duration = Duration::from_secs(10);
    /// The default time for a statement that writes: a thousand rows take some milliseconds, 16 MiB on a slow disk some
    /// seconds, and TCP does not notice for a quarter of an hour that a server has vanished without a word.
    pub const STATEMENT_TIMEOUT: Duration = Duration::from_secs(30);

    /// The defaults, for the database at `url`.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            max_connections: Self::MAX_CONNECTIONS,
            connect_timeout: Self::CONNECT_TIMEOUT,
            busy_timeout: Self::BUSY_TIMEOUT,
            lease: Self::LEASE,
            statement_timeout: Self::STATEMENT_TIMEOUT,
        }
    }
}

/// Without the password.
impl fmt::Debug for DatabaseConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatabaseConfig")
            .field("url", &masked(&self.url))
            .field("max_connections", &self.max_connections)
            .field("connect_timeout", &self.connect_timeout)
            .field("busy_timeout", &self.busy_timeout)
            .field("lease", &self.lease)
            .field("statement_timeout", &self.statement_timeout)
            .finish()
    }
}

/// An open database. Cheap to clone: all clones share the connections.
///
/// What is committed survives the death of the process at any point, on both. A loss of power as well, as far as the
/// disk keeps what it has confirmed: Postgres by its default `synchronous_commit`, SQLite because it is opened with
/// `synchronous = FULL` (a flush of many rows pays for one sync, see "group commit").
#[derive(Clone, Debug)]
pub struct Database {
    pub(super) backend: Backend,
    /// The recorder's. Apart from the readers', so that no list of tasks, however slow, can hold back a commit.
    pub(super) writer: DatabaseConnection,
    /// The connections that the recorder and the look-ups keep, on Postgres.
    pub(super) links: Arc<Links>,
    /// Which statement rows are written with first, on Postgres.
    pub(super) copies: Arc<Copies>,
    pub(super) reader: DatabaseConnection,
    /// This runtime's signs of life: no list of tasks, however slow, may make it look dead.
    pub(super) pulse: DatabaseConnection,
    pub(super) lease: Duration,
    /// What was recorded over this database by this process.
    pub(super) tally: Arc<Tally>,
    clock: Clock,
    url: String,
    /// How long a statement may take; see [`DatabaseConfig`].
    pub(super) statement_timeout: Duration,
}

/// Which of the two databases it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Backend {
    Postgres,
    Sqlite,
}

impl Database {
    /// Opens the database and measures its clock. Neither migrates nor checks the schema: see [`Self::migrate`].
    ///
    /// # Errors
    /// Within `connect_timeout` or twice that; the message says what to do.
    pub async fn connect(config: &DatabaseConfig) -> Result<Self, ConnectError> {
        let connections = connect::open(config).await?;
        let url = masked(&config.url);
        let backend = match connections.writer.get_database_backend() {
            DbBackend::Postgres => Backend::Postgres,
            _ => Backend::Sqlite,
        };
        let clock = Clock::start(backend, &connections.reader)
            .await
            .map_err(|source| ConnectError::Other { url: url.clone(), source })?;
        let connect::Connections { writer, reader, pulse } = connections;
        let DatabaseConfig { lease, statement_timeout, .. } = *config;
        let (links, copies, tally) = (Arc::default(), Arc::default(), Arc::default());
        Ok(Self { backend, writer, links, copies, reader, pulse, lease, tally, clock, url, statement_timeout })
    }

    /// Brings the schema up to date; does nothing if it is. Any number of runtimes may do so at once.
    ///
    /// # Errors
    /// See [`migration::up`].
    pub async fn migrate(&self) -> Result<(), MigrationError> {
        migration::up(self.schema_connection()).await
    }

    /// Whether a migration failed because the server is away, so that the same may succeed a little later.
    pub fn is_outage(error: &MigrationError) -> bool {
        match error {
            MigrationError::NewerSchema { .. } => false,
            MigrationError::Database(error) => verdict::is_outage(error),
        }
    }

    /// The connection for single statements that write. SQLite has one writer; on Postgres they leave the recorder's alone.
    pub(super) fn single_writes(&self) -> &DatabaseConnection {
        match self.backend {
            Backend::Postgres => &self.reader,
            Backend::Sqlite => &self.writer,
        }
    }

    /// Whether the database answers at all, to tell a slow statement from an outage. Over a connection that could write
    /// on Postgres; SQLite's only one may be at the very statement.
    pub(super) async fn answers(&self) -> bool {
        matches!(timeout(ANSWER_TIMEOUT, self.schema_connection().ping()).await, Ok(Ok(())))
    }

    /// The clock that stored times come from.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// SeaORM's connection that writes rows.
    pub fn connection(&self) -> &DatabaseConnection {
        &self.writer
    }

    /// SeaORM's connection for migrations ([`migration::status`], [`migration::down`]). On SQLite not the one that writes rows: that has its
    /// temporary tables in memory, and one of them is all that an index over millions of rows is made of.
    pub fn schema_connection(&self) -> &DatabaseConnection {
        match self.backend {
            Backend::Postgres => &self.writer,
            Backend::Sqlite => &self.reader,
        }
    }

    /// The URL, without its password.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Closes all connections, of all clones. Whatever writes must have been stopped before; what is asked afterwards
    /// is an error.
    pub async fn close(&self) {
        self.links.close().await;
        for connection in [&self.writer, &self.reader, &self.pulse] {
            if let Err(error) = connection.close_by_ref().await {
                // Nothing depends on it: what was committed is committed.
                tracing::debug!(%error, "a database connection did not close properly");
            }
        }
    }
}
