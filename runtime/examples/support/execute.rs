//! One execution in the sandbox, as a task would have it.

use std::{error::Error, sync::Arc};

use event_driven::names::Priority;
use uuid::Uuid;
use warren::{
    outcome::Outcome,
    sandbox::{Call, Program, Sandbox, TaskInfo},
};

/// Waits for a place, executes, and expects that it is COMPLETED.
pub async fn execute(
    sandbox: &Sandbox,
    program: Arc<Program>,
    payload: &str,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let info = TaskInfo {
        task_id: Uuid::nil(),
        task_name: "echo".into(),
        attempt: 0,
        correlation_id: "c".into(),
        producer_app: "p".into(),
    };
    let slot = sandbox.slot(&program, Priority::Normal).await.ok_or("the sandbox is stopped")?;
    let executed = sandbox.execute(slot, program, Call { info, payload: payload.into() }).await;
    match executed.outcome {
        Outcome::Completed(_) => Ok(()),
        other => Err(format!("{other:?}").into()),
    }
}
