//! Bounds how long the database may look for the rows of a list that a person asked for.
//!
//! Nobody waits for it longer, and what reads ten million rows takes the disk from those that write. Postgres itself gives the
//! statement up: a question that only its asker forgets goes on at the server.

use std::time::Duration;

use sea_orm::{ConnectionTrait, Selector, SelectorTrait, TransactionTrait};
use tokio::time::timeout;

use super::super::{Database, QueryError, database::Backend, verdict::ran_out_of_time};

/// How long a list may take: a hundred times as long as one that an index serves.
const LONGEST: Duration = Duration::from_secs(5);

impl Database {
    /// The rows, or `advice` how to ask for fewer.
    pub(super) async fn read_bounded<S>(
        &self,
        rows: Selector<S>,
        advice: &'static str,
    ) -> Result<Vec<S::Item>, QueryError>
    where
        S: SelectorTrait + Send,
        S::Item: Send,
    {
        let too_wide = QueryError::TooWide { limit: LONGEST, advice };
        match self.backend {
            Backend::Postgres => {
                // For this transaction alone: it goes with it, also behind a pool of connections that others share.
                let transaction = self.reader.begin().await?;
                let limit = format!("SET LOCAL statement_timeout = {}", LONGEST.as_millis());
                transaction.execute_unprepared(&limit).await?;
                match rows.all(&transaction).await {
                    Err(error) if ran_out_of_time(&error) => Err(too_wide),
                    rows => {
                        let rows = rows?;
                        transaction.commit().await?;
                        Ok(rows)
                    }
                }
            }
            // What was given up ends with the next row that is found.
            Backend::Sqlite => match timeout(LONGEST, rows.all(&self.reader)).await {
                Ok(rows) => Ok(rows?),
                Err(_) => Err(too_wide),
            },
        }
    }
}
