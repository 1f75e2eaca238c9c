//! Ticks of schedules: each becomes a message that is due, once, whichever runtime finds it first.
//!
//! All of a look happens in one transaction: the message in `delayed_task`, the row of its task, the schedule's next time.
//! A runtime that dies in it leaves nothing behind, one that dies later a message that any other publishes. Two that look at
//! once take different schedules; and a tick that is made twice all the same has the same id.

use chrono::{DateTime, TimeDelta, Utc};
use event_driven::{message::ShortText, names::TaskName};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, QueryResult, Statement, TransactionTrait, Value};

use super::super::{
    Database, QueryError,
    database::Backend,
    id_of_message, sqlite,
    verdict::{Verdict, verdict},
};
use crate::schedule::{PRODUCER, Step, Timetable, message_id};

/// How many schedules are looked at in one transaction. Payloads stay in the database.
const AT_ONCE: usize = 32;

/// For how long a schedule is left alone that can't be read, or whose tick is refused: no error each second.
pub(super) const PUT_OFF: TimeDelta = TimeDelta::hours(1);

/// A schedule that is due.
struct Due {
    name: String,
    cron: String,
    time_zone: String,
    task_name: String,
    next_at: DateTime<Utc>,
    touched_at: DateTime<Utc>,
}

impl Database {
    /// Makes the ticks that are due, some of them at a time; of several that a schedule has missed, the latest. Gives whether
    /// there may be more.
    ///
    /// # Errors
    /// See [`QueryError`]; nothing is changed then.
    pub async fn make_ticks(&self) -> Result<bool, QueryError> {
        let transaction = match self.backend {
            Backend::Postgres => self.single_writes().begin().await?,
            Backend::Sqlite => sqlite::begin(self.single_writes()).await?,
        };
        let now = self.clock().now();
        let rows = transaction.query_all_raw(self.due_schedules(now)).await?;
        for row in &rows {
            let schedule = due(row)?;
            match schedule.step(now) {
                Ok(Step::Tick { at, next_at }) => {
                    let tick = Tick { schedule: &schedule, at };
                    match self.make_tick(&transaction, &tick, now).await {
                        Ok(()) => self.ticked(&transaction, &schedule, at, next_at).await?,
                        Err(QueryError::Refused(error)) if verdict(&error) == Verdict::Refused => {
                            self.put_off(&transaction, &schedule, &error.to_string(), now).await?;
                        }
                        // It may pass (no memory, a disk that is full): it is tried again at the next look, and the others go on.
                        Err(QueryError::Refused(error)) => {
                            let name = &schedule.name;
                            tracing::warn!(schedule.name = %name, "the tick of schedule {name} waits: {error}");
                        }
                        Err(error) => return Err(error),
                    }
                }
                Ok(Step::CountAnew { next_at }) => self.count_anew(&transaction, &schedule, next_at, now).await?,
                Ok(Step::Wait) => {}
                Err(reason) => self.put_off(&transaction, &schedule, &reason, now).await?,
            }
        }
        transaction.commit().await?;
        Ok(rows.len() == AT_ONCE)
    }

    /// When [`Self::make_ticks`] has something to do next; `None`: there is no schedule.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn next_tick(&self) -> Result<Option<DateTime<Utc>>, QueryError> {
        let sql = format!(
            "SELECT next_at, {} > $1 AS is_ahead FROM schedule ORDER BY is_ahead DESC, next_at LIMIT 1",
            self.touched()
        );
        let now = self.clock().now();
        let statement = Statement::from_sql_and_values(self.backend.sea_orm(), sql, [Step::ahead(now).into()]);
        let Some(row) = self.reader.query_one_raw(statement).await? else { return Ok(None) };
        let is_ahead: bool = row.try_get("", "is_ahead")?;
        Ok(Some(if is_ahead { now } else { row.try_get("", "next_at")? }))
    }

    /// The later of the times that say what the clock was.
    fn touched(&self) -> &'static str {
        match self.backend {
            Backend::Postgres => "greatest(last_at, created_at)",
            Backend::Sqlite => "coalesce(max(last_at, created_at), created_at)",
        }
    }

    fn due_schedules(&self, now: DateTime<Utc>) -> Statement {
        let skip = match self.backend {
            Backend::Postgres => "FOR UPDATE SKIP LOCKED",
            Backend::Sqlite => "",
        };
        let touched = self.touched();
        let sql = format!(
            "SELECT name, cron, time_zone, task_name, next_at, {touched} AS touched_at FROM schedule \
             WHERE next_at <= $1 OR {touched} > $2 ORDER BY next_at LIMIT {AT_ONCE} {skip}"
        );
        Statement::from_sql_and_values(self.backend.sea_orm(), sql, [now.into(), Step::ahead(now).into()])
    }

    /// The message and the row of a tick's task; what is there of either stays as it is. Refused, nothing is changed.
    async fn make_tick(
        &self,
        transaction: &DatabaseTransaction,
        tick: &Tick<'_>,
        now: DateTime<Utc>,
    ) -> Result<(), QueryError> {
        let jsonb = match self.backend {
            Backend::Postgres => "::jsonb",
            Backend::Sqlite => "",
        };
        let message = "INSERT INTO delayed_task \
             (id_task, due_at, routing_key, task_name, payload, producer_app, correlation_id, message_id) \
             SELECT $1, $2, $3, task_name, payload, $4, $5, $5 FROM schedule WHERE name = $6 \
             ON CONFLICT (id_task) DO NOTHING";
        let row = format!(
            "INSERT INTO task_store (id_task, created_at, routing_key, task_name, payload, producer_app, correlation_id, \
             message_id, status, attempt) \
             SELECT $1, $2, $3, task_name, payload{jsonb}, $4, $5, $5, 'PENDING', 0 FROM schedule WHERE name = $6 \
             ON CONFLICT (id_task) DO NOTHING"
        );
        // What the database refuses ends this part alone.
        let part = transaction.begin().await?;
        for (sql, time) in [(message, tick.at), (row.as_str(), now)] {
            let statement = Statement::from_sql_and_values(self.backend.sea_orm(), sql, tick.values(time));
            if let Err(error) = part.execute_raw(statement).await {
                part.rollback().await?;
                return Err(error.into());
            }
        }
        Ok(part.commit().await?)
    }

    async fn ticked(
        &self,
        transaction: &DatabaseTransaction,
        schedule: &Due,
        at: DateTime<Utc>,
        next_at: DateTime<Utc>,
    ) -> Result<(), QueryError> {
        let sql = "UPDATE schedule SET last_at = $2, next_at = $3 WHERE name = $1";
        self.change_schedule(transaction, sql, [schedule.name.as_str().into(), at.into(), next_at.into()]).await
    }

    /// What it says of a time that has not come yet is forgotten.
    async fn count_anew(
        &self,
        transaction: &DatabaseTransaction,
        schedule: &Due,
        next_at: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<(), QueryError> {
        let sql = "UPDATE schedule SET next_at = $2, last_at = CASE WHEN last_at <= $3 THEN last_at END, \
                   created_at = CASE WHEN created_at <= $3 THEN created_at ELSE $3 END WHERE name = $1";
        self.change_schedule(transaction, sql, [schedule.name.as_str().into(), next_at.into(), now.into()]).await
    }

    async fn put_off(
        &self,
        transaction: &DatabaseTransaction,
        schedule: &Due,
        reason: &str,
        now: DateTime<Utc>,
    ) -> Result<(), QueryError> {
        let name = &schedule.name;
        tracing::error!(schedule.name = %name, "schedule {name} has no tick, and is looked at again in an hour: {reason}");
        self.count_anew(transaction, schedule, now + PUT_OFF, now).await
    }

    async fn change_schedule<const N: usize>(
        &self,
        transaction: &DatabaseTransaction,
        sql: &str,
        values: [Value; N],
    ) -> Result<(), QueryError> {
        transaction.execute_raw(Statement::from_sql_and_values(self.backend.sea_orm(), sql, values)).await?;
        Ok(())
    }
}

impl Due {
    /// The inner error: only a hand in the table, or a database of zones without this one, makes it so.
    fn step(&self, now: DateTime<Utc>) -> Result<Step, String> {
        for name in [&self.name, &self.task_name] {
            TaskName::new(name).map_err(|error| error.to_string())?;
        }
        let timetable = Timetable::parse(&self.cron, &self.time_zone).map_err(|error| error.to_string())?;
        Step::of(&timetable, self.next_at, self.touched_at, now).ok_or_else(|| "no time is left for it".to_owned())
    }
}

/// A tick that is to be made.
struct Tick<'a> {
    schedule: &'a Due,
    at: DateTime<Utc>,
}

impl Tick<'_> {
    /// The parameters of both its statements.
    fn values(&self, time: DateTime<Utc>) -> [Value; 6] {
        let short = |text: &str| ShortText::new(text).expect("it has some bytes, 94 at most, and none is NUL");
        let message_id = message_id(&self.schedule.name, self.at);
        [
            id_of_message(&short(PRODUCER), &short(&message_id)).into(),
            time.into(),
            format!("routing.task.run.{}", self.schedule.task_name).into(),
            PRODUCER.into(),
            message_id.into(),
            self.schedule.name.as_str().into(),
        ]
    }
}

fn due(row: &QueryResult) -> Result<Due, DbErr> {
    Ok(Due {
        name: row.try_get("", "name")?,
        cron: row.try_get("", "cron")?,
        time_zone: row.try_get("", "time_zone")?,
        task_name: row.try_get("", "task_name")?,
        next_at: row.try_get("", "next_at")?,
        touched_at: row.try_get("", "touched_at")?,
    })
}
