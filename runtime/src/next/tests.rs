//! Each state that a task can be in, and what is told of it.

use uuid::Uuid;

use super::*;

const COURSE: Course = Course { retry_delay: Duration::from_secs(3), longest_attempt: Duration::from_secs(600) };

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(2_000_000_000 + second, 0).unwrap()
}

fn known(status: TaskStatus) -> Known<'static> {
    Known {
        status,
        attempt: 0,
        error: None,
        due_at: None,
        started_at: None,
        attempts: &[],
        runs_in: None,
        to_be_cancelled: false,
    }
}

fn attempt(outcome: AttemptOutcome, finished: i64) -> attempt::Model {
    attempt::Model {
        id_task: Uuid::nil(),
        id_attempt: Uuid::nil(),
        attempt: 0,
        runtime_id: "r-1".into(),
        component_digest: None,
        started_at: at(0),
        finished_at: Some(at(finished)),
        outcome,
        error_class: None,
        error: None,
        cpu_us: None,
        memory_bytes: None,
        payload_bytes: None,
        result_bytes: None,
        log_bytes: None,
        http: None,
        log: None,
    }
}

fn runs_in(alive: bool) -> Option<RunsIn> {
    Some(RunsIn { runtime_id: "r-1".into(), alive })
}

#[test]
fn each_state_says_what_comes_next() {
    use TaskStatus::{Cancelled, Completed, Failed, Pending, Running};
    let (failed, lost) = ([attempt(AttemptOutcome::Failed, 1)], [attempt(AttemptOutcome::Lost, 1)]);
    let of_error = |error: &'static str| Known { error: Some(error), ..known(Failed) };
    let waits = Known { error: Some("technical: away"), attempts: &failed, ..known(Pending) };
    let runs = Known { started_at: Some(at(0)), ..known(Running) };
    let rows = [
        (known(Completed), Next::Completed),
        (known(Cancelled), Next::Cancelled),
        (of_error("business: no"), Next::Failed),
        (of_error("invalid: no"), Next::Failed),
        (Known { attempts: &failed, ..of_error("timeout: long") }, Next::Dead(Some(ErrorClass::Timeout))),
        (Known { attempts: &failed, ..of_error("of an older version") }, Next::Dead(None)),
        (of_error("technical: the message was not published"), Next::NeverPublished),
        (of_error("malformed: x"), Next::Unusable),
        (of_error("unstorable: x"), Next::Unusable),
        (known(Pending), Next::Waits),
        (Known { due_at: Some(at(90)), ..known(Pending) }, Next::Due(at(90))),
        (Known { to_be_cancelled: true, ..known(Pending) }, Next::IsCancelled),
        (waits.clone(), Next::Retry(1, at(4))),
        (Known { attempt: 2, ..waits.clone() }, Next::Retry(3, at(13))),
        // A delay that no time can hold.
        (Known { attempt: 40, ..waits.clone() }, Next::Waits),
        // Made again by hand, without an attempt.
        (Known { attempts: &[], ..waits }, Next::Waits),
        (Known { attempts: &lost, ..known(Pending) }, Next::WaitsAgain),
        // Begun anew.
        (Known { attempts: &failed, ..known(Pending) }, Next::Waits),
        (Known { runs_in: runs_in(true), ..runs.clone() }, Next::Runs("r-1".into(), Some(at(600)))),
        (Known { runs_in: runs_in(false), ..runs.clone() }, Next::RuntimeIsGone("r-1".into())),
        (Known { to_be_cancelled: true, runs_in: runs_in(true), ..runs.clone() }, Next::IsCancelled),
        (runs, Next::WaitsAgain),
    ];
    for (known, expected) in rows {
        let next = Next::of(&known, COURSE, at(2));
        assert_eq!(next, expected, "{known:?}");
        assert!(!next.told("7", "echo").is_empty());
    }
}

#[test]
fn a_retry_whose_time_has_come_is_in_the_queue() {
    let failed = [attempt(AttemptOutcome::Failed, 1)];
    let waits = Known { error: Some("technical: away"), attempts: &failed, ..known(TaskStatus::Pending) };
    assert_eq!(Next::of(&waits, COURSE, at(3)), Next::Retry(1, at(4)));
    assert_eq!(Next::of(&waits, COURSE, at(4)), Next::Waits);
}

#[test]
fn what_is_dead_names_the_command_that_tries_it_again() {
    let told = Next::Dead(Some(ErrorClass::Timeout)).told("019a", "resize");
    assert!(told.contains("`warren task retry 019a`"), "{told}");
    assert!(told.contains("`warren dead retry --reason timeout --component resize`"), "{told}");
}
