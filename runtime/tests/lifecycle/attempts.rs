//! What is kept of each attempt.

use std::sync::Arc;

use warren::{
    lifecycle::{AttemptOutcome, AttemptRow, Recorder, TaskRow, TaskStatus},
    outcome::{ErrorClass, Failure},
};

use crate::{
    database::TestDatabase,
    rows::{at, completed, failed, id, running},
};

crate::on_both_databases!(
    every_attempt_is_kept_with_its_error_and_its_times,
    an_attempt_that_was_announced_is_one_row,
    attempts_are_kept_where_the_state_has_to_yield,
    the_end_of_an_attempt_stands,
    an_attempt_is_stored_whatever_its_error_holds,
);

fn begun(n: u32, second: i64) -> AttemptRow {
    AttemptRow::begun(n, "runtime-1".into(), at(second))
}

fn ended(mut attempt: AttemptRow, failure: Option<Failure>) -> AttemptRow {
    let outcome = if failure.is_some() { AttemptOutcome::Failed } else { AttemptOutcome::Completed };
    let end = attempt.started_at + chrono::TimeDelta::seconds(1);
    attempt.end(outcome, failure, end);
    attempt
}

fn with(row: TaskRow, attempt: &AttemptRow) -> TaskRow {
    TaskRow { attempts: vec![attempt.clone()], ..row }
}

async fn every_attempt_is_kept_with_its_error_and_its_times(test: TestDatabase) {
    let db = test.connect().await;
    let recorder = Recorder::start(&db);
    let away = Failure::new(ErrorClass::Technical, "away");
    for n in 0..3 {
        let second = i64::from(n) * 10;
        let attempt = ended(begun(n, second), Some(away.clone()));
        let row =
            TaskRow { status: TaskStatus::Pending, error: Some(away.to_string().into()), ..running(1, n, second) };
        recorder.record(with(row, &attempt)).await.unwrap();
    }
    let last = AttemptRow { component_digest: Some("sha256:1".into()), ..ended(begun(3, 30), None) };
    recorder.record(with(completed(1, 3, 30), &last)).await.unwrap();

    let kept = db.attempts_of(id(1)).await.unwrap();
    assert_eq!(kept.iter().map(|attempt| attempt.attempt).collect::<Vec<_>>(), [0, 1, 2, 3]);
    for (attempt, second) in kept.iter().zip([0, 10, 20, 30]) {
        assert_eq!((attempt.started_at, attempt.finished_at), (at(second), Some(at(second + 1))));
        assert_eq!(attempt.runtime_id, "runtime-1");
    }
    assert_eq!((kept[1].outcome, kept[1].error_class.as_deref()), (AttemptOutcome::Failed, Some("technical")));
    assert_eq!(kept[1].error.as_deref(), Some("away"));
    assert_eq!((kept[3].outcome, &kept[3].error_class, &kept[3].error), (AttemptOutcome::Completed, &None, &None));
    assert_eq!(kept[3].component_digest.as_deref(), Some("sha256:1"));
    assert_eq!(kept[3].id_attempt, last.id);
    assert!(db.attempts_of(id(2)).await.unwrap().is_empty());
}

async fn an_attempt_that_was_announced_is_one_row(test: TestDatabase) {
    let db = test.connect().await;
    let recorder = Recorder::start(&db);
    let attempt = begun(0, 1);
    recorder.record(with(running(1, 0, 1), &attempt)).await.unwrap();
    assert_eq!(db.attempts_of(id(1)).await.unwrap()[0].outcome, AttemptOutcome::Running);
    recorder.record(with(completed(1, 0, 1), &ended(attempt.clone(), None))).await.unwrap();
    // Both at once, before anything is written.
    recorder.announce(with(running(2, 0, 1), &attempt));
    recorder.record(with(completed(2, 0, 1), &ended(attempt, None))).await.unwrap();
    for task in [1, 2] {
        let kept = db.attempts_of(id(task)).await.unwrap();
        assert_eq!(kept.len(), 1);
        assert_eq!((kept[0].outcome, kept[0].finished_at), (AttemptOutcome::Completed, Some(at(2))));
    }
}

async fn attempts_are_kept_where_the_state_has_to_yield(test: TestDatabase) {
    let db = test.connect().await;
    let recorder = Recorder::start(&db);
    recorder.record(with(completed(1, 0, 1), &ended(begun(0, 1), None))).await.unwrap();
    let late = ended(begun(0, 2), Some(Failure::new(ErrorClass::Business, "no")));
    recorder.record(with(failed(1, 0, 2), &late)).await.unwrap();
    assert_eq!(db.find_task(id(1)).await.unwrap().unwrap().status, TaskStatus::Completed);
    assert_eq!(db.attempts_of(id(1)).await.unwrap().len(), 2);
}

async fn the_end_of_an_attempt_stands(test: TestDatabase) {
    let db = test.connect().await;
    let recorder = Recorder::start(&db);
    let attempt = begun(0, 1);
    recorder.record(with(completed(1, 0, 1), &ended(attempt.clone(), None))).await.unwrap();
    recorder.record(with(running(1, 0, 1), &attempt)).await.unwrap();
    assert_eq!(db.attempts_of(id(1)).await.unwrap()[0].outcome, AttemptOutcome::Completed);
}

async fn an_attempt_is_stored_whatever_its_error_holds(test: TestDatabase) {
    let db = test.connect().await;
    let recorder = Recorder::start(&db);
    let nul = ended(begun(0, 1), Some(Failure::new(ErrorClass::Technical, "a\0b")));
    recorder.record(with(failed(1, 0, 1), &nul)).await.unwrap();
    assert_eq!(db.attempts_of(id(1)).await.unwrap()[0].error.as_deref(), Some("a\u{FFFD}b"));
    // A result that no column takes: the attempt says what became of it.
    let row = TaskRow { result: Some(Arc::from("no json")), ..completed(2, 0, 1) };
    let row = with(row, &ended(begun(0, 1), None)).storable("no json");
    recorder.record(row).await.unwrap();
    let kept = db.attempts_of(id(2)).await.unwrap();
    assert_eq!((kept[0].outcome, kept[0].error_class.as_deref()), (AttemptOutcome::Failed, Some("unstorable")));
}
