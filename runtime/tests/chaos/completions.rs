//! When each task was first seen COMPLETED in the database: asked for all the time, past every proxy.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr, Statement};
use uuid::Uuid;

use crate::executions::{Execution, Executions, ProcessId};

/// The pause between two looks.
pub(crate) const LOOK: Duration = Duration::from_millis(50);

/// Rows whose end is not older than this are looked at: by then each has been committed, and seen.
const WINDOW: &str = "2 minutes";

/// The time at which each task was first seen COMPLETED.
#[derive(Default)]
pub(crate) struct Completions(Mutex<HashMap<Uuid, DateTime<Utc>>>);

impl Completions {
    /// Looks for ever. While the database is away there is nothing to see.
    pub(crate) async fn watch(self: Arc<Self>, database: DatabaseConnection) {
        loop {
            // A row was committed before the answer came, so the time after it is one at which it was there.
            if let Ok(ids) = completed(&database).await {
                let now = Utc::now();
                let mut seen = self.lock();
                for id in ids {
                    seen.entry(id).or_insert(now);
                }
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    pub(crate) fn all(&self) -> HashMap<Uuid, DateTime<Utc>> {
        self.lock().clone()
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    /// When the first task was seen COMPLETED whose execution was begun after `since` by this process or a later one of
    /// its runtime: deliveries come in, guests run, rows are committed again.
    pub(crate) fn first_since(
        &self,
        since: DateTime<Utc>,
        by: ProcessId,
        executions: &Executions,
    ) -> Option<DateTime<Utc>> {
        let is_by = |one: &Execution| one.by.runtime == by.runtime && one.by.started >= by.started && one.at > since;
        let is_after = |id: Uuid| executions.of(id).iter().any(is_by);
        let seen = self.lock();
        seen.iter().filter(|(id, at)| **at > since && is_after(**id)).map(|(_, at)| *at).min()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Uuid, DateTime<Utc>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn completed(database: &DatabaseConnection) -> Result<Vec<Uuid>, DbErr> {
    let sql = format!(
        "SELECT id_task FROM task_store WHERE status = 'COMPLETED' AND finished_at > now() - interval '{WINDOW}'"
    );
    let ask = database.query_all_raw(Statement::from_string(DbBackend::Postgres, sql));
    let patience = Duration::from_secs(5);
    let rows = tokio::time::timeout(patience, ask).await.unwrap_or_else(|_| Err(DbErr::Custom("no answer".into())))?;
    rows.iter().map(|row| row.try_get("", "id_task")).collect()
}
