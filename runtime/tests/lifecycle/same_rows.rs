//! The same random operations on Postgres and on SQLite give the same rows.
//!
//! The seed is printed; `WARREN_SEED=…` repeats a run.

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use serde_json::Value;
use uuid::Uuid;
use warren::lifecycle::{
    Database, EventFilter, EventRow, Inserted, Recorder, TaskFilter, TaskRow, TaskStatus, TaskSummary,
};

use crate::{
    database::TestDatabase,
    rows::{at, id},
};

const TASKS: usize = 6;
const EVENTS: usize = 4;
const BATCHES: usize = 80;
/// Then other tasks and events have their turn: soon each task is COMPLETED, and changes no more.
const BATCHES_OF_ONE_GROUP: usize = 3;
/// Of a batch.
const OPERATIONS: usize = 20;
/// The first of the tasks that are recorded to learn when what was announced before them is committed.
const MARKS: usize = 100_000;

/// SplitMix64: all that is asked of it is that a seed repeats it.
struct Dice {
    state: u64,
    /// The first of the ids whose turn it is.
    first: usize,
}

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % n
    }

    fn index(&mut self, n: usize) -> usize {
        usize::try_from(self.below(n as u64)).unwrap()
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.index(from.len())].clone()
    }

    fn text(&mut self, from: &[&str]) -> Option<Arc<str>> {
        (self.below(3) > 0).then(|| self.pick(from).into())
    }

    fn time(&mut self) -> DateTime<Utc> {
        at(i64::try_from(self.below(5)).unwrap())
    }

    fn maybe_time(&mut self) -> Option<DateTime<Utc>> {
        (self.below(3) > 0).then(|| self.time())
    }

    fn task(&mut self) -> TaskRow {
        TaskRow {
            correlation_id: self.text(&["c-1", "c-2"]),
            producer_app: self.text(&["shop", "grüße"]),
            task_name: self.text(&["echo", "resize"]),
            payload: self.text(&["null", "[1,2.50,-0]", r#"{"b":1,"a":"\u00e9"}"#]),
            status: self.pick(&TaskStatus::ALL),
            result: self.text(&["true", r#"{"n":12345678901234567890}"#]),
            error: self.text(&["technical: later", "trap: nul \0 byte"]),
            message_id: self.text(&["m-1", "m-2"]),
            routing_key: self.text(&["routing.task.a.b"]),
            attempt: u32::try_from(self.below(4)).unwrap(),
            component_digest: self.text(&["sha256:1", "sha256:2"]),
            runtime_id: self.text(&["r-1", "r-2"]),
            started_at: self.maybe_time(),
            finished_at: self.maybe_time(),
            ..TaskRow::new(id(self.first + self.index(TASKS)), self.time())
        }
    }

    fn event(&mut self) -> EventRow {
        EventRow {
            id: id(self.first + self.index(EVENTS)),
            correlation_id: self.text(&["c-1", "c-2"]),
            producer_app: self.text(&["shop", "grüße"]),
            created_at: self.time(),
            headers: self.text(&["{}", r#"{"x-attempt":0}"#]),
            payload: self.text(&[r#"{"a":[]}"#, r#"{"z":1,"b":2}"#]),
            routing_key: self.pick(&["routing.event.create.user", "routing.event.delete.user"]).into(),
            message_id: self.text(&["e-1"]),
            presumed_new: false,
        }
    }

    fn filter(&mut self) -> TaskFilter {
        let text = |text: Option<Arc<str>>| text.map(|text| text.to_string());
        TaskFilter {
            status: (self.below(2) > 0).then(|| self.pick(&TaskStatus::ALL)),
            task_name: (self.below(3) == 0).then(|| "echo".to_owned()),
            producer_app: text(self.text(&["shop", "grüße"])).filter(|_| self.below(2) == 0),
            ..TaskFilter::default()
        }
    }
}

#[derive(Clone)]
enum Operation {
    Announce(TaskRow),
    Record(TaskRow),
    RecordEvent(EventRow),
}

/// One of the two, with its recorder.
struct Side {
    db: Database,
    recorder: Recorder,
}

impl Side {
    async fn new(test: &TestDatabase) -> Self {
        let db = test.connect().await;
        Self { recorder: Recorder::start(&db), db }
    }

    /// All at once, but each row's one after the other's commit: what states become that are merged before they are
    /// written depends on what comes together, and is tested elsewhere.
    async fn apply(&self, batch: &[Operation]) {
        let mut rows: BTreeMap<(bool, Uuid), Vec<Operation>> = BTreeMap::new();
        for operation in batch {
            let row = match operation {
                Operation::Announce(row) | Operation::Record(row) => (true, row.id),
                Operation::RecordEvent(row) => (false, row.id),
            };
            rows.entry(row).or_default().push(operation.clone());
        }
        join_all(rows.into_values().enumerate().map(|(mark, row)| self.apply_in_turn(id(MARKS + mark), row))).await;
    }

    async fn apply_in_turn(&self, mark: Uuid, row: Vec<Operation>) {
        for operation in row {
            match operation {
                Operation::Announce(row) => {
                    self.recorder.announce(row);
                    self.recorder.record(TaskRow::new(mark, at(0))).await.unwrap();
                }
                Operation::Record(row) => self.recorder.record(row).await.unwrap(),
                Operation::RecordEvent(row) => self.recorder.record_event(row).await.unwrap(),
            }
        }
    }

    async fn tasks(&self, first: usize) -> Vec<Option<TaskRow>> {
        join_all((first..first + TASKS).map(|n| async move { self.db.find_task(id(n)).await.unwrap().map(plain) }))
            .await
    }

    async fn events(&self, first: usize) -> Vec<Option<EventRow>> {
        let found = (first..first + EVENTS).map(|n| async move {
            let mut event = self.db.find_event(id(n)).await.unwrap()?;
            (event.payload, event.headers) = (canonical(event.payload), canonical(event.headers));
            Some(event)
        });
        join_all(found).await
    }

    /// All pages of a list.
    async fn pages(&self, filter: &TaskFilter, limit: u64) -> Vec<TaskSummary> {
        let mut all: Vec<TaskSummary> = Vec::new();
        loop {
            let after = all.last().map(TaskSummary::cursor);
            let page = self.db.list_tasks(filter, limit, after).await.unwrap();
            if page.is_empty() {
                return all;
            }
            all.extend(page);
        }
    }

    async fn insert(&self, row: TaskRow) -> Option<TaskRow> {
        match self.db.insert_pending(row).await.unwrap() {
            Inserted::New => None,
            Inserted::Existing(row) => Some(plain(*row)),
        }
    }
}

/// Postgres keeps JSON as a value, SQLite as a text: compared is the value.
fn plain(mut row: TaskRow) -> TaskRow {
    (row.payload, row.result) = (canonical(row.payload), canonical(row.result));
    row
}

fn canonical(json: Option<Arc<str>>) -> Option<Arc<str>> {
    let value: Value = serde_json::from_str(&json?).unwrap();
    // Sorted, and numbers as what they are worth.
    Some(sorted(value).to_string().into())
}

fn sorted(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.into_iter().map(|(name, value)| (name, sorted(value))).collect();
            members.sort_by(|one, other| one.0.cmp(&other.0));
            Value::Object(members.into_iter().collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        Value::Number(number) if number.as_f64() == Some(0.0) => Value::from(0),
        other => other,
    }
}

fn seed() -> u64 {
    let given = std::env::var("WARREN_SEED").ok().map(|seed| seed.parse().expect("WARREN_SEED is a number"));
    let seed = given.unwrap_or_else(|| Uuid::now_v7().as_u64_pair().1);
    println!("WARREN_SEED={seed}");
    seed
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_operations_give_the_same_rows() {
    let seed = seed();
    let mut dice = Dice { state: seed, first: 0 };
    let (postgres, sqlite) = (TestDatabase::postgres().await, TestDatabase::sqlite().await);
    let (postgres, sqlite) = (Side::new(&postgres).await, Side::new(&sqlite).await);
    for batch in 0..BATCHES {
        dice.first = TASKS * (batch / BATCHES_OF_ONE_GROUP);
        let told = format!("WARREN_SEED={seed}, batch {batch}");
        let pending = TaskRow { status: TaskStatus::Pending, ..dice.task() };
        let inserted = (postgres.insert(pending.clone()).await, sqlite.insert(pending).await);
        assert_eq!(inserted.0, inserted.1, "{told}");

        let operations: Vec<_> = (0..OPERATIONS)
            .map(|_| match dice.below(4) {
                0 => Operation::Announce(dice.task()),
                1 => Operation::RecordEvent(dice.event()),
                _ => Operation::Record(dice.task()),
            })
            .collect();
        tokio::join!(postgres.apply(&operations), sqlite.apply(&operations));
        assert_eq!(postgres.tasks(dice.first).await, sqlite.tasks(dice.first).await, "{told}");
        assert_eq!(postgres.events(dice.first).await, sqlite.events(dice.first).await, "{told}");

        let ids: Vec<_> = (dice.first..dice.first + TASKS + 1).map(id).collect();
        assert_eq!(postgres.db.states_of(&ids).await.unwrap(), sqlite.db.states_of(&ids).await.unwrap(), "{told}");
        let (filter, limit) = (dice.filter(), 1 + dice.below(4));
        assert_eq!(postgres.pages(&filter, limit).await, sqlite.pages(&filter, limit).await, "{told}: {filter:?}");
    }
    let events = EventFilter::default();
    assert_eq!(
        postgres.db.list_events(&events, 100, None).await.unwrap(),
        sqlite.db.list_events(&events, 100, None).await.unwrap()
    );
}
