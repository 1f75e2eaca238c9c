//! Rows as a service would record them.

#![allow(dead_code, reason = "each suite uses a part of it")]

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;
use warren::lifecycle::{EventRow, TaskRow, TaskStatus};

/// The second `n` of the tests' time.
pub(crate) fn at(n: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_785_571_200, 0).unwrap() + TimeDelta::seconds(n)
}

pub(crate) fn id(n: usize) -> Uuid {
    Uuid::from_u128(n as u128 + 1)
}

/// The task `n`, PENDING since second `n`.
pub(crate) fn pending(n: usize) -> TaskRow {
    TaskRow {
        correlation_id: Some(format!("order-{n}").into()),
        producer_app: Some("shop".into()),
        task_name: Some("process_order".into()),
        payload: Some(format!(r#"{{"order": {n}}}"#).into()),
        routing_key: Some("routing.task.process.order".into()),
        ..TaskRow::new(id(n), at(i64::try_from(n).unwrap()))
    }
}

/// The task `n` with its attempt `attempt` under way, begun in the second `begun`.
pub(crate) fn running(n: usize, attempt: u32, begun: i64) -> TaskRow {
    TaskRow {
        status: TaskStatus::Running,
        attempt,
        started_at: Some(at(begun)),
        runtime_id: Some("runtime-1".into()),
        component_digest: Some("sha256:1".into()),
        ..pending(n)
    }
}

/// The same, COMPLETED a second later.
pub(crate) fn completed(n: usize, attempt: u32, begun: i64) -> TaskRow {
    TaskRow {
        status: TaskStatus::Completed,
        result: Some(r#"{"done": true}"#.into()),
        finished_at: Some(at(begun + 1)),
        ..running(n, attempt, begun)
    }
}

/// The same, FAILED a second later.
pub(crate) fn failed(n: usize, attempt: u32, begun: i64) -> TaskRow {
    TaskRow {
        status: TaskStatus::Failed,
        error: Some("business: out of stock".into()),
        finished_at: Some(at(begun + 1)),
        ..running(n, attempt, begun)
    }
}

/// The event `n`, stored in second `n`.
pub(crate) fn event(n: usize) -> EventRow {
    EventRow {
        id: id(n),
        correlation_id: Some(format!("order-{n}").into()),
        producer_app: Some("shop".into()),
        created_at: at(i64::try_from(n).unwrap()),
        headers: Some(r#"{"x-attempt": 0}"#.into()),
        payload: Some(format!(r#"{{"order": {n}}}"#).into()),
        routing_key: "routing.event.create.order".into(),
        message_id: None,
        presumed_new: false,
    }
}
