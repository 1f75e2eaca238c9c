//! Opens connections to the database that a URL names.
//!
//! A pool answers every mishap with "timed out", after trying as long as it may. So one connection is made without a
//! pool first: its error says what is wrong, at once.

use std::{path::Path, str::FromStr, time::Duration};

use futures_util::future::BoxFuture;
use sea_orm::{
    DatabaseConnection, SqlxPostgresConnector, SqlxSqliteConnector,
    sqlx::{
        self, ConnectOptions, Connection, SqliteConnection,
        pool::PoolConnectionMetadata,
        postgres::{PgConnectOptions, PgPoolOptions, PgSslMode},
        sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
    },
};
use tokio::time::{Instant, sleep, timeout};

use super::{ConnectError, DatabaseConfig, given_up, no_delay};
use crate::masked_url::masked;

/// Connections that are kept by who sends one statement after the other: one for tasks, one for events, one for look-ups. They
/// never wait for each other.
const POSTGRES_KEPT: u32 = 3;

/// Connections of the pool that these come out of, for what is written seldom.
const POSTGRES_WRITERS: u32 = 2;

/// How often to try again while another process switches a new SQLite file to WAL, which SQLite itself does not wait for.
const BUSY_PAUSE: Duration = Duration::from_millis(20);

/// What a [`super::Database`] is made of.
pub(super) struct Connections {
    pub(super) writer: DatabaseConnection,
    pub(super) reader: DatabaseConnection,
    pub(super) pulse: DatabaseConnection,
}

/// Opens the database that `config` names.
pub(super) async fn open(config: &DatabaseConfig) -> Result<Connections, ConnectError> {
    match config.url.split_once(':').map(|(scheme, _)| scheme) {
        Some("postgres" | "postgresql") => open_postgres(config).await,
        Some("sqlite") => open_sqlite(config).await,
        _ => Err(ConnectError::UnknownScheme { url: masked(&config.url) }),
    }
}

async fn open_postgres(config: &DatabaseConfig) -> Result<Connections, ConnectError> {
    let url = masked(&config.url);
    let mut options = PgConnectOptions::from_str(&config.url)
        .map_err(|error| ConnectError::of_postgres(url.clone(), "", error))?
        .disable_statement_logging();
    if options.get_application_name().is_none() {
        options = options.application_name("warren");
    }
    let name = options.get_database().unwrap_or(options.get_username()).to_owned();
    let options = answering(config, options, &name).await?;

    let readers = config.max_connections.saturating_sub(POSTGRES_KEPT + 1).max(1);
    // Those that are kept are taken out of the pool for good.
    let port = options.get_port();
    let writer = postgres_pool(config, POSTGRES_WRITERS, port).connect_lazy_with(options.clone());
    let pulse = pulse_pool(config, port).connect_lazy_with(options.clone());
    let patience = sign_of_life(config);
    let reader = postgres_pool(config, readers, port)
        .after_release(move |connection, _| {
            Box::pin(async move { given_up::ping(connection, patience).await.map(|()| true) })
        })
        .connect_lazy_with(options);
    Ok(Connections {
        writer: SqlxPostgresConnector::from_sqlx_postgres_pool(writer),
        reader: SqlxPostgresConnector::from_sqlx_postgres_pool(reader),
        pulse: SqlxPostgresConnector::from_sqlx_postgres_pool(pulse),
    })
}

/// A connection for each statement: the pool itself pings one that comes back, without a limit, and of a link that has just
/// fallen silent it would keep the only place.
fn pulse_pool(config: &DatabaseConfig, port: u16) -> PgPoolOptions {
    postgres_pool(config, 1, port).after_release(|_, _| Box::pin(async { Ok(false) }))
}

/// How long a connection may take to say that it is alive. Then there is still time to make another in its place.
fn sign_of_life(config: &DatabaseConfig) -> Duration {
    given_up::SIGN_OF_LIFE.min(config.connect_timeout / 2)
}

/// Each connection sends at once, and is asked whether it is alive before it is used, and not for ever.
fn postgres_pool(config: &DatabaseConfig, connections: u32, port: u16) -> PgPoolOptions {
    let patience = sign_of_life(config);
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(config.connect_timeout)
        .test_before_acquire(false)
        .after_connect(move |_, _| {
            Box::pin(async move {
                no_delay::of_connections_to(port);
                Ok(())
            })
        })
        .before_acquire(move |connection, _| {
            Box::pin(async move { given_up::ping(connection, patience).await.map(|()| true) })
        })
}

/// The options that the server answers to. Without a word about TLS in the URL, a server on this machine is asked without
/// first: there is no network to hide from.
async fn answering(
    config: &DatabaseConfig,
    options: PgConnectOptions,
    name: &str,
) -> Result<PgConnectOptions, ConnectError> {
    let local = matches!(options.get_host(), "localhost" | "127.0.0.1" | "::1" | "[::1]");
    if local && matches!(options.get_ssl_mode(), PgSslMode::Prefer) && !config.url.contains("ssl") {
        let plain = options.clone().ssl_mode(PgSslMode::Disable);
        match probe(config, &plain, name).await {
            Ok(()) => return Ok(plain),
            // The server may insist on TLS.
            Err(ConnectError::Denied { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    probe(config, &options, name).await?;
    Ok(options)
}

/// Connects once, to hear what is wrong.
async fn probe(config: &DatabaseConfig, options: &PgConnectOptions, name: &str) -> Result<(), ConnectError> {
    let url = masked(&config.url);
    let connection = timeout(config.connect_timeout, options.connect())
        .await
        .map_err(|_| ConnectError::TimedOut { url: url.clone(), after: config.connect_timeout })?
        .map_err(|error| ConnectError::of_postgres(url.clone(), name, error))?;
    connection.close().await.map_err(|error| ConnectError::other(url, error))
}

async fn open_sqlite(config: &DatabaseConfig) -> Result<Connections, ConnectError> {
    let options = SqliteConnectOptions::from_str(&config.url)
        .map_err(|error| ConnectError::of_sqlite(config.url.clone(), error))?
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(config.busy_timeout)
        .foreign_keys(true)
        .disable_statement_logging();
    if is_in_memory(&config.url) {
        // The database is its connection: there is one, and it is never closed.
        let only = sqlite_pool(config, 1).min_connections(1).connect_with(options).await;
        let only = only.map_err(|error| ConnectError::of_sqlite(config.url.clone(), error))?;
        let only = SqlxSqliteConnector::from_sqlx_sqlite_pool(only);
        return Ok(Connections { writer: only.clone(), reader: only.clone(), pulse: only });
    }
    folder_exists(config, options.get_filename())?;
    open_when_not_busy(config, &options).await?;
    let readers = config.max_connections.saturating_sub(1).max(1);
    let pool = |connections| sqlite_pool(config, connections).before_acquire(has_ended);
    let writer = pool(1).connect_lazy_with(for_many_rows(options.clone()));
    let reader = pool(readers).connect_lazy_with(options);
    let writer = SqlxSqliteConnector::from_sqlx_sqlite_pool(writer);
    let reader = SqlxSqliteConnector::from_sqlx_sqlite_pool(reader);
    // There is one that writes.
    Ok(Connections { pulse: writer.clone(), writer, reader })
}

/// Whether a connection can be used again; otherwise it is closed, and another is made. A commit that fails, and one row alone that finds the
/// disk full, are rolled back by SQLite itself; the driver rolls back once more, is told that there is nothing, and takes the
/// transaction for open ever after.
fn has_ended(connection: &mut SqliteConnection, _: PoolConnectionMetadata) -> BoxFuture<'_, Result<bool, sqlx::Error>> {
    let has_ended = !connection.is_in_transaction();
    Box::pin(async move { Ok(has_ended) })
}

/// A flush of a thousand rows changes some thousand pages here and there. By default those that do not fit into two megabytes are written
/// to the log before the flush is over, and once more when they change again; what a statement would need to be taken back goes to a
/// file; and each thousand pages of the log are copied to where they belong.
fn for_many_rows(options: SqliteConnectOptions) -> SqliteConnectOptions {
    options
        // In KiB, if negative.
        .pragma("cache_size", "-16000")
        .pragma("temp_store", "MEMORY")
        // In pages of 4 KiB: when 40 MB of log are copied, by the commit that finds so much.
        .pragma("wal_autocheckpoint", "10000")
}

fn is_in_memory(url: &str) -> bool {
    url.contains(":memory:") || url.contains("mode=memory")
}

fn sqlite_pool(config: &DatabaseConfig, connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(config.connect_timeout)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
}

fn folder_exists(config: &DatabaseConfig, file: &Path) -> Result<(), ConnectError> {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() && !folder.is_dir() => {
            Err(ConnectError::NoSuchFolder { url: config.url.clone(), folder: folder.to_owned() })
        }
        _ => Ok(()),
    }
}

/// Opens and closes the file once: creates it, makes it WAL, and finds out whether it can be written.
async fn open_when_not_busy(config: &DatabaseConfig, options: &SqliteConnectOptions) -> Result<(), ConnectError> {
    let deadline = Instant::now() + config.connect_timeout;
    loop {
        match open_once(options).await {
            Ok(()) => return Ok(()),
            Err(error) if is_busy(&error) && Instant::now() < deadline => sleep(BUSY_PAUSE).await,
            Err(error) => return Err(ConnectError::of_sqlite(config.url.clone(), error)),
        }
    }
}

async fn open_once(options: &SqliteConnectOptions) -> Result<(), sqlx::Error> {
    let mut connection = options.connect().await?;
    // An opened file may still be one that this user can't write to. Takes the write lock, changes nothing.
    sqlx::query("BEGIN IMMEDIATE").execute(&mut connection).await?;
    sqlx::query("ROLLBACK").execute(&mut connection).await?;
    connection.close().await
}

fn is_busy(error: &sqlx::Error) -> bool {
    const BUSY: u32 = 5;
    const LOCKED: u32 = 6;
    let code = error.as_database_error().and_then(|error| error.code()?.parse::<u32>().ok());
    code.is_some_and(|code| [BUSY, LOCKED].contains(&(code & 0xff)))
}
