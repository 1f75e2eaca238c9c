//! One attempt: find the component, wait for a slot, execute, tell in the row that it runs if it takes long.

use std::{sync::Arc, time::Duration};

use event_driven::{message::TaskRequest, names::Priority, topology::DELIVERY_LIMIT};
use tokio::time::Instant;
use uuid::Uuid;

use super::{Service, admission::Task};
use crate::{
    broker::Delivery,
    components::{Component, Found},
    config::SLOT_PATIENCE,
    lifecycle::{AttemptRow, Novelty, TaskRow, TaskStatus},
    outcome::{ErrorClass, Failure, Outcome},
    receipt::LogTail,
    sandbox::{Call, Execution, Program, Running, Slot, TaskInfo},
};

/// How long a task runs before its row says RUNNING. A shorter one costs one row write instead of two.
const ANNOUNCE_AFTER: Duration = Duration::from_millis(20);

/// How often it is looked at whether a guest that runs has written more, so that its row has it.
const LOOK_AT_LOG: Duration = Duration::from_secs(1);

/// What became of an attempt.
pub(super) enum Attempted {
    /// It was made.
    Made(Made),
    /// While it waited for its place, something has become of the task elsewhere: it has to be admitted anew.
    Overtaken,
    /// It is not to be made: the stop came, or the connection that the task came by is gone, or it has waited for long and may be given
    /// back for that; the broker delivers it again.
    Dropped,
    /// There was no place for it in time, or its component could not be had, and it may not be given back for that.
    NoPlace,
}

/// An attempt that was made; the task's row has what is known of it.
pub(super) struct Made {
    /// How it ended.
    pub(super) outcome: Outcome,
    /// The retries that the task's component may have.
    pub(super) retries: u32,
}

impl Service {
    /// Executes the task. Its row stays as it is unless the attempt is made.
    pub(super) async fn attempt(&self, task: &mut Task, delivery: &Delivery) -> Attempted {
        let (component, slot) = match self.placed(task, delivery).await {
            Ok(placed) => placed,
            Err(end) => return end,
        };
        tracing::debug!(task.id = %task.row.id, late = task.asked.is_none(), "executing");
        let mut attempt = self.begun(task);
        attempt.component_digest = Some(component.digest.shared());
        let row = Arc::make_mut(&mut task.row);
        row.begin(attempt);
        let mut running = self.parts.sandbox.execute(slot, component.program.clone(), call(row.id, &task.request));
        let Some((Execution { outcome, receipt }, announced)) = self.announced(task, &mut running).await else {
            return Attempted::Overtaken;
        };
        // What is stored if nothing else is, is a result.
        if task.asked.is_none() && !matches!(outcome, Outcome::Completed(_)) && !self.still_stands(task).await {
            return Attempted::Overtaken;
        }
        let row = Arc::make_mut(&mut task.row);
        if announced {
            row.novelty = Novelty::Unknown;
        }
        log_lines(row.id, &task.request, &receipt.log);
        let outcome = self.still_cancelled(row.id, outcome).await;
        if let Some(attempt) = row.attempts.last_mut() {
            attempt.announced = announced;
            match outcome {
                // Nothing else is known of it.
                Outcome::Interrupted | Outcome::Cancelled => attempt.log_so_far = Some(running.log()),
                _ => attempt.receipt = Some(receipt),
            }
        }
        Attempted::Made(Made { outcome, retries: component.program.manifest().retries })
    }

    /// Finds the component and waits for a place; what has become of the task meanwhile is looked at once more, unless that may be
    /// asked late. An error is how the attempt ends that is not begun.
    async fn placed(&self, task: &mut Task, delivery: &Delivery) -> Result<(Arc<Component<Program>>, Slot), Attempted> {
        if let Some(failure) = poison(delivery) {
            return Err(self.not_begun(task, Outcome::GivenUp(failure)));
        }
        let may_go_back = task.may_go_back && delivery.may_go_back();
        let waited_in_vain = || if may_go_back { Attempted::Dropped } else { Attempted::NoPlace };
        let found = self.find(task).await.ok_or_else(waited_in_vain)?;
        let is_late =
            task.asked.is_none() && matches!(&found, Found::Ready(component) if is_brief(component, &task.request));
        if task.asked.is_none() && !is_late && !self.still_stands(task).await {
            return Err(Attempted::Overtaken);
        }
        let component =
            self.component(task, found).map_err(|failure| self.not_begun(task, Outcome::Failed(failure)))?;
        let slot = self.slot(&component.program, task.request.priority, may_go_back, task.until).await;
        // One that may be asked late is asked now if it has no place: whether it may be given back has to be known.
        if is_late == slot.is_none() && !self.still_stands(task).await {
            return Err(Attempted::Overtaken);
        }
        match slot {
            // Another runtime may have got it.
            _ if delivery.is_void() => Err(Attempted::Dropped),
            Some(slot) => Ok((component, slot)),
            None => Err(waited_in_vain()),
        }
    }

    fn begun(&self, task: &Task) -> AttemptRow {
        AttemptRow::begun(task.row.attempt, self.runtime_id.clone(), self.parts.database.clock().now())
    }

    /// An attempt that fails before anything is executed.
    fn not_begun(&self, task: &mut Task, outcome: Outcome) -> Attempted {
        let attempt = self.begun(task);
        Arc::make_mut(&mut task.row).begin(attempt);
        Attempted::Made(Made { outcome, retries: self.parts.config.retry.retries })
    }

    /// Finds the component. Where it has to be compiled that may take long: it must not hold up a stop, nor keep the tasks of
    /// other components from coming. `None`: the stop came, or it took too long.
    async fn find(&self, task: &Task) -> Option<Found<Program>> {
        let name = &task.request.task_name;
        if let Some(found) = self.parts.components.ready(name) {
            return Some(found);
        }
        let _parked = self.load.park();
        let found = tokio::time::timeout_at(task.until, self.parts.components.find(name));
        Box::pin(self.cut_off.run_until_cancelled(found)).await?.ok()
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
            Found::Unavailable(reason) => {
                let text = format!("component {name} can't be loaded now: {reason}");
                Err(Failure::new(ErrorClass::Technical, text))
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
    async fn slot(&self, program: &Program, class: Priority, may_go_back: bool, until: Instant) -> Option<Slot> {
        // Who waits for a component that is at its limit must not keep the tasks of others from coming.
        let _parked = (!program.has_place()).then(|| self.load.park());
        let soon = Instant::now() + SLOT_PATIENCE;
        let until = if may_go_back { until.min(soon) } else { until.max(soon) };
        tokio::time::timeout_at(until, self.parts.sandbox.slot(program, class)).await.ok().flatten()
    }

    /// Waits for the execution; if that takes long, its row says so meanwhile, and what the guest has written. Gives whether that
    /// is so. `None`: nobody had asked where the task stands, and it has a row that says more than that it was accepted. The execution goes
    /// on to its limits then, and nobody hears of it.
    async fn announced(&self, task: &mut Task, running: &mut Running) -> Option<(Execution, bool)> {
        let (mut pause, mut told, mut has_row) = (ANNOUNCE_AFTER, None, false);
        loop {
            // The timer is what may be dropped here, and nothing is lost by that; the execution goes on.
            tokio::select! {
                biased;
                execution = &mut *running => return Some((execution, has_row)),
                () = tokio::time::sleep(pause) => pause = LOOK_AT_LOG,
            }
            let log = running.log();
            if told.is_some_and(|bytes| bytes >= log.bytes) {
                continue;
            }
            if task.asked.is_none() && !self.still_stands(task).await {
                return None;
            }
            let row = &task.row;
            told = Some(log.bytes);
            has_row |= self.parts.recorder.announce(running_row(row, log, !has_row));
        }
    }
}

/// Whether an execution for this request is brief and can do nothing but compute, as far as one can tell.
pub(super) fn is_brief(component: &Component<Program>, request: &TaskRequest) -> bool {
    component.program.is_brief(request.payload.as_str().len())
}

fn call(id: Uuid, request: &TaskRequest) -> Call {
    Call {
        info: TaskInfo {
            task_id: id,
            task_name: request.task_name.shared(),
            attempt: request.attempt.number(),
            correlation_id: request.correlation_id.shared(),
            producer_app: request.producer_app.shared(),
        },
        payload: request.payload.shared(),
    }
}

/// The row of an attempt that runs. The payload may be large: it is written once.
fn running_row(row: &TaskRow, log: LogTail, first: bool) -> TaskRow {
    let payload = row.payload.clone().filter(|_| first);
    let novelty = if first { row.novelty } else { Novelty::Unknown };
    let mut row = TaskRow { status: TaskStatus::Running, payload, novelty, ..row.clone() };
    if let Some(attempt) = row.attempts.last_mut() {
        attempt.log_so_far = Some(log);
        attempt.announced = true;
    }
    row
}

/// What the guest wrote, in this runtime's log: as much of it as is kept. A target of its own, so that
/// `info,warren::guest=debug` shows that and nothing else.
fn log_lines(id: Uuid, request: &TaskRequest, text: &str) {
    let name = request.task_name.as_str();
    for line in text.lines().filter(|line| !line.is_empty()) {
        tracing::debug!(target: "warren::guest", { task.id = %id, task.name = name }, "{line}");
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
