//! What is kept of each attempt.

use std::{sync::Arc, time::Duration};

use warren::{
    lifecycle::{AttemptOutcome, AttemptRow, Recorder, TaskRow, TaskStatus},
    outcome::{ErrorClass, Failure},
    receipt::{HttpReceipt, LogTail, Receipt},
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
    a_receipt_is_kept_with_its_attempt,
    what_a_guest_has_written_is_kept_while_it_runs_and_after,
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
    let attempt = AttemptRow { announced: true, ..begun(0, 1) };
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
    let attempt = AttemptRow { announced: true, ..begun(0, 1) };
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

async fn a_receipt_is_kept_with_its_attempt(test: TestDatabase) {
    let db = test.connect().await;
    let recorder = Recorder::start(&db);
    let http = HttpReceipt { requests: 2, sent: 300, received: 5_000_000_000, hosts: vec!["a.example.com:443".into()] };
    let (cpu, wall) = (Duration::from_micros(1_500), Duration::from_millis(2));
    let log = "a\0b\n".to_owned();
    let receipt = Receipt { cpu, wall, memory: 65_536, payload: 2, result: 3, http, log_bytes: 4, log };
    let attempt = AttemptRow { receipt: Some(receipt), ..ended(begun(0, 1), None) };
    recorder.record(with(completed(1, 0, 1), &attempt)).await.unwrap();
    let kept = &db.attempts_of(id(1)).await.unwrap()[0];
    assert_eq!((kept.cpu_us, kept.memory_bytes), (Some(1_500), Some(65_536)));
    assert_eq!((kept.payload_bytes, kept.result_bytes, kept.log_bytes), (Some(2), Some(3), Some(4)));
    assert_eq!(kept.log.as_deref(), Some("a\u{FFFD}b\n"));
    let http = kept.http.as_ref().unwrap();
    assert_eq!((&http["requests"], &http["received_bytes"]), (&2.into(), &5_000_000_000_u64.into()));
    assert_eq!((&http["sent_bytes"], &http["hosts"][0]), (&300.into(), &"a.example.com:443".into()));
}

async fn what_a_guest_has_written_is_kept_while_it_runs_and_after(test: TestDatabase) {
    let db = test.connect().await;
    let recorder = Recorder::start(&db);
    let so_far = |text: &str| Some(LogTail { bytes: text.len() as u64, text: text.to_owned() });
    let log = async || {
        let kept = db.attempts_of(id(1)).await.unwrap().remove(0);
        (kept.log, kept.log_bytes, kept.cpu_us)
    };
    let attempt = AttemptRow { log_so_far: so_far("one\n"), ..begun(0, 1) };
    recorder.record(with(running(1, 0, 1), &attempt)).await.unwrap();
    assert_eq!(log().await, (Some("one\n".into()), Some(4), None));
    // Told again without its payload, which stays.
    let more = AttemptRow { log_so_far: so_far("one\0two\n"), ..attempt.clone() };
    recorder.record(TaskRow { payload: None, ..with(running(1, 0, 1), &more) }).await.unwrap();
    assert_eq!(log().await, (Some("one\u{FFFD}two\n".into()), Some(8), None));
    assert!(db.find_task(id(1)).await.unwrap().unwrap().payload.is_some());
    let mut cut_off = more;
    cut_off.end(AttemptOutcome::Interrupted, None, at(3));
    recorder.record(with(running(1, 0, 1), &cut_off)).await.unwrap();
    assert_eq!(log().await, (Some("one\u{FFFD}two\n".into()), Some(8), None));
}
