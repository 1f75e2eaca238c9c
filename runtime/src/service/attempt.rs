//! One attempt: find the component, wait for a slot, execute, tell in the row that it runs if it takes long.

use std::time::Duration;

use super::{Service, admission::Task};
use crate::{
    broker::Delivery,
    components::Found,
    lifecycle::{TaskRow, TaskStatus},
    outcome::{ErrorClass, Failure, Outcome},
    sandbox::{Call, Limits, TaskInfo},
};

/// How long a task runs before its row says RUNNING. A shorter one costs one row write instead of two.
const ANNOUNCE_AFTER: Duration = Duration::from_millis(20);

impl Service {
    /// Executes the task, and gives its row with what is known of the attempt. `None` if it is not to be executed: the
    /// connection that it came by is gone meanwhile, and the broker delivers it again.
    pub(super) async fn attempt(&self, task: &Task, delivery: &Delivery) -> Option<(TaskRow, Outcome)> {
        let mut row = task.row.clone();
        row.runtime_id = Some(self.runtime_id.clone());
        row.started_at = Some(self.parts.database.clock().now());
        let found = self.parts.components.find(&task.request.task_name);
        // Behind a compilation it may take long; that must not hold up a stop.
        let component = match self.cut_off.run_until_cancelled(found).await? {
            Found::Ready(component) => component,
            Found::Broken(reason) => {
                let text = format!("component {} can't be used: {reason}", task.request.task_name);
                return Some((row, failed(ErrorClass::BrokenComponent, text)));
            }
            Found::Missing => {
                let text = format!(
                    "there is no component {name}: put {name}.wasm into {url}, or `warren component push` it",
                    name = task.request.task_name,
                    url = self.parts.config.components.url
                );
                return Some((row, failed(ErrorClass::NoSuchComponent, text)));
            }
        };
        row.component_digest = Some(component.digest.shared());
        let Some(slot) = self.parts.sandbox.slot().await else { return Some((row, Outcome::Interrupted)) };
        // While it waited for its place, another runtime may have got it.
        if delivery.is_void() {
            return None;
        }
        tracing::debug!(task.id = %row.id, "executing");
        row.started_at = Some(self.parts.database.clock().now());
        let running = self.parts.sandbox.execute(slot, component.program.clone(), self.call(task));
        let outcome = self.announced(&row, running).await;
        Some((row, outcome))
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

fn failed(class: ErrorClass, text: String) -> Outcome {
    Outcome::Failed(Failure::new(class, text))
}
