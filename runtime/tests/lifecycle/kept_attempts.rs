//! The attempt that completes a task is kept in the task's row, each attempt in one place, and every one is told.

use std::time::Duration;

use futures_util::future::join_all;
use sea_orm::ConnectionTrait;
use uuid::Uuid;
use warren::{
    lifecycle::{AttemptOutcome, AttemptRow, Database, Old, Recorder, TaskRow, TaskStatus},
    outcome::{ErrorClass, Failure},
    receipt::{HttpReceipt, LogTail, Receipt},
};

use super::{outage, plans::number};
use crate::{
    database::TestDatabase,
    rows::{at, completed, id, pending, running},
};

crate::on_both_databases!(
    a_task_that_is_completed_at_once_is_one_row_that_tells_all_of_its_attempt,
    an_attempt_that_was_announced_has_the_row_that_says_so_alone,
    what_is_merged_before_it_is_written_is_one_attempt,
    attempts_that_failed_before_have_rows_and_the_last_one_has_none,
    an_attempt_that_differs_from_its_row_has_one_of_its_own,
    a_second_execution_of_a_completed_task_is_told_as_well,
    what_is_written_twice_is_told_once,
    two_recorders_that_complete_the_same_tasks_tell_every_attempt_once,
    a_kept_attempt_goes_with_its_task,
    attempts_survive_the_way_to_an_older_schema_and_back,
);

/// The attempt of `completed(_, n, second)`, as a service records it.
pub(super) fn attempt(n: u32, second: i64) -> AttemptRow {
    let begun = AttemptRow::begun(n, "runtime-1".into(), at(second));
    let mut attempt = AttemptRow { component_digest: Some("sha256:1".into()), ..begun };
    attempt.receipt = Some(Receipt { cpu: Duration::from_micros(7), memory: 65_536, ..Receipt::default() });
    attempt.end(AttemptOutcome::Completed, None, at(second + 1));
    attempt
}

/// The attempt as it was when it began.
fn under_way(attempt: &AttemptRow) -> AttemptRow {
    AttemptRow {
        outcome: AttemptOutcome::Running,
        finished_at: None,
        receipt: None,
        log_so_far: Some(LogTail { bytes: 3, text: "so\n".to_owned() }),
        announced: true,
        ..attempt.clone()
    }
}

pub(super) fn with(row: TaskRow, attempts: &[&AttemptRow]) -> TaskRow {
    TaskRow { attempts: attempts.iter().map(|&attempt| attempt.clone()).collect(), ..row }
}

async fn rows_of_attempts(db: &Database) -> i64 {
    number(db.connection(), "SELECT count(*) AS n FROM task_attempt").await
}

async fn kept_in_rows(db: &Database) -> i64 {
    number(db.connection(), "SELECT count(*) AS n FROM task_store WHERE id_attempt IS NOT NULL").await
}

/// The ids of the task's attempts, each of which has completed.
async fn told(db: &Database, task: usize) -> Vec<Uuid> {
    let attempts = db.attempts_of(id(task)).await.unwrap();
    assert!(attempts.iter().all(|attempt| attempt.outcome == AttemptOutcome::Completed), "{attempts:?}");
    attempts.iter().map(|attempt| attempt.id_attempt).collect()
}

async fn a_task_that_is_completed_at_once_is_one_row_that_tells_all_of_its_attempt(test: TestDatabase) {
    let db = test.connect().await;
    let recorder = Recorder::start(&db);
    let http = HttpReceipt { requests: 2, sent: 300, received: 5_000_000_000, hosts: vec!["a.example.com:443".into()] };
    let (cpu, wall) = (Duration::from_micros(1_500), Duration::from_millis(2));
    let log = "a\0b\n".to_owned();
    let receipt = Receipt { cpu, wall, memory: 65_536, payload: 2, result: 3, http, log_bytes: 4, log };
    let quick = AttemptRow { receipt: Some(receipt), ..attempt(0, 1) };
    let lasting = AttemptRow { announced: true, ..quick.clone() };
    recorder.record(with(completed(1, 0, 1), &[&quick])).await.unwrap();
    assert_eq!((rows_of_attempts(&db).await, kept_in_rows(&db).await), (0, 1));
    recorder.record(with(completed(2, 0, 1), &[&lasting])).await.unwrap();
    assert_eq!((rows_of_attempts(&db).await, kept_in_rows(&db).await), (1, 1));
    let (quick, mut lasting) = (db.attempts_of(id(1)).await.unwrap(), db.attempts_of(id(2)).await.unwrap());
    assert_eq!((quick[0].log.as_deref(), quick[0].cpu_us), (Some("a\u{FFFD}b\n"), Some(1_500)));
    assert_eq!(quick[0].http.as_ref().unwrap()["requests"], 2);
    // Wherever it is kept, the same is told of it.
    lasting[0].id_task = id(1);
    assert_eq!(quick, lasting);
    assert_eq!(db.find_task(id(1)).await.unwrap(), Some(completed(1, 0, 1)));
    let usage = db.usage_of("process_order").await.unwrap();
    assert_eq!((usage.tasks, usage.attempts, usage.completed), (2, 2, 2));
}

async fn an_attempt_that_was_announced_has_the_row_that_says_so_alone(test: TestDatabase) {
    let db = test.connect().await;
    let recorder = Recorder::start(&db);
    let ended = AttemptRow { announced: true, ..attempt(0, 1) };
    recorder.record(with(running(1, 0, 1), &[&under_way(&ended)])).await.unwrap();
    recorder.record(with(completed(1, 0, 1), &[&ended])).await.unwrap();
    assert_eq!(told(&db, 1).await, [ended.id]);
    assert_eq!((rows_of_attempts(&db).await, kept_in_rows(&db).await), (1, 0));
}

async fn what_is_merged_before_it_is_written_is_one_attempt(test: TestDatabase) {
    let db = test.connect().await;
    let recorder = Recorder::start(&db);
    let outage = test.begin_outage().await;
    // Occupies the writer, so that what comes then waits together.
    let first = tokio::spawn({
        let recorder = recorder.clone();
        async move { recorder.record(completed(0, 0, 1)).await }
    });
    outage::red(&recorder).await;
    let (announced, failed_before) = (attempt(0, 1), attempt(1, 5));
    recorder.announce(with(running(1, 0, 1), &[&under_way(&announced)]));
    // Who ends it need not say that it was announced.
    let one = recorder.record(with(completed(1, 0, 1), &[&announced]));
    let mut failed = attempt(0, 2);
    failed.end(AttemptOutcome::Failed, Some(Failure::new(ErrorClass::Technical, "away")), at(3));
    recorder.announce(with(TaskRow { error: Some("technical: away".into()), ..pending(2) }, &[&failed]));
    let two = recorder.record(with(completed(2, 1, 5), &[&failed_before]));
    let (one, two, ()) = tokio::join!(one, two, outage.end());
    assert_eq!([one, two, first.await.unwrap()], [Ok(()), Ok(()), Ok(())]);
    assert_eq!(told(&db, 1).await, [announced.id]);
    assert_eq!(db.attempts_of(id(2)).await.unwrap().len(), 2);
    assert_eq!((rows_of_attempts(&db).await, kept_in_rows(&db).await), (3, 0));
}

async fn attempts_that_failed_before_have_rows_and_the_last_one_has_none(test: TestDatabase) {
    let db = test.connect().await;
    let recorder = Recorder::start(&db);
    let mut failed = attempt(0, 1);
    failed.end(AttemptOutcome::Failed, Some(Failure::new(ErrorClass::Technical, "away")), at(2));
    let waits = TaskRow { status: TaskStatus::Pending, error: Some("technical: away".into()), ..running(1, 0, 1) };
    recorder.record(with(waits, &[&failed])).await.unwrap();
    let last = attempt(1, 5);
    recorder.record(with(completed(1, 1, 5), &[&last])).await.unwrap();
    let attempts = db.attempts_of(id(1)).await.unwrap();
    let outcomes: Vec<_> = attempts.iter().map(|attempt| (attempt.id_attempt, attempt.outcome)).collect();
    assert_eq!(outcomes, [(failed.id, AttemptOutcome::Failed), (last.id, AttemptOutcome::Completed)]);
    assert_eq!((attempts[1].attempt, attempts[1].started_at), (1, at(5)));
    assert_eq!((rows_of_attempts(&db).await, kept_in_rows(&db).await), (1, 1));
}

async fn an_attempt_that_differs_from_its_row_has_one_of_its_own(test: TestDatabase) {
    let db = test.connect().await;
    let recorder = Recorder::start(&db);
    let usual = || attempt(0, 1);
    let differing = [
        AttemptRow { attempt: 1, ..usual() },
        AttemptRow { runtime_id: "runtime-2".into(), ..usual() },
        AttemptRow { component_digest: None, ..usual() },
        AttemptRow { started_at: at(0), ..usual() },
        AttemptRow { finished_at: Some(at(9)), ..usual() },
    ];
    for (n, attempt) in differing.iter().enumerate() {
        recorder.record(with(completed(n, 0, 1), &[attempt])).await.unwrap();
        let kept = &db.attempts_of(id(n)).await.unwrap()[0];
        assert_eq!((kept.attempt, &*kept.runtime_id), (i32::try_from(attempt.attempt).unwrap(), &*attempt.runtime_id));
        assert_eq!(kept.component_digest.as_deref(), attempt.component_digest.as_deref());
        assert_eq!((kept.started_at, kept.finished_at), (attempt.started_at, attempt.finished_at));
    }
    assert_eq!((rows_of_attempts(&db).await, kept_in_rows(&db).await), (5, 0));
}

async fn a_second_execution_of_a_completed_task_is_told_as_well(test: TestDatabase) {
    let db = test.connect().await;
    let recorder = Recorder::start(&db);
    let (first, second) = (attempt(0, 1), attempt(0, 11));
    recorder.record(with(completed(1, 0, 1), &[&first])).await.unwrap();
    // Beside others: some have no attempt, one that is kept, or one that has a row of its own.
    let others = (2..40).map(|n| {
        let attempt = AttemptRow { announced: n % 3 == 0, ..attempt(0, 1) };
        let attempts: &[_] = if n % 3 == 2 { &[] } else { &[&attempt] };
        recorder.record(with(completed(n, 0, 1), attempts))
    });
    let again = recorder.record(with(completed(1, 0, 11), &[&second]));
    let (others, again) = tokio::join!(join_all(others), again);
    assert!(others.into_iter().chain([again]).all(|recorded| recorded == Ok(())));
    assert_eq!(told(&db, 1).await, [first.id, second.id]);
    assert_eq!(db.find_task(id(1)).await.unwrap(), Some(completed(1, 0, 1)));
    assert_eq!((rows_of_attempts(&db).await, kept_in_rows(&db).await), (14, 13));
}

async fn what_is_written_twice_is_told_once(test: TestDatabase) {
    let db = test.connect().await;
    let (first, second) = (attempt(0, 1), attempt(0, 11));
    for _ in 0..3 {
        // As one whose answer was lost, and that is tried again.
        let recorder = Recorder::start(&db);
        recorder.record(with(completed(1, 0, 1), &[&first])).await.unwrap();
        recorder.record(with(completed(1, 0, 11), &[&second])).await.unwrap();
    }
    assert_eq!(told(&db, 1).await, [first.id, second.id]);
    assert_eq!((rows_of_attempts(&db).await, kept_in_rows(&db).await), (1, 1));
}

async fn two_recorders_that_complete_the_same_tasks_tell_every_attempt_once(test: TestDatabase) {
    const TASKS: usize = 300;
    let db = test.connect().await;
    let recorders = [Recorder::start(&db), Recorder::start(&db)];
    let made: Vec<Vec<AttemptRow>> = (0..TASKS).map(|_| vec![attempt(0, 1), attempt(0, 11)]).collect();
    let recording = made.iter().enumerate().flat_map(|(n, attempts)| {
        recorders.iter().zip(attempts).map(move |(recorder, attempt)| async move {
            let second = if attempt.started_at == at(1) { 1 } else { 11 };
            let ended = match n % 3 {
                0 => {
                    recorder.announce(with(running(n, 0, second), &[&under_way(attempt)]));
                    AttemptRow { announced: true, ..attempt.clone() }
                }
                _ => attempt.clone(),
            };
            recorder.record(with(completed(n, 0, second), &[&ended])).await
        })
    });
    assert!(join_all(recording).await.into_iter().all(|recorded| recorded == Ok(())));
    for (n, attempts) in made.iter().enumerate() {
        assert_eq!(told(&db, n).await, [attempts[0].id, attempts[1].id]);
    }
    assert_eq!(kept_in_rows(&db).await, 200);
}

async fn a_kept_attempt_goes_with_its_task(test: TestDatabase) {
    let db = test.connect().await;
    let recorder = Recorder::start(&db);
    let then = db.clock().now() - chrono::TimeDelta::days(40);
    let end = |row: TaskRow| TaskRow { created_at: then, started_at: Some(then), finished_at: Some(then), ..row };
    let kept = AttemptRow { started_at: then, finished_at: Some(then), ..attempt(0, 1) };
    recorder.record(with(end(completed(1, 0, 1)), &[&kept])).await.unwrap();
    assert_eq!(kept_in_rows(&db).await, 1);
    let month = Duration::from_secs(30 * 24 * 60 * 60);
    assert_eq!(db.prune(Old::Completed, month, |_| std::ops::ControlFlow::Continue(())).await.unwrap(), 1);
    assert!(db.attempts_of(id(1)).await.unwrap().is_empty());
    // Written once more by somebody who was held up for so long: one row, with its attempt.
    recorder.record(with(end(completed(1, 0, 1)), &[&kept])).await.unwrap();
    assert_eq!(told(&db, 1).await, [kept.id]);
}

async fn attempts_survive_the_way_to_an_older_schema_and_back(test: TestDatabase) {
    let db = test.connect().await;
    let recorder = Recorder::start(&db);
    let so_far = LogTail { bytes: 3, text: "so\n".to_owned() };
    for n in 0..20 {
        let quick = AttemptRow { announced: n % 3 == 0, ..attempt(0, 1) };
        recorder.record(with(completed(n, 0, 1), &[&quick])).await.unwrap();
        recorder.record(with(completed(n, 0, 11), &[&attempt(0, 11)])).await.unwrap();
    }
    let lasts = AttemptRow { log_so_far: Some(so_far), ..under_way(&attempt(0, 1)) };
    recorder.record(with(running(20, 0, 1), &[&lasts])).await.unwrap();
    let all = async || join_all((0..21).map(|n| db.attempts_of(id(n)))).await.into_iter().map(Result::unwrap);
    let before: Vec<_> = all().await.collect();
    assert_eq!((before.iter().map(Vec::len).sum::<usize>(), kept_in_rows(&db).await), (41, 13));
    let to_before_that = migration::status(db.connection()).await.unwrap().len() - 11;
    migration::down(db.connection(), to_before_that.try_into().unwrap()).await.unwrap();
    assert_eq!(rows_of_attempts(&db).await, 41);
    assert!(db.connection().execute_unprepared("SELECT id_attempt FROM task_store").await.is_err());
    db.migrate().await.unwrap();
    assert_eq!(all().await.collect::<Vec<_>>(), before);
    assert_eq!((rows_of_attempts(&db).await, kept_in_rows(&db).await), (41, 0));
}

/// Raises an error at the first two attempts that are to be rows of their own.
const FAULTY: &str = "\
    CREATE SEQUENCE tried;
    CREATE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF nextval('tried') <= 2 THEN RAISE EXCEPTION 'raised by the test' USING ERRCODE = '40001'; END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER fault BEFORE INSERT ON task_attempt FOR EACH ROW EXECUTE FUNCTION fault()";

/// On SQLite all of it is one transaction.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_left_over_is_written_before_anybody_is_told_that_it_is() {
    let test = TestDatabase::postgres().await;
    let db = test.connect().await;
    let recorder = Recorder::start(&db);
    let (first, second) = (attempt(0, 1), attempt(0, 11));
    recorder.record(with(completed(1, 0, 1), &[&first])).await.unwrap();
    test.aside().await.execute_unprepared(FAULTY).await.unwrap();
    // Its first statement is carried out each time, the second one not.
    let (again, other) = tokio::join!(
        recorder.record(with(completed(1, 0, 11), &[&second])),
        recorder.record(with(completed(2, 0, 1), &[&first]))
    );
    assert_eq!([again, other], [Ok(()), Ok(())]);
    assert_eq!(told(&db, 1).await, [first.id, second.id]);
    assert_eq!(told(&db, 2).await, [first.id]);
    assert_eq!((rows_of_attempts(&db).await, kept_in_rows(&db).await), (1, 2));
}
