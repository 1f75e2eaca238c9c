//! Tasks, page by page.

use warren::lifecycle::{Cursor, Recorder, TaskFilter, TaskRow, TaskStatus};

use crate::{
    database::TestDatabase,
    rows::{at, completed, failed, id, pending, running},
};

crate::on_both_databases!(
    pages_show_each_row_once_while_others_arrive,
    rows_of_one_instant_are_told_apart,
    tasks_are_listed_by_status_name_producer_and_correlation,
    unfinished_tasks_come_oldest_first_with_their_payload,
);

async fn record_all(recorder: &Recorder, rows: impl IntoIterator<Item = TaskRow>) {
    for row in rows {
        recorder.record(row).await.unwrap();
    }
}

async fn pages_show_each_row_once_while_others_arrive(test: TestDatabase) {
    let db = test.connect().await;
    let recorder = Recorder::start(&db);
    record_all(&recorder, (0..25).map(pending)).await;
    let (mut seen, mut after) = (Vec::new(), None);
    for page in 0.. {
        let tasks = db.list_tasks(&TaskFilter::default(), 10, after).await.unwrap();
        let Some(last) = tasks.last() else { break };
        after = Some(last.cursor().to_string().parse::<Cursor>().unwrap());
        seen.extend(tasks.iter().map(|task| task.id));
        record_all(&recorder, [pending(100 + page)]).await;
    }
    assert_eq!(seen, (0..25).rev().map(id).collect::<Vec<_>>());
}

async fn rows_of_one_instant_are_told_apart(test: TestDatabase) {
    let db = test.connect().await;
    let recorder = Recorder::start(&db);
    let micros = chrono::TimeDelta::microseconds(120);
    record_all(&recorder, (0..7).map(|n| TaskRow { created_at: at(0) + micros, ..pending(n) })).await;
    // Shorter and longer fractions of the same second, in between in time.
    let fraction = |micros| at(0) + chrono::TimeDelta::microseconds(micros);
    record_all(&recorder, [TaskRow { created_at: at(0), ..pending(7) }]).await;
    record_all(&recorder, [TaskRow { created_at: fraction(100), ..pending(8) }]).await;
    record_all(&recorder, [TaskRow { created_at: fraction(1_000), ..pending(9) }]).await;
    let (mut seen, mut after) = (Vec::new(), None);
    while let [task] = db.list_tasks(&TaskFilter::default(), 1, after).await.unwrap().as_slice() {
        seen.push(task.id);
        after = Some(task.cursor());
    }
    assert_eq!(seen, [9, 6, 5, 4, 3, 2, 1, 0, 8, 7].map(id));
}

async fn tasks_are_listed_by_status_name_producer_and_correlation(test: TestDatabase) {
    let db = test.connect().await;
    let recorder = Recorder::start(&db);
    let other = TaskRow { task_name: Some("echo".into()), producer_app: Some("blog".into()), ..pending(4) };
    record_all(&recorder, [completed(0, 0, 1), failed(1, 0, 1), running(2, 0, 1), pending(3), other]).await;
    let list = async |filter: TaskFilter| {
        let tasks = db.list_tasks(&filter, 10, None).await.unwrap();
        tasks.iter().map(|task| task.id.as_u128() - 1).collect::<Vec<_>>()
    };
    let by_status = |status| TaskFilter { status: Some(status), ..TaskFilter::default() };
    assert_eq!(list(by_status(TaskStatus::Completed)).await, [0]);
    assert_eq!(list(by_status(TaskStatus::Failed)).await, [1]);
    assert_eq!(list(by_status(TaskStatus::Pending)).await, [4, 3]);
    assert_eq!(list(by_status(TaskStatus::Cancelled)).await, [0_u128; 0]);
    assert_eq!(list(TaskFilter { task_name: Some("echo".into()), ..TaskFilter::default() }).await, [4]);
    assert_eq!(list(TaskFilter { producer_app: Some("shop".into()), ..TaskFilter::default() }).await, [3, 2, 1, 0]);
    assert_eq!(list(TaskFilter { correlation_id: Some("order-2".into()), ..TaskFilter::default() }).await, [2]);
    let both = TaskFilter { producer_app: Some("blog".into()), ..by_status(TaskStatus::Failed) };
    assert_eq!(list(both).await, [0_u128; 0]);
}

async fn unfinished_tasks_come_oldest_first_with_their_payload(test: TestDatabase) {
    let db = test.connect().await;
    let recorder = Recorder::start(&db);
    let open = [pending(0), running(2, 0, 1), pending(5), running(6, 1, 2)];
    record_all(&recorder, open.clone().into_iter().chain([completed(1, 0, 1), failed(3, 0, 1)])).await;
    let first = db.unfinished(3, None).await.unwrap();
    assert_eq!(first, open[..3]);
    let last = first.last().unwrap();
    let rest = db.unfinished(3, Some(Cursor { created_at: last.created_at, id: last.id })).await.unwrap();
    assert_eq!(rest, open[3..]);
}
