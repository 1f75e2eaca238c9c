//! The transaction that only one runtime at a time can be in.

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, SqliteTransactionMode, Statement,
    TransactionOptions, TransactionTrait,
};

/// The key of Postgres' advisory lock: `warren` in ASCII. Advisory locks are kept per database.
const LOCK: i64 = 0x7761_7272_656e;

/// Begins a transaction that excludes every other one begun here, in any process, until it ends.
///
/// Postgres: an advisory lock that goes with the transaction, so that a killed runtime can't leave it behind. SQLite:
/// `BEGIN IMMEDIATE` takes the only write lock there is; who waits longer than the connection's `busy_timeout` gets
/// an error.
pub(crate) async fn begin(db: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    let options = TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    };
    let transaction = db.begin_with_options(options).await?;
    if transaction.get_database_backend() == DbBackend::Postgres {
        // An index over millions of rows takes its time, whatever a role's statements are given otherwise.
        transaction.execute_unprepared("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0").await?;
        let lock =
            Statement::from_sql_and_values(DbBackend::Postgres, "SELECT pg_advisory_xact_lock($1)", [LOCK.into()]);
        transaction.execute_raw(lock).await?;
    }
    Ok(transaction)
}
