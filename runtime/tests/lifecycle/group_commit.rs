//! Many rows share a commit, and a task that is over at once costs one row.

use tokio::task::JoinSet;
use warren::lifecycle::{Recorder, TaskFilter, TaskRow, TaskStatus};

use crate::{
    database::TestDatabase,
    rows::{at, completed, event, id, pending, running},
};

crate::on_both_databases!(
    a_task_that_is_over_before_its_first_write_costs_one_row,
    ten_thousand_rows_of_a_thousand_callers_share_few_commits,
    tasks_and_events_are_written_side_by_side,
    two_recorders_that_write_the_same_rows_do_not_deadlock,
);

async fn a_task_that_is_over_before_its_first_write_costs_one_row(test: TestDatabase) {
    let db = test.connect().await;
    let recorder = Recorder::start(&db);
    let outage = test.begin_outage().await;
    // Occupies the writer until the outage is over, so that the other task's states wait together.
    let first = tokio::spawn({
        let recorder = recorder.clone();
        async move { recorder.record(completed(0, 0, 1)).await }
    });
    super::outage::red(&recorder).await;
    recorder.announce(pending(1));
    recorder.announce(running(1, 0, 2));
    let second = tokio::spawn({
        let recorder = recorder.clone();
        async move { recorder.record(completed(1, 0, 2)).await }
    });
    outage.end().await;
    first.await.unwrap().unwrap();
    second.await.unwrap().unwrap();
    assert_eq!(recorder.written().task_rows, 2);
    assert_eq!(recorder.written().statements, 2);
    assert_eq!(db.find_task(id(1)).await.unwrap(), Some(completed(1, 0, 2)));
}

async fn ten_thousand_rows_of_a_thousand_callers_share_few_commits(test: TestDatabase) {
    let db = test.connect().await;
    let recorder = Recorder::start(&db);
    let mut callers = JoinSet::new();
    for caller in 0..1_000 {
        let recorder = recorder.clone();
        callers.spawn(async move {
            for n in 0..10 {
                let n = caller * 10 + n;
                recorder.announce(running(n, 0, 1));
                recorder.record(completed(n, 0, 1)).await.unwrap();
            }
        });
    }
    while let Some(caller) = callers.join_next().await {
        caller.unwrap();
    }
    let written = recorder.written();
    assert!((10_000..=20_000).contains(&written.task_rows), "{written:?}");
    assert!(written.statements < 2_000, "{written:?}");
    assert_eq!(recorder.waiting(), 0);
    let all = TaskFilter { status: Some(TaskStatus::Completed), ..TaskFilter::default() };
    assert_eq!(db.list_tasks(&all, 20_000, None).await.unwrap().len(), 10_000);
}

async fn tasks_and_events_are_written_side_by_side(test: TestDatabase) {
    let db = test.connect().await;
    let recorder = Recorder::start(&db);
    let mut callers = JoinSet::new();
    for n in 0..500 {
        let recorder = recorder.clone();
        callers.spawn(async move {
            let (task, stored) = tokio::join!(recorder.record(completed(n, 0, 1)), recorder.record_event(event(n)));
            task.and(stored).unwrap();
        });
    }
    while let Some(caller) = callers.join_next().await {
        caller.unwrap();
    }
    let written = recorder.written();
    assert_eq!((written.task_rows, written.event_rows), (500, 500));
}

async fn two_recorders_that_write_the_same_rows_do_not_deadlock(test: TestDatabase) {
    let db = test.connect().await;
    let recorders = [Recorder::start(&db), Recorder::start(&test.open().await)];
    let mut callers = JoinSet::new();
    for n in 0..2_000 {
        for (which, recorder) in recorders.iter().cloned().enumerate() {
            // Each in another order.
            let n = if which == 0 { n } else { 1_999 - n };
            callers
                .spawn(async move { recorder.record(TaskRow { started_at: Some(at(5)), ..completed(n, 0, 1) }).await });
        }
    }
    while let Some(caller) = callers.join_next().await {
        caller.unwrap().unwrap();
    }
    assert_eq!(db.list_tasks(&TaskFilter::default(), 5_000, None).await.unwrap().len(), 2_000);
}
