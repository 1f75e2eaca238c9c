//! What a later state does to a stored one.

use warren::lifecycle::{Recorder, TaskRow, TaskStatus};

use crate::{
    database::TestDatabase,
    rows::{at, completed, failed, id, pending, running},
};

crate::on_both_databases!(
    a_task_is_stored_as_it_was_recorded,
    each_state_takes_the_place_of_the_one_before,
    created_at_is_what_was_stored_first,
    a_completed_task_is_never_overwritten,
    a_failed_task_that_is_sent_again_runs_and_completes,
    what_a_slow_runtime_says_late_changes_nothing,
    what_a_later_state_does_not_know_stays,
    stored_and_merged_states_follow_the_same_rule,
    a_nul_in_a_text_is_stored_as_a_replacement_character,
);

async fn a_task_is_stored_as_it_was_recorded(test: TestDatabase) {
    let db = test.connect().await;
    let recorder = Recorder::start(&db);
    let bare = TaskRow::new(id(1), at(0));
    let full = TaskRow { message_id: Some("m-1".into()), error: Some("kept".into()), ..completed(2, 3, 5) };
    for task in [bare, full] {
        recorder.record(task.clone()).await.unwrap();
        assert_eq!(db.find_task(task.id).await.unwrap(), Some(task));
    }
    assert_eq!(db.find_task(id(3)).await.unwrap(), None);
}

async fn each_state_takes_the_place_of_the_one_before(test: TestDatabase) {
    let db = test.connect().await;
    let recorder = Recorder::start(&db);
    let retried = TaskRow { status: TaskStatus::Pending, error: Some("technical: away".into()), ..running(1, 0, 2) };
    for state in [pending(1), running(1, 0, 2), retried, running(1, 1, 5), failed(1, 1, 5)] {
        recorder.record(state.clone()).await.unwrap();
        assert_eq!(db.find_task(id(1)).await.unwrap(), Some(state));
    }
}

async fn created_at_is_what_was_stored_first(test: TestDatabase) {
    let db = test.connect().await;
    let recorder = Recorder::start(&db);
    recorder.record(running(1, 0, 2)).await.unwrap();
    recorder.record(TaskRow { created_at: at(999), ..completed(1, 0, 2) }).await.unwrap();
    let stored = db.find_task(id(1)).await.unwrap().unwrap();
    assert_eq!((stored.status, stored.created_at), (TaskStatus::Completed, at(1)));
}

async fn a_completed_task_is_never_overwritten(test: TestDatabase) {
    let db = test.connect().await;
    let recorder = Recorder::start(&db);
    recorder.record(completed(1, 0, 2)).await.unwrap();
    let again = TaskRow { result: Some("1".into()), ..completed(1, 5, 50) };
    for state in [pending(1), running(1, 1, 10), failed(1, 1, 10), again] {
        recorder.record(state).await.unwrap();
        assert_eq!(db.find_task(id(1)).await.unwrap(), Some(completed(1, 0, 2)));
    }
}

async fn a_failed_task_that_is_sent_again_runs_and_completes(test: TestDatabase) {
    let db = test.connect().await;
    let recorder = Recorder::start(&db);
    for state in [failed(1, 3, 2), running(1, 0, 10), completed(1, 0, 10)] {
        recorder.record(state.clone()).await.unwrap();
        assert_eq!(db.find_task(id(1)).await.unwrap(), Some(state));
    }
}

async fn what_a_slow_runtime_says_late_changes_nothing(test: TestDatabase) {
    let db = test.connect().await;
    let recorder = Recorder::start(&db);
    let waits = |n| TaskRow { status: TaskStatus::Pending, error: Some("technical: away".into()), ..running(n, 0, 2) };
    let late =
        [(failed(1, 0, 2), running(1, 0, 2)), (running(2, 1, 8), running(2, 0, 2)), (waits(3), running(3, 0, 2))];
    for (stands, late) in late {
        recorder.record(stands.clone()).await.unwrap();
        recorder.record(late).await.unwrap();
        assert_eq!(db.find_task(stands.id).await.unwrap(), Some(stands));
    }
}

async fn what_a_later_state_does_not_know_stays(test: TestDatabase) {
    let db = test.connect().await;
    let recorder = Recorder::start(&db);
    recorder.record(pending(1)).await.unwrap();
    let short = TaskRow { status: TaskStatus::Failed, finished_at: Some(at(3)), ..TaskRow::new(id(1), at(3)) };
    recorder.record(short.clone()).await.unwrap();
    let expected = TaskRow { status: TaskStatus::Failed, finished_at: Some(at(3)), ..pending(1) };
    assert_eq!(db.find_task(id(1)).await.unwrap(), Some(expected));
}

/// Every pair of states, once merged in the recorder and once written one after the other.
async fn stored_and_merged_states_follow_the_same_rule(test: TestDatabase) {
    let db = test.connect().await;
    let states = all_states();
    let pairs: Vec<_> = states.iter().flat_map(|first| states.iter().map(move |second| (first, second))).collect();
    let merged = |n: usize, state: &TaskRow| TaskRow { id: id(2 * n), ..state.clone() };
    let apart = |n: usize, state: &TaskRow| TaskRow { id: id(2 * n + 1), ..state.clone() };
    let recorder = Recorder::start(&db);
    // Held while the database is away, so that the second state meets the first one in memory.
    let outage = test.begin_outage().await;
    let mut waiting = tokio::task::JoinSet::new();
    spawn_record(&mut waiting, &recorder, TaskRow::new(id(1_000_000), at(0)));
    crate::lifecycle::outage::red(&recorder).await;
    for (n, (first, second)) in pairs.iter().enumerate() {
        recorder.announce(merged(n, first));
        recorder.announce(merged(n, second));
    }
    outage.end().await;
    while waiting.join_next().await.is_some() {}
    for (n, (first, _)) in pairs.iter().enumerate() {
        spawn_record(&mut waiting, &recorder, apart(n, first));
    }
    while waiting.join_next().await.is_some() {}
    for (n, (_, second)) in pairs.iter().enumerate() {
        spawn_record(&mut waiting, &recorder, apart(n, second));
    }
    while waiting.join_next().await.is_some() {}
    for (n, (first, second)) in pairs.iter().enumerate() {
        let together = db.find_task(id(2 * n)).await.unwrap().unwrap();
        let stored = db.find_task(id(2 * n + 1)).await.unwrap().unwrap();
        assert_eq!(TaskRow { id: stored.id, ..together }, stored, "{first:?}\nthen {second:?}");
    }
}

fn all_states() -> Vec<TaskRow> {
    let mut states = vec![pending(1), TaskRow { attempt: 1, payload: None, ..pending(1) }];
    for (attempt, begun) in [(0, 2), (1, 5)] {
        states.push(running(1, attempt, begun));
        let error = Some("technical: away".into());
        states.push(TaskRow { status: TaskStatus::Pending, error, ..running(1, attempt, begun) });
        states.push(TaskRow { result: Some("1".into()), ..completed(1, attempt, begun) });
        states.push(failed(1, attempt, begun));
        states.push(TaskRow { status: TaskStatus::Cancelled, task_name: None, ..failed(1, attempt, begun) });
    }
    states
}

fn spawn_record(tasks: &mut tokio::task::JoinSet<()>, recorder: &Recorder, row: TaskRow) {
    let recorder = recorder.clone();
    tasks.spawn(async move { recorder.record(row).await.unwrap() });
}

async fn a_nul_in_a_text_is_stored_as_a_replacement_character(test: TestDatabase) {
    let db = test.connect().await;
    let recorder = Recorder::start(&db);
    let row = TaskRow { correlation_id: Some("a\0b".into()), error: Some("\0".into()), ..failed(1, 0, 2) };
    recorder.record(row).await.unwrap();
    let stored = db.find_task(id(1)).await.unwrap().unwrap();
    assert_eq!((stored.correlation_id.as_deref(), stored.error.as_deref()), (Some("a\u{FFFD}b"), Some("\u{FFFD}")));
}
