//! A schema of a Postgres database, under a name that nobody else has.
//!
//! Every connection asks for it when it is made (`search_path`), so that the same code runs on the same kind of tables as
//! ever, and none can end up among those of the real service. While the measurement goes on, a connection holds a lock by the
//! schema's name: a schema whose lock is free has been left behind, and the next measurement removes it.

use std::str::FromStr;

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbBackend, DbErr, SqlxPostgresConnector, Statement,
    sqlx::postgres::{PgConnectOptions, PgPoolOptions},
};
use url::Url;
use uuid::Uuid;

use super::{super::BenchError, is_this_machine};
use crate::{lifecycle::Database, masked_url::masked};

/// How each of their names begins. The rest is a UUID.
const PREFIX: &str = "warren_bench_";

/// A schema that goes with its owner.
#[derive(Debug)]
pub(super) struct Schema {
    /// The database's, as the settings have it.
    server: String,
    name: String,
    /// The connection with the lock, once there may be a schema.
    keeper: Option<DatabaseConnection>,
}

impl Schema {
    pub(super) fn new(server: &str) -> Self {
        Self { server: server.to_owned(), name: format!("{PREFIX}{}", Uuid::now_v7().simple()), keeper: None }
    }

    /// The URL of the database that sees this schema alone. One that is none is told by who connects.
    pub(super) fn url(&self) -> String {
        let Ok(mut url) = Url::parse(&self.server) else { return self.server.clone() };
        // The last one counts, whatever the URL or the environment (PGOPTIONS) say before.
        url.query_pairs_mut().append_pair("options[search_path]", &self.name);
        url.into()
    }

    /// Makes it, after those that were left behind are removed. `database` is the one of [`url`](Self::url).
    pub(super) async fn make(&mut self, database: &Database) -> Result<(), BenchError> {
        let refused = |source| BenchError::NoSchema { url: masked(&self.server), source };
        let keeper = keeper(&self.server).map_err(refused)?;
        remove_left_behind(&keeper).await.map_err(refused)?;
        keeper.execute_unprepared(&format!("SELECT pg_advisory_lock({})", key(&self.name))).await.map_err(refused)?;
        let keeper = self.keeper.insert(keeper);
        let refused = |source| BenchError::NoSchema { url: masked(&self.server), source };
        keeper.execute_unprepared(&format!("CREATE SCHEMA {}", self.name)).await.map_err(refused)?;
        match current(database.connection()).await.map_err(refused)? {
            Some(found) if found == self.name => Ok(()),
            found => Err(BenchError::SchemaIgnored {
                url: masked(&self.server),
                found: found.unwrap_or_else(|| "unknown".to_owned()),
            }),
        }
    }

    pub(super) async fn remove(&mut self) -> Result<(), BenchError> {
        let Some(keeper) = self.keeper.take() else { return Ok(()) };
        let removed = keeper.execute_unprepared(&drop(&self.name)).await;
        // Its lock goes with it.
        let closed = keeper.close().await;
        let failed = BenchError::sql("the schema of the measurement can't be dropped: the next one does that");
        removed.map_err(&failed)?;
        closed.map_err(&failed)
    }

    /// Whether the server is on this machine.
    pub(super) async fn is_here(&self) -> bool {
        let Ok(options) = PgConnectOptions::from_str(&self.server) else { return false };
        let host = options.get_host();
        // A path is that of a socket.
        host.starts_with('/') || options.get_socket().is_some() || is_this_machine(host, options.get_port()).await
    }
}

/// One connection that stays: its lock is as old as itself.
fn keeper(server: &str) -> Result<DatabaseConnection, DbErr> {
    let options = PgConnectOptions::from_str(server).map_err(|error| DbErr::Custom(error.to_string()))?;
    let one = PgPoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None);
    Ok(SqlxPostgresConnector::from_sqlx_postgres_pool(one.connect_lazy_with(options)))
}

/// Those of measurements that did not end as they should. What can't be removed (another user's) is left.
async fn remove_left_behind(keeper: &DatabaseConnection) -> Result<(), DbErr> {
    let sql = format!("SELECT nspname::text FROM pg_namespace WHERE nspname LIKE '{}%'", PREFIX.replace('_', "\\_"));
    for row in keeper.query_all_raw(Statement::from_string(DbBackend::Postgres, sql)).await? {
        let name: String = row.try_get_by_index(0)?;
        // It stands in statements: only what is made here.
        let is_ours = name.strip_prefix(PREFIX).is_some_and(|rest| Uuid::try_parse(rest).is_ok());
        if is_ours && locks(keeper, &name).await? {
            // Two that begin at once may both try: to one of them it is gone, as it should be.
            let _ = keeper.execute_unprepared(&drop(&name)).await;
            keeper.execute_unprepared(&format!("SELECT pg_advisory_unlock({})", key(&name))).await?;
        }
    }
    Ok(())
}

async fn locks(keeper: &DatabaseConnection, name: &str) -> Result<bool, DbErr> {
    let sql = format!("SELECT pg_try_advisory_lock({})", key(name));
    let row = keeper.query_one_raw(Statement::from_string(DbBackend::Postgres, sql)).await?;
    row.map_or(Ok(false), |row| row.try_get_by_index(0))
}

/// Where a statement without a schema goes.
async fn current(connection: &DatabaseConnection) -> Result<Option<String>, DbErr> {
    let sql = "SELECT current_schema()::text";
    let row = connection.query_one_raw(Statement::from_string(DbBackend::Postgres, sql)).await?;
    row.map_or(Ok(None), |row| row.try_get_by_index(0))
}

fn key(name: &str) -> String {
    format!("hashtextextended('{name}', 0)")
}

fn drop(name: &str) -> String {
    format!("DROP SCHEMA IF EXISTS {name} CASCADE")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_connection_asks_for_the_schema() {
        let schema = Schema::new("postgres://u:p@h/db?options=-c%20search_path%3Dpublic");
        let options = PgConnectOptions::from_str(&schema.url()).unwrap();
        let asked = options.get_options().unwrap();
        assert!(asked.ends_with(&format!("-c search_path={}", schema.name)), "{asked}");
        assert_eq!(Schema::new("no url").url(), "no url");
    }
}
