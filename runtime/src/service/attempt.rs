//! One attempt: find the component, wait for a slot, execute, tell in the row that it runs if it takes long.

use std::{sync::Arc, time::Duration};

use event_driven::topology::DELIVERY_LIMIT;
use tokio::time::Instant;

use super::{Service, admission::Task};
use crate::{
    broker::Delivery,
    components::{Component, Found},
    config::SLOT_PATIENCE,
    lifecycle::{AttemptRow, TaskRow, TaskStatus},
    outcome::{ErrorClass, Failure, Outcome},
    sandbox::{Call, Limits, Program, Slot, TaskInfo},
};

/// How long a task runs before its row says RUNNING. A shorter one costs one row write instead of two.
const ANNOUNCE_AFTER: Duration = Duration::from_millis(20);

/// What became of an attempt.
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every attempt is made: a box would be an allocation for each task"
)]
pub(super) enum Attempted {
    /// It was made: the task's row with what is known of it, and how it ended.
    Made(TaskRow, Outcome),
    /// While it waited for its place, something has become of the task elsewhere: it has to be admitted anew.
    Overtaken,
    /// It is not to be made: the stop came, or the connection that the task came by is gone, or all places have been taken
    /// for long; the broker delivers it again.
    Dropped,
}

impl Service {
    /// Executes the task.
    pub(super) async fn attempt(&self, task: &Task, delivery: &Delivery) -> Attempted {
        let mut row = task.row.clone();
        let now = self.parts.database.clock().now();
        row.runtime_id = Some(self.runtime_id.clone());
        row.started_at = Some(now);
        let mut attempt = AttemptRow::begun(row.attempt, self.runtime_id.clone(), now);
        if let Some(failure) = poison(delivery) {
            row.attempts.push(attempt);
            return Attempted::Made(row, Outcome::GivenUp(failure));
        }
        let found = self.parts.components.find(&task.request.task_name);
        // Behind a compilation it may take long; that must not hold up a stop.
        let Some(found) = self.cut_off.run_until_cancelled(found).await else { return Attempted::Dropped };
        let component = match self.component(task, found) {
            Ok(component) => component,
            Err(failure) => {
                row.attempts.push(attempt);
                return Attempted::Made(row, Outcome::Failed(failure));
            }
        };
        row.component_digest = Some(component.digest.shared());
        attempt.component_digest.clone_from(&row.component_digest);
        let may_go_back = task.may_go_back && delivery.may_go_back();
        let Some(slot) = self.slot(may_go_back, task.until).await else { return Attempted::Dropped };
        if !self.still_stands(task).await {
            return Attempted::Overtaken;
        }
        // While it waited for its place, another runtime may have got it.
        if delivery.is_void() {
            return Attempted::Dropped;
        }
        tracing::debug!(task.id = %row.id, "executing");
        attempt.started_at = self.parts.database.clock().now();
        row.started_at = Some(attempt.started_at);
        row.attempts.push(attempt);
        let running = self.parts.sandbox.execute(slot, component.program.clone(), self.call(task));
        let outcome = self.announced(&row, running).await;
        Attempted::Made(row, outcome)
    }

    /// Whether a row may say of the attempt that it runs. Rather too soon than too late: a row too many shows as stuck, one
    /// that says RUNNING would be waited for.
    pub(super) fn may_be_announced(&self, row: &TaskRow) -> bool {
        let begun = row.started_at.unwrap_or(row.created_at);
        (self.parts.database.clock().now() - begun).to_std().is_ok_and(|time| time >= ANNOUNCE_AFTER / 2)
    }

    fn component(&self, task: &Task, found: Found<Program>) -> Result<Arc<Component<Program>>, Failure> {
        let name = &task.request.task_name;
        match found {
            Found::Ready(component) => Ok(component),
            Found::Broken(reason) => {
                let text = format!("component {name} can't be used: {reason}");
                Err(Failure::new(ErrorClass::BrokenComponent, text))
            }
            Found::Missing => {
                let url = &self.parts.config.components.url;
                let text =
                    format!("there is no component {name}: put {name}.wasm into {url}, or `warren component push` it");
                Err(Failure::new(ErrorClass::NoSuchComponent, text))
            }
        }
    }

    /// Waits for a place, not for too long. `None`: the stop came, or another runtime may have one at once.
    async fn slot(&self, may_go_back: bool, until: Instant) -> Option<Slot> {
        let soon = Instant::now() + SLOT_PATIENCE;
        let until = if may_go_back { until.min(soon) } else { until.max(soon) };
        tokio::time::timeout_at(until, self.parts.sandbox.slot()).await.ok().flatten()
    }

    /// Waits for the execution; if that takes long, its row says so meanwhile.
    async fn announced(&self, row: &TaskRow, running: impl Future<Output = Outcome>) -> Outcome {
        tokio::pin!(running);
        // The timer is what may be dropped here, and nothing is lost by that; the execution goes on below.
        tokio::select! {
            biased;
            outcome = &mut running => return outcome,
            () = tokio::time::sleep(ANNOUNCE_AFTER) => {}
        }
        self.parts.recorder.announce(TaskRow { status: TaskStatus::Running, ..row.clone() });
        running.await
    }

    fn call(&self, task: &Task) -> Call {
        let (request, sandbox) = (&task.request, &self.parts.config.sandbox);
        Call {
            info: TaskInfo {
                task_id: task.row.id,
                task_name: request.task_name.to_string(),
                attempt: request.attempt.number(),
                correlation_id: request.correlation_id.to_string(),
                producer_app: request.producer_app.to_string(),
            },
            payload: request.payload.as_str().to_owned(),
            limits: Limits { timeout: sandbox.timeout, memory: sandbox.memory, output: sandbox.output },
        }
    }
}

/// A message that the broker would drop if it came back once more, because it has come back so often: most likely it
/// kills the process. As long as it is here its task can be told to have failed.
fn poison(delivery: &Delivery) -> Option<Failure> {
    let returns = delivery.returns();
    (returns >= u64::from(DELIVERY_LIMIT)).then(|| {
        let text = format!(
            "the message came back to its queue {returns} times without an outcome: its runtime died of it or was stopped \
             each time"
        );
        Failure::new(ErrorClass::Technical, text)
    })
}
