//! Messages of tasks that wait for their time, in a table: they survive everything that rows survive.
//!
//! Any number of runtimes may publish what is due: each claims some for a while, publishes them, and forgets them. One that
//! dies in between leaves its claims to run out; what it had published already is published again then, and found by its
//! `message_id` to be done.

use std::time::Duration;

use chrono::{DateTime, Utc};
use entity::{delayed_task, delayed_task::Column, task_store};
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, ExprTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect, Statement,
    sea_query::{Expr, OnConflict, Query},
};
use uuid::Uuid;

use super::super::{Database, QueryError, TaskRow, database::Backend};

/// How many are claimed at once; each may carry a payload of some megabytes.
pub(crate) const CLAIM: usize = 256;

/// For how long a claim holds: longer than the broker takes to confirm.
const HOLD: Duration = Duration::from_secs(30);

impl Database {
    /// Commits the row of a task and the message that is to be published later. What is there of either stays as it is.
    ///
    /// # Errors
    /// See [`QueryError`]; what is refused is the row's own data.
    pub async fn delay(&self, row: TaskRow, message: delayed_task::Model) -> Result<(), QueryError> {
        self.insert_pending(row).await?;
        // In another order, this one might be published before its row is there.
        let unknown = OnConflict::column(Column::IdTask).do_nothing().to_owned();
        delayed_task::Entity::insert(message.into_active_model())
            .on_conflict(unknown)
            .exec_without_returning(self.single_writes())
            .await?;
        Ok(())
    }

    /// Some of the messages whose time has come, the earliest first, for this runtime alone to publish.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn claim_due(&self) -> Result<Vec<delayed_task::Model>, QueryError> {
        let now = self.clock().now();
        let skip = match self.backend {
            Backend::Postgres => "FOR UPDATE SKIP LOCKED",
            Backend::Sqlite => "",
        };
        let sql = format!(
            "UPDATE delayed_task SET claimed_until = $2 WHERE id_task IN (\
             SELECT id_task FROM delayed_task WHERE due_at <= $1 AND (claimed_until IS NULL OR claimed_until <= $1) \
             ORDER BY due_at LIMIT {CLAIM} {skip}) RETURNING *"
        );
        let values = [now.into(), (now + HOLD).into()];
        let statement = Statement::from_sql_and_values(self.backend.sea_orm(), sql, values);
        let mut due = delayed_task::Entity::find().from_raw_sql(statement).all(self.single_writes()).await?;
        due.sort_by_key(|message| message.due_at);
        Ok(due)
    }

    /// Forgets messages that were published, or are not to be.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn forget_delayed(&self, ids: &[Uuid]) -> Result<(), QueryError> {
        let these = delayed_task::Entity::delete_many().filter(Column::IdTask.is_in(ids.iter().copied()));
        these.exec(self.single_writes()).await?;
        Ok(())
    }

    /// Gives messages up that were claimed and could not be published.
    ///
    /// # Errors
    /// See [`QueryError`]. The claims run out then.
    pub async fn give_up_claims(&self, ids: &[Uuid]) -> Result<(), QueryError> {
        let these = delayed_task::Entity::update_many()
            .col_expr(Column::ClaimedUntil, Expr::value(Option::<DateTime<Utc>>::None))
            .filter(Column::IdTask.is_in(ids.iter().copied()));
        these.exec(self.single_writes()).await?;
        Ok(())
    }

    /// When the next message is due that nobody has claimed.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn next_due(&self) -> Result<Option<DateTime<Utc>>, QueryError> {
        let free =
            Condition::any().add(Column::ClaimedUntil.is_null()).add(Column::ClaimedUntil.lte(self.clock().now()));
        let next = delayed_task::Entity::find().select_only().column(Column::DueAt).filter(free);
        Ok(next.order_by_asc(Column::DueAt).limit(1).into_tuple().one(&self.reader).await?)
    }

    /// When the message of this task is due; `None` if it does not wait for its time.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn due_at(&self, id: Uuid) -> Result<Option<DateTime<Utc>>, QueryError> {
        Ok(delayed_task::Entity::find_by_id(id).one(&self.reader).await?.map(|message| message.due_at))
    }
}

/// Whether the task of a row waits for its time.
pub(super) fn is_delayed() -> Expr {
    let same =
        Expr::col((delayed_task::Entity, Column::IdTask)).equals((task_store::Entity, task_store::Column::IdTask));
    Expr::exists(Query::select().expr(Expr::value(1)).from(delayed_task::Entity).and_where(same).take())
}
