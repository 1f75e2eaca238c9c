//! `/v1/components/{name}/usage`: what the tasks of a component used.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    extract::{Path, State},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::problem::Problem;
use crate::{
    lifecycle::{Spread, Usage},
    service::Service,
};

/// How the attempts at the newest thousand tasks of a component ended, and what they used.
#[derive(Debug, Serialize, ToSchema)]
pub struct UsageView {
    /// How many tasks that is, of those that have an attempt.
    tasks: usize,
    /// All attempts at them.
    attempts: usize,
    /// Those that returned a result.
    completed: usize,
    /// Those that failed, by the class of their error.
    failed: BTreeMap<String, usize>,
    /// Processor time, in microseconds. Counts, like what follows, attempts that were executed to their end.
    cpu_us: Option<SpreadView>,
    /// From the beginning of the attempt to its end, in microseconds.
    wall_us: Option<SpreadView>,
    /// The most memory at once, in bytes.
    memory_bytes: Option<SpreadView>,
}

/// Percentiles, by the nearest rank.
#[derive(Debug, Serialize, ToSchema)]
struct SpreadView {
    p50: i64,
    p99: i64,
}

impl From<Usage> for UsageView {
    fn from(usage: Usage) -> Self {
        let spread = |spread: Option<Spread>| spread.map(|Spread { p50, p99 }| SpreadView { p50, p99 });
        Self {
            tasks: usage.tasks,
            attempts: usage.attempts,
            completed: usage.completed,
            failed: usage.failed,
            cpu_us: spread(usage.cpu_us),
            wall_us: spread(usage.wall_us),
            memory_bytes: spread(usage.memory_bytes),
        }
    }
}

/// Read how the newest tasks of a component ended, and what they used.
#[utoipa::path(get, path = "/v1/components/{name}/usage", tag = "components", params(("name" = String, Path)), responses(
    (status = 200, description = "of a component without tasks, zeros", body = UsageView),
))]
pub(super) async fn usage(
    State(service): State<Arc<Service>>,
    Path(name): Path<String>,
) -> Result<Json<UsageView>, Problem> {
    Ok(Json(service.parts().database.usage_of(&name).await?.into()))
}
