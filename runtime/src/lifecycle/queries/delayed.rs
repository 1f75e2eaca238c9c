//! Messages of tasks that wait for their time, in a table: they survive everything that rows survive.
//!
//! Any number of runtimes may publish what is due: each claims some for a while, publishes them, and forgets them. A claim is
//! known by its end, so that who has lost it to another one forgets nothing. One that dies in between leaves its claims to run
//! out; what it had published already is published again then, unless the task is over.

use std::time::Duration;

use chrono::{DateTime, Utc};
use entity::{delayed_task, delayed_task::Column, task_store};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, ExprTrait, IntoActiveModel, Iterable, QueryFilter,
    QueryOrder, QueryResult, QuerySelect, Statement,
    sea_query::{Expr, OnConflict, Query},
};
use uuid::Uuid;

use super::super::{Database, QueryError, TaskRow, database::Backend};

/// How many are claimed at once. Claimed, not read: each may carry a payload of some megabytes.
const CLAIMED: usize = 1_024;

/// For how long a claim holds: twice as long as the broker may take to confirm.
const HOLD: Duration = Duration::from_secs(60);

/// Messages that are due, and this runtime's to publish until then.
#[derive(Debug)]
pub struct Claim {
    /// When it ends; no other claim ends in the same microsecond.
    until: DateTime<Utc>,
    /// The messages, the earliest first, each with the length of its payload in bytes.
    pub due: Vec<(Uuid, u64)>,
}

impl Claim {
    /// Whether there may be more than it has.
    pub fn is_full(&self) -> bool {
        self.due.len() == CLAIMED
    }

    /// Whether so much of it has passed that nothing should be begun any more.
    pub fn is_old(&self, now: DateTime<Utc>) -> bool {
        now + HOLD / 2 >= self.until
    }
}

impl Database {
    /// Commits the message that is to be published later, and the row of its task. What is there of either stays as it is,
    /// but for a message that is just being published: this one is another.
    ///
    /// # Errors
    /// See [`QueryError`]; what is refused is the row's own data, and nothing is kept then.
    pub async fn delay(&self, row: TaskRow, message: delayed_task::Model) -> Result<(), QueryError> {
        let id = row.id;
        let is_claimed = Expr::col((delayed_task::Entity, Column::ClaimedUntil)).is_not_null();
        let known =
            OnConflict::column(Column::IdTask).update_columns(Column::iter()).action_and_where(is_claimed).to_owned();
        // The message first: of two, a message makes its row when it comes, a row alone would wait for ever.
        delayed_task::Entity::insert(message.into_active_model())
            .on_conflict(known)
            .exec_without_returning(self.single_writes())
            .await?;
        match self.insert_pending(row).await {
            Err(refused @ QueryError::Refused(_)) => {
                delayed_task::Entity::delete_by_id(id).exec(self.single_writes()).await?;
                Err(refused)
            }
            inserted => inserted.map(drop),
        }
    }

    /// Some of the messages whose time has come, for this runtime alone to publish.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn claim_due(&self) -> Result<Claim, QueryError> {
        let now = self.clock().now();
        let until = now + HOLD;
        let (skip, length) = match self.backend {
            Backend::Postgres => ("FOR UPDATE SKIP LOCKED", "octet_length(payload)::int8"),
            Backend::Sqlite => ("", "length(CAST(payload AS BLOB))"),
        };
        let sql = format!(
            "UPDATE delayed_task SET claimed_until = $2 WHERE id_task IN (\
             SELECT id_task FROM delayed_task WHERE due_at <= $1 AND (claimed_until IS NULL OR claimed_until <= $1) \
             ORDER BY due_at LIMIT {CLAIMED} {skip}) RETURNING id_task, due_at, {length} AS bytes"
        );
        let statement = Statement::from_sql_and_values(self.backend.sea_orm(), sql, [now.into(), until.into()]);
        let rows = self.single_writes().query_all_raw(statement).await?;
        let mut due: Vec<(DateTime<Utc>, Uuid, u64)> = rows.iter().map(due).collect::<Result<_, _>>()?;
        due.sort_unstable();
        Ok(Claim { until, due: due.into_iter().map(|(_, id, bytes)| (id, bytes)).collect() })
    }

    /// These messages, the earliest first.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn delayed(&self, ids: &[Uuid]) -> Result<Vec<delayed_task::Model>, QueryError> {
        let these = delayed_task::Entity::find().filter(Column::IdTask.is_in(ids.iter().copied()));
        Ok(these.order_by_asc(Column::DueAt).all(&self.reader).await?)
    }

    /// Forgets messages that were published, or are not to be, as far as the claim still holds.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn forget_delayed(&self, claim: &Claim, ids: &[Uuid]) -> Result<(), QueryError> {
        delayed_task::Entity::delete_many().filter(of_claim(claim, ids)).exec(self.single_writes()).await?;
        Ok(())
    }

    /// Gives messages up that were claimed and not published: they are anybody's at once.
    ///
    /// # Errors
    /// See [`QueryError`]. The claims run out then.
    pub async fn give_up_claims(&self, claim: &Claim, ids: &[Uuid]) -> Result<(), QueryError> {
        let these = delayed_task::Entity::update_many()
            .col_expr(Column::ClaimedUntil, Expr::value(Option::<DateTime<Utc>>::None))
            .filter(of_claim(claim, ids));
        these.exec(self.single_writes()).await?;
        Ok(())
    }

    /// Has the message of a task published now. False: none waits.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn hasten(&self, id: Uuid) -> Result<bool, QueryError> {
        let this = delayed_task::Entity::update_many()
            .col_expr(Column::DueAt, Expr::value(self.clock().now()))
            .col_expr(Column::ClaimedUntil, Expr::value(Option::<DateTime<Utc>>::None))
            .filter(Column::IdTask.eq(id));
        Ok(this.exec(self.single_writes()).await?.rows_affected > 0)
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
        let this = delayed_task::Entity::find_by_id(id).select_only().column(Column::DueAt);
        Ok(this.into_tuple().one(&self.reader).await?)
    }
}

fn due(row: &QueryResult) -> Result<(DateTime<Utc>, Uuid, u64), DbErr> {
    let bytes: i64 = row.try_get("", "bytes")?;
    Ok((row.try_get("", "due_at")?, row.try_get("", "id_task")?, bytes.try_into().unwrap_or_default()))
}

fn of_claim(claim: &Claim, ids: &[Uuid]) -> Condition {
    Condition::all().add(Column::IdTask.is_in(ids.iter().copied())).add(Column::ClaimedUntil.eq(claim.until))
}

/// Whether the task of a row waits for its time.
pub(super) fn is_delayed() -> Expr {
    let same =
        Expr::col((delayed_task::Entity, Column::IdTask)).equals((task_store::Entity, task_store::Column::IdTask));
    Expr::exists(Query::select().expr(Expr::value(1)).from(delayed_task::Entity).and_where(same).take())
}
