//! Which runtime deletes what is old: one at a time, by a row with an end.
//!
//! A row and no lock of the session's: it holds behind a pool that gives each statement another connection, and what a runtime
//! leaves behind that dies runs out by itself. Should two be at it all the same, nothing is harmed.

use std::time::Duration;

use sea_orm::{ConnectionTrait, Statement, Value};

use super::super::{Database, QueryError};

/// There is one row.
const NAME: &str = "retention";

impl Database {
    /// Takes the right to delete what is old for so long. False: its time has not come yet, or another runtime has it.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn claim_retention(&self, runtime_id: &str, hold: Duration) -> Result<bool, QueryError> {
        let now = self.clock().now();
        let sql = "INSERT INTO retention_claim (name, runtime_id, claimed_until) VALUES ($1, $2, $3) \
                   ON CONFLICT (name) DO UPDATE SET runtime_id = excluded.runtime_id, \
                   claimed_until = excluded.claimed_until WHERE retention_claim.claimed_until <= $4";
        self.set_claim(sql, [NAME.into(), runtime_id.into(), (now + hold).into(), now.into()]).await
    }

    /// Keeps the right for so long from now, or has nobody take it before that. False: another runtime has it meanwhile.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn keep_retention(&self, runtime_id: &str, hold: Duration) -> Result<bool, QueryError> {
        let until = self.clock().now() + hold;
        let sql = "UPDATE retention_claim SET claimed_until = $3 WHERE name = $1 AND runtime_id = $2";
        self.set_claim(sql, [NAME.into(), runtime_id.into(), until.into()]).await
    }

    async fn set_claim<const N: usize>(&self, sql: &str, values: [Value; N]) -> Result<bool, QueryError> {
        let statement = Statement::from_sql_and_values(self.backend.sea_orm(), sql, values);
        Ok(self.single_writes().execute_raw(statement).await?.rows_affected() > 0)
    }
}
