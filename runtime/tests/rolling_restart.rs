//! A rolling restart under load: two runtimes are stopped and started again, one after the other. Work goes on
//! meanwhile, no attempt is used up, nothing has two rows, and each stop says what it left behind.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

#[path = "support/database.rs"]
mod database;
#[path = "support/guest.rs"]
mod guest;
#[path = "chaos/guests.rs"]
mod guests;
#[path = "support/process.rs"]
mod process;
#[path = "support/stack.rs"]
mod stack;
#[path = "support/steady.rs"]
mod steady;
#[path = "../../event-driven/tests/support/vhost.rs"]
mod vhost;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use process::Process;
use sea_orm::{ConnectionTrait, Statement};
use serde_json::{Value, json};
use stack::{ALIVE, Stack};
use tokio::task::block_in_place;
use warren::lifecycle::{Database, TaskFilter, TaskStatus};

const PER_SECOND: u32 = 100;

/// The longest time without a completion that is let pass. On an idle machine it is well below a second; this one may stand
/// still by itself.
const LONGEST_GAP: Duration = Duration::from_secs(30);

/// Every second one works for some time: at each moment some of them are under way in each runtime.
fn task(n: usize) -> (&'static str, Value) {
    if n.is_multiple_of(2) { ("chaos_work", json!(200 + n % 250)) } else { ("chaos_quick", json!({})) }
}

async fn completed(database: &Database) -> usize {
    let sql = "SELECT count(*) AS n FROM task_store WHERE status = 'COMPLETED'";
    let connection = database.connection();
    let statement = Statement::from_string(connection.get_database_backend(), sql);
    let row = connection.query_one_raw(statement).await.unwrap().unwrap();
    usize::try_from(row.try_get::<i64>("", "n").unwrap()).unwrap()
}

/// Watches the rows until it is told to stop. Gives the longest time in which none was completed.
async fn longest_gap(database: Database, seen: Arc<AtomicUsize>, stop: Arc<AtomicBool>) -> Duration {
    let (mut last, mut longest) = (None::<Instant>, Duration::ZERO);
    while !stop.load(Ordering::Relaxed) {
        let count = completed(&database).await;
        if seen.swap(count, Ordering::Relaxed) < count {
            longest = longest.max(last.map(|last| last.elapsed()).unwrap_or_default());
            last = Some(Instant::now());
        }
        // Another process writes the rows: there is no event to wait for.
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    longest
}

/// Waits until that many more tasks were seen to be completed.
async fn more(seen: &AtomicUsize, count: usize) {
    let (wanted, deadline) = (seen.load(Ordering::Relaxed) + count, Instant::now() + process::PATIENCE);
    while seen.load(Ordering::Relaxed) < wanted {
        assert!(Instant::now() < deadline, "{} completed, not {wanted}", seen.load(Ordering::Relaxed));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// SIGTERM, and the line that says what was left behind.
fn stop(mut runtime: Process) -> String {
    block_in_place(|| {
        runtime.signal("TERM");
        assert!(runtime.wait().success(), "{}", runtime.log());
        runtime.wait_for_line("stopped after ")
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_under_load_uses_up_no_attempt_and_leaves_no_gap() {
    let stack = Stack::new().await;
    guests::components().iter().for_each(|(name, bytes)| stack.add_component(name, bytes));
    // One that lets everything end, one that cuts off what runs.
    let (patient, hasty) = ([ALIVE, ("WARREN_SERVICE_GRACE", "3min")], [ALIVE, ("WARREN_SERVICE_GRACE", "1ms")]);
    let (first, second) = (stack.start(&patient), stack.start(&hasty));
    let (done, seen) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let publishing = tokio::spawn(steady::publish(stack.publisher().await, PER_SECOND, task, done.clone()));
    let watching = tokio::spawn(longest_gap(stack.database.clone(), seen.clone(), done.clone()));
    more(&seen, 300).await;

    let left_by_first = stop(first);
    let _first = block_in_place(|| stack.start(&patient));
    more(&seen, 300).await;
    let left_by_second = stop(second);
    let _second = block_in_place(|| stack.start(&hasty));
    more(&seen, 300).await;

    done.store(true, Ordering::Relaxed);
    let (published, gap) = (publishing.await.unwrap(), watching.await.unwrap());
    let over = |tasks: &[warren::lifecycle::TaskSummary]| tasks.iter().all(|task| task.status.is_final());
    let filter = TaskFilter::default();
    let tasks = stack.wait_for_tasks(&filter, |tasks| tasks.len() >= published && over(tasks)).await;
    println!("{published} tasks at {PER_SECOND}/s: the longest time without a completion was {gap:?}");
    println!("{left_by_first}\n{left_by_second}");
    assert_eq!(tasks.len(), published, "each message has one row");
    let failed: Vec<_> =
        tasks.iter().filter(|task| (task.status, task.attempt) != (TaskStatus::Completed, 0)).collect();
    assert!(failed.is_empty(), "no attempt is used up: {failed:#?}");
    assert!(left_by_first.contains("nothing is left behind"), "{left_by_first}");
    assert!(left_by_second.contains("tasks went back to their queue"), "{left_by_second}");
    assert!(gap < LONGEST_GAP, "no task was completed for {gap:?}");
}
