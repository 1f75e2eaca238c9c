//! Which runtime executed which task when, as told by the runtimes' logs: counted outside of what is tested.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

/// A process of a runtime: the runtime's number, and how many processes of all runtimes were started before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProcessId {
    pub(crate) runtime: usize,
    pub(crate) started: usize,
}

/// One execution of a task.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Execution {
    pub(crate) by: ProcessId,
    /// The time of the log line: that of this machine, as all times here.
    pub(crate) at: DateTime<Utc>,
    /// Whether it was made before it was asked where the task stands, since it could do nothing but compute.
    pub(crate) late: bool,
}

/// Every execution of every task, and the tasks that ran out of time.
#[derive(Default)]
pub(crate) struct Executions {
    of_tasks: Mutex<HashMap<Uuid, Vec<Execution>>>,
    timed_out: Mutex<HashSet<Uuid>>,
}

impl Executions {
    /// Reads a line of a process's log.
    pub(crate) fn read(&self, by: ProcessId, line: &Value) {
        let text = |name: &str| line.get(name).and_then(Value::as_str);
        let (Some(message), Some(id)) = (text("message"), text("task.id")) else { return };
        let id = id.parse().expect("it names the task");
        if message == "executing" {
            let at = text("timestamp").and_then(|at| at.parse().ok()).expect("it has its time");
            let late = line.get("late").and_then(Value::as_bool).expect("it says so");
            self.lock().entry(id).or_default().push(Execution { by, at, late });
        } else if message.contains(": timeout: ") {
            self.timed_out.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
        }
    }

    /// Whether an attempt of the task ran out of time. One that should not have found a machine with too much to do.
    pub(crate) fn timed_out(&self, id: Uuid) -> bool {
        self.timed_out.lock().unwrap_or_else(PoisonError::into_inner).contains(&id)
    }

    pub(crate) fn of(&self, id: Uuid) -> Vec<Execution> {
        self.lock().get(&id).cloned().unwrap_or_default()
    }

    pub(crate) fn all(&self) -> Vec<(Uuid, Vec<Execution>)> {
        self.lock().iter().map(|(id, executions)| (*id, executions.clone())).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Uuid, Vec<Execution>>> {
        self.of_tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
