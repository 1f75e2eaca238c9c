//! Which tasks a list has, as a condition that the indexes of `task_store` serve.
//!
//! Each word of the filter (but `message_id` without its producer) has an index that gives its rows newest first, or rows so few that
//! they can be sorted; what two of them together cost is in `docs/operating.md`. A list that none of them makes short is given up, with
//! an advice.

use std::time::Duration;

use entity::{TaskStatus, task_store, task_store::Column};
use event_driven::message::ShortText;
use sea_orm::{
    ColumnTrait, EntityTrait, QueryFilter, Select,
    sea_query::{Expr, ExprTrait},
};
use uuid::Uuid;

use super::{
    super::{Database, database::Backend, id_of_malformed, id_of_message},
    Moment,
    delayed::is_delayed,
    states::LONGEST_ATTEMPT,
};
use crate::outcome::ErrorClass;

/// Which tasks to list; what is `None` does not restrict.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TaskFilter {
    /// Those that stand so.
    pub status: Option<TaskStatus>,
    /// Those of this component.
    pub task_name: Option<String>,
    /// Those of this producer.
    pub producer_app: Option<String>,
    /// Those of this correlation id.
    pub correlation_id: Option<String>,
    /// Those whose message has this id. If [`Self::producer_app`] is given as well they are found by their key.
    pub message_id: Option<String>,
    /// Those whose last attempt failed with an error of this class; also while they wait for the next one.
    pub class: Option<ErrorClass>,
    /// Those that were first seen then or later.
    pub since: Option<Moment>,
    /// Those that were first seen before.
    pub until: Option<Moment>,
    /// Those that are not over and to which nothing has happened for this long: RUNNING in a runtime that is gone, or
    /// PENDING. Their message may be lost; or it still waits, in its queue or for its retry.
    pub stuck_for: Option<Duration>,
}

impl TaskFilter {
    /// What to ask instead if the list takes too long.
    pub(super) fn advice(&self) -> &'static str {
        if self.message_id.is_some() && self.producer_app.is_none() {
            return "say whose message it is, as --producer shop (over HTTP: producer_app=shop)";
        }
        match self.since {
            None => "say since when, as --since 1h (over HTTP: since=1h)",
            Some(_) => "ask for a shorter time, by --since and --until (over HTTP: since and until)",
        }
    }

    /// The keys that the rows of its message can have, if it says which message. None for texts that no message has.
    fn keys(&self) -> Option<Vec<Uuid>> {
        let (producer, message) = (self.producer_app.as_deref()?, self.message_id.as_deref()?);
        let (Ok(producer), Ok(message)) = (ShortText::new(producer), ShortText::new(message)) else {
            return Some(Vec::new());
        };
        Some(vec![id_of_message(&producer, &message), id_of_malformed(&producer, &message)])
    }
}

impl Database {
    pub(super) fn filtered(&self, filter: &TaskFilter) -> Select<task_store::Entity> {
        let mut tasks = task_store::Entity::find();
        if let Some(status) = filter.status {
            tasks = tasks.filter(Column::Status.eq(status));
            if status != TaskStatus::Completed {
                // The condition of the partial index, spelled out: a parameter would not let the planner prove it.
                tasks = tasks.filter(Expr::cust("status <> 'COMPLETED'"));
            }
        }
        let texts = [
            (Column::TaskName, &filter.task_name),
            (Column::ProducerApp, &filter.producer_app),
            (Column::CorrelationId, &filter.correlation_id),
            (Column::MessageId, &filter.message_id),
        ];
        for (column, text) in texts {
            if let Some(text) = text {
                tasks = tasks.filter(column.eq(text.as_str()));
            }
        }
        if let Some(keys) = filter.keys() {
            tasks = tasks.filter(Column::IdTask.is_in(keys));
        }
        if let Some(class) = filter.class {
            // As in the index, whose condition stands beside it for the same reason as above.
            tasks = tasks.filter(Expr::cust("error IS NOT NULL"));
            tasks = tasks.filter(Expr::cust(self.backend.class_of_error()).eq(class.as_str()));
        }
        let now = self.clock().now();
        if let Some(since) = filter.since {
            tasks = tasks.filter(Column::CreatedAt.gte(since.resolve(now)));
        }
        if let Some(until) = filter.until {
            tasks = tasks.filter(Column::CreatedAt.lt(until.resolve(now)));
        }
        match filter.stuck_for {
            Some(time) => {
                // Follows from what comes then, and spares the rows of a backlog that is young. The database's clock may differ
                // from what is known of it by some milliseconds.
                let young = Moment::Ago(time.saturating_sub(Duration::from_secs(1))).resolve(now);
                tasks.filter(Column::CreatedAt.lte(young)).filter(self.is_stuck(time)).filter(is_delayed().not())
            }
            None => tasks,
        }
    }

    /// A row is touched when it is made, and when an attempt begins and ends.
    fn is_stuck(&self, time: Duration) -> Expr {
        let backend = self.backend;
        let touched = "coalesce((SELECT max(coalesce(a.finished_at, a.started_at)) FROM task_attempt a \
                       WHERE a.id_task = task_store.id_task), task_store.started_at, task_store.created_at)";
        let young = backend.is_younger(touched, &time.as_secs_f64().to_string());
        let alive = backend.alive("task_store.runtime_id");
        let may_run = backend.is_younger("task_store.started_at", &LONGEST_ATTEMPT.as_secs_f64().to_string());
        // Literal, so that the planner can prove the condition of the partial index.
        Expr::cust(format!(
            "task_store.status <> 'COMPLETED' AND task_store.status IN ('PENDING', 'RUNNING') \
             AND (task_store.status = 'PENDING' OR NOT ({alive} AND {may_run})) AND NOT {young}"
        ))
    }
}

impl Backend {
    /// What an error begins with, letter by letter as in the index of the migration `task_reading`.
    fn class_of_error(self) -> &'static str {
        match self {
            Self::Postgres => "split_part(error, ':', 1)",
            Self::Sqlite => "substr(error, 1, instr(error, ':') - 1)",
        }
    }
}
