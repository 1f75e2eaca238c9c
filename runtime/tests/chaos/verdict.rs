//! Whether everything ended as it had to: each thing that did not is a violation.

use std::{
    collections::{HashMap, HashSet},
    fs,
};

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use crate::{
    dead_letters::DeadLetter,
    load::Sent,
    rows::{AttemptRow, Row},
    runtime::Shared,
};

/// How long after a task was seen COMPLETED its execution may begin: a runtime that asked the database just before that
/// may be waiting for a slot.
const TOLERANCE: TimeDelta = TimeDelta::seconds(3);

/// Most log lines that are shown of one task.
const SHOWN_LINES: usize = 40;

/// All that is known at the end.
pub(crate) struct Evidence<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) sent: Vec<Sent>,
    pub(crate) rows: Vec<Row>,
    pub(crate) completed: HashMap<Uuid, DateTime<Utc>>,
    pub(crate) dead: Vec<DeadLetter>,
    pub(crate) dead_events: Vec<DeadLetter>,
    /// Keys of the events that were published, and of those that are stored.
    pub(crate) events: (Vec<Uuid>, Vec<Uuid>),
    pub(crate) attempts: Option<HashMap<Uuid, Vec<AttemptRow>>>,
}

impl Evidence<'_> {
    /// Looks at all of it.
    pub(crate) fn judge(&self) {
        let mut rows: HashMap<Uuid, &Row> = self.rows.iter().map(|row| (row.id, row)).collect();
        let (nameless, named): (Vec<&Sent>, Vec<&Sent>) = self.sent.iter().partition(|sent| sent.nameless);
        for sent in named {
            match rows.remove(&sent.id()) {
                Some(row) => self.judge_row(sent, row),
                None => self.violation(sent.id(), &format!("{} has no row", sent.name())),
            }
            self.judge_executions(sent);
            self.judge_attempts(sent);
        }
        let mut by_name: HashMap<&str, Vec<&Row>> = HashMap::new();
        for row in rows.into_values() {
            match &row.message_id {
                None => by_name.entry(&row.correlation_id).or_default().push(row),
                Some(id) => self.violation(row.id, &format!("a row that no message asked for: {id}")),
            }
        }
        for sent in nameless {
            self.judge_nameless(sent, &by_name.remove(&*sent.name()).unwrap_or_default());
        }
        for row in by_name.into_values().flatten() {
            self.violation(row.id, &format!("a row that no message asked for: {}", row.correlation_id));
        }
        self.judge_dead_letters();
        self.judge_events();
        if self.too_slow() * 20 > self.sent.len() {
            let what = format!("{} tasks ran out of time that need little of it", self.too_slow());
            self.shared.violations.add(what);
        }
    }

    /// Whether the machine was too slow for this task: then attempts were used up that it would not have needed.
    fn was_too_slow_for(&self, sent: &Sent) -> bool {
        sent.kind.ending().class != Some("timeout") && self.shared.executions.timed_out(sent.id())
    }

    /// How many tasks the machine was too slow for.
    pub(crate) fn too_slow(&self) -> usize {
        self.sent.iter().filter(|sent| self.was_too_slow_for(sent)).count()
    }

    fn judge_row(&self, sent: &Sent, row: &Row) {
        let ending = sent.kind.ending();
        let attempt_fits = row.attempt == i32::try_from(ending.attempt).unwrap() || self.was_too_slow_for(sent);
        if row.status != ending.status.as_str() || !attempt_fits {
            let found = format!("{} at attempt {}", row.status, row.attempt);
            self.violation(row.id, &format!("{sent:?} ended as {found}, not as {ending:?}"));
        }
        // A task that failed before it completed may keep the error of that.
        if ending.class.is_some() && row.class() != ending.class {
            self.violation(row.id, &format!("{sent:?} failed as {:?}, not as {:?}", row.error, ending.class));
        }
    }

    /// A task without an id has a row at least that ended, and each that ended did so as it had to. A second one, of a message
    /// that came back after its outcome was committed, may begin at any attempt.
    fn judge_nameless(&self, sent: &Sent, rows: &[&Row]) {
        let ending = sent.kind.ending();
        let ended: Vec<_> = rows.iter().filter(|row| row.is_final()).collect();
        if ended.is_empty() {
            self.shared.violations.add(format!("{sent:?} has no row that has ended"));
        }
        let executions: usize = rows.iter().map(|row| self.shared.executions.of(row.id).len()).sum();
        if executions < sent.executions() {
            self.shared.violations.add(format!("{sent:?} was executed {executions} times"));
        }
        for row in ended {
            let class_fits = ending.class.is_none() || row.class() == ending.class;
            if row.status != ending.status.as_str() || !class_fits {
                self.violation(row.id, &format!("{sent:?} ended as {}, not as {ending:?}", row.status));
            }
        }
    }

    /// Each attempt that was needed was executed, and nothing was once it was COMPLETED, but what could only compute: what came of
    /// that must not show in the row, which is judged apart.
    fn judge_executions(&self, sent: &Sent) {
        let (id, executions) = (sent.id(), self.shared.executions.of(sent.id()));
        let needed = sent.executions();
        if executions.len() < needed {
            self.violation(id, &format!("{sent:?} was executed {} times, not {needed}", executions.len()));
        }
        if needed == 0 && !executions.is_empty() {
            self.violation(id, &format!("{sent:?} was executed"));
        }
        let Some(completed) = self.completed.get(&id) else { return };
        for again in executions.iter().filter(|one| !one.late && one.at > *completed + TOLERANCE) {
            self.violation(
                id,
                &format!("{sent:?} was executed by {:?} at {} after it was COMPLETED", again.by, again.at),
            );
        }
    }

    /// A task that is executed has the attempts that its end needs, and no others failed.
    fn judge_attempts(&self, sent: &Sent) {
        let Some(attempts) = &self.attempts else { return };
        let of = attempts.get(&sent.id()).map(Vec::as_slice).unwrap_or_default();
        let ending = sent.kind.ending();
        let failed: HashSet<i32> = of.iter().filter(|one| one.outcome == "FAILED").map(|one| one.attempt).collect();
        // The last attempt of one that completes did not fail.
        let last = i32::try_from(ending.attempt).unwrap() + i32::from(ending.class.is_some());
        let failed_fit = failed == (0..last).collect() || self.was_too_slow_for(sent);
        if of.is_empty() || !failed_fit {
            self.violation(
                sent.id(),
                &format!("{sent:?} has the attempts {of:?}, attempts 0 to {last} should have failed"),
            );
        }
    }

    /// Exactly those that had to die are dead, each as it was published, and says why. One may be there twice.
    fn judge_dead_letters(&self) {
        let expected: HashMap<String, &Sent> =
            self.sent.iter().filter(|sent| sent.kind.ending().dead).map(|sent| (sent.name(), sent)).collect();
        let mut missing = expected.clone();
        for letter in &self.dead {
            let name = letter.own_header.clone().unwrap_or_default();
            missing.remove(&name);
            let Some(sent) = expected.get(&name) else {
                self.shared.violations.add(format!("a dead letter that should not be one: {letter:?}"));
                continue;
            };
            let class = letter.error.as_deref().and_then(|error| error.split(':').next());
            let id = (!sent.nameless).then_some(name);
            let intact = letter.app_id.as_deref() == Some("chaos") && letter.message_id == id;
            if class != sent.kind.ending().class || !intact || letter.body != sent.kind.body() {
                self.violation(sent.id(), &format!("the dead letter of {sent:?} is {letter:?}"));
            }
        }
        for sent in missing.values() {
            self.violation(sent.id(), &format!("{sent:?} is in no dead-letter queue"));
        }
    }

    fn judge_events(&self) {
        let (published, stored) = &self.events;
        let (published, stored): (HashSet<_>, HashSet<_>) = (published.iter().collect(), stored.iter().collect());
        for event in published.symmetric_difference(&stored) {
            self.shared.violations.add(format!("event {event} was published or stored, but not both"));
        }
        for letter in &self.dead_events {
            self.shared.violations.add(format!("an event that should not be a dead letter: {letter:?}"));
        }
    }

    /// Notes a violation with all that is known of the task.
    fn violation(&self, id: Uuid, what: &str) {
        let row = self.rows.iter().find(|row| row.id == id).map(|row| row.text.as_str());
        let completed = self.completed.get(&id);
        let attempts = self.attempts.as_ref().and_then(|attempts| attempts.get(&id));
        let lines = log_lines(self.shared, id).join("\n    ");
        self.shared.violations.add(format!(
            "{what}\n  task {id}\n  row: {row:?}\n  attempts: {attempts:?}\n  first seen COMPLETED: {completed:?}\n  \
             executions: {:?}\n  log lines:\n    {lines}",
            self.shared.executions.of(id)
        ));
    }
}

/// What the runtimes logged of a task.
pub(crate) fn log_lines(shared: &Shared, id: Uuid) -> Vec<String> {
    let id = id.to_string();
    let mut found = Vec::new();
    for entry in fs::read_dir(&shared.logs).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let text = fs::read_to_string(entry.path()).unwrap_or_default();
        found.extend(text.lines().filter(|line| line.contains(&id)).map(|line| format!("{name}: {line}")));
    }
    found.truncate(SHOWN_LINES);
    found
}
