//! Schedules: kept, read, taken away. Their ticks are in `ticks`.

use chrono::{DateTime, Utc};
use entity::{schedule, schedule::Column};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DerivePartialModel, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Statement,
};

use super::{
    super::{Database, QueryError, database::Backend},
    ticks::PUT_OFF,
};
use crate::schedule::{Schedule, is_same_json};

/// What became of a schedule that was to be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    /// It is kept.
    New,
    /// It was there before, just so; nothing was changed.
    Same,
    /// It has taken the place of another one of its name.
    Replaced,
    /// There is another one of its name; nothing was changed.
    Other,
}

/// A schedule without its payload; the fields are those of its row.
#[derive(Debug, Clone, PartialEq, Eq, DerivePartialModel)]
#[sea_orm(entity = "schedule::Entity")]
#[allow(missing_docs)]
pub struct ScheduleSummary {
    pub name: String,
    pub cron: String,
    pub time_zone: String,
    pub task_name: String,
    pub created_at: DateTime<Utc>,
    pub next_at: DateTime<Utc>,
    pub last_at: Option<DateTime<Utc>>,
}

impl Database {
    /// Keeps a schedule, from now on. One of its name with another content is replaced only if that is asked for.
    ///
    /// # Errors
    /// See [`QueryError`]; what is refused is the payload.
    pub async fn add_schedule(&self, schedule: &Schedule, replace: bool) -> Result<Added, QueryError> {
        loop {
            if self.write_schedule((INSERT, IF_NEW), schedule).await? {
                return Ok(Added::New);
            }
            let existing = self.find_schedule(schedule.name.as_str()).await?;
            match existing {
                // Someone has just taken it away.
                None => {}
                Some(existing) if is_the_same(&existing, schedule) => return Ok(Added::Same),
                Some(_) if !replace => return Ok(Added::Other),
                Some(_) if self.write_schedule((REPLACE, ""), schedule).await? => return Ok(Added::Replaced),
                Some(_) => {}
            }
        }
    }

    /// The schedule of this name, with everything that is stored of it.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn find_schedule(&self, name: &str) -> Result<Option<schedule::Model>, QueryError> {
        Ok(schedule::Entity::find_by_id(name.to_owned()).one(&self.reader).await?)
    }

    /// The first `limit` schedules by name; those after the name `after` if that is given.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn list_schedules(&self, limit: u64, after: Option<&str>) -> Result<Vec<ScheduleSummary>, QueryError> {
        let mut schedules = schedule::Entity::find().order_by_asc(Column::Name).limit(limit);
        if let Some(after) = after {
            schedules = schedules.filter(Column::Name.gt(after));
        }
        Ok(schedules.into_partial_model().all(&self.reader).await?)
    }

    /// Takes a schedule away. False: there is none of this name. Its ticks that were made stay.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn remove_schedule(&self, name: &str) -> Result<bool, QueryError> {
        let this = schedule::Entity::delete_by_id(name.to_owned());
        Ok(this.exec(self.single_writes()).await?.rows_affected > 0)
    }

    /// Whether a row was written, by a statement that is given without the end of its condition, and what follows that.
    async fn write_schedule(&self, (sql, rest): (&str, &str), schedule: &Schedule) -> Result<bool, QueryError> {
        let can_be_stored = match self.backend {
            // The row of each tick's task has it so: what can't be is refused now, not at each tick.
            Backend::Postgres => "$7::text::jsonb IS NOT NULL",
            Backend::Sqlite => "$7 IS NOT NULL",
        };
        let sql = format!("{sql} {can_be_stored} {rest}");
        let now = self.clock().now();
        let timetable = &schedule.timetable;
        let values = [
            schedule.name.as_str().into(),
            timetable.cron().into(),
            timetable.time_zone().into(),
            schedule.task_name.as_str().into(),
            now.into(),
            timetable.next_after(now).unwrap_or(now + PUT_OFF).into(),
            schedule.payload.as_str().into(),
        ];
        let statement = Statement::from_sql_and_values(self.backend.sea_orm(), sql, values);
        Ok(self.single_writes().execute_raw(statement).await?.rows_affected() > 0)
    }
}

const INSERT: &str = "INSERT INTO schedule (name, cron, time_zone, task_name, created_at, next_at, payload) \
                      SELECT $1, $2, $3, $4, $5, $6, $7 WHERE";
const IF_NEW: &str = "ON CONFLICT (name) DO NOTHING";

/// The time of its last tick stays: that belongs to the name.
const REPLACE: &str = "UPDATE schedule SET cron = $2, time_zone = $3, task_name = $4, created_at = $5, next_at = $6, \
                       payload = $7 WHERE name = $1 AND";

fn is_the_same(existing: &schedule::Model, schedule: &Schedule) -> bool {
    existing.cron == schedule.timetable.cron()
        && existing.time_zone == schedule.timetable.time_zone()
        && existing.task_name == schedule.task_name.as_str()
        && is_same_json(&existing.payload, schedule.payload.as_str())
}
