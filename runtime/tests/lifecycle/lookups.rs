//! What became of a task before.

use tokio::task::JoinSet;
use warren::lifecycle::{KnownTask, Lookups, Recorder, RunsIn, TaskStatus};

use crate::{
    database::TestDatabase,
    rows::{at, completed, failed, id, running},
};

crate::on_both_databases!(
    states_of_many_tasks_are_told_by_one_statement,
    a_thousand_callers_get_their_own_answers,
    who_asks_for_several_is_told_of_those_alone,
    lookups_survive_lost_connections,
);

async fn states_of_many_tasks_are_told_by_one_statement(test: TestDatabase) {
    let db = test.connect().await;
    let recorder = Recorder::start(&db);
    recorder.record(completed(0, 2, 1)).await.unwrap();
    recorder.record(running(1, 1, 1)).await.unwrap();
    let ids: Vec<_> = (0..40_000).map(id).collect();
    let states = db.states_of(&ids).await.unwrap();
    assert_eq!(states.len(), 2);
    assert_eq!(
        states[&id(0)],
        KnownTask {
            status: TaskStatus::Completed,
            attempt: 2,
            error: None,
            finished_at: Some(at(2)),
            runs_in: None,
            to_be_cancelled: false
        }
    );
    let nowhere = RunsIn { runtime_id: "runtime-1".into(), alive: false };
    let running = KnownTask {
        status: TaskStatus::Running,
        attempt: 1,
        error: None,
        finished_at: None,
        runs_in: Some(nowhere),
        to_be_cancelled: false,
    };
    assert_eq!(states[&id(1)], running);
    assert!(db.states_of(&[]).await.unwrap().is_empty());
}

async fn a_thousand_callers_get_their_own_answers(test: TestDatabase) {
    let db = test.connect().await;
    let recorder = Recorder::start(&db);
    recorder.record(failed(500, 7, 1)).await.unwrap();
    let lookups = Lookups::start(&db);
    let mut callers = JoinSet::new();
    for n in 0..1_000 {
        let lookups = lookups.clone();
        callers.spawn(async move { (n, lookups.state(id(n)).await.unwrap()) });
    }
    while let Some(answer) = callers.join_next().await {
        let (n, state) = answer.unwrap();
        let expected = (n == 500).then_some(KnownTask {
            status: TaskStatus::Failed,
            attempt: 7,
            error: None,
            finished_at: Some(at(2)),
            runs_in: None,
            to_be_cancelled: false,
        });
        assert_eq!(state, expected, "{n}");
    }
}

async fn who_asks_for_several_is_told_of_those_alone(test: TestDatabase) {
    let db = test.connect().await;
    let recorder = Recorder::start(&db);
    for n in 0..10 {
        recorder.record(completed(n, 0, 1)).await.unwrap();
    }
    let lookups = Lookups::start(&db);
    // As one question, or several.
    let (some, others) =
        tokio::join!(lookups.states([3, 20, 7].map(id).into()), lookups.states([7, 21, 0].map(id).into()));
    for (states, expected) in [(some.unwrap(), [3, 7]), (others.unwrap(), [0, 7])] {
        let mut ids: Vec<_> = states.into_keys().collect();
        ids.sort_unstable();
        assert_eq!(ids, expected.map(id));
    }
}

async fn lookups_survive_lost_connections(test: TestDatabase) {
    let db = test.connect().await;
    let lookups = Lookups::start(&db);
    for _ in 0..3 {
        assert_eq!(lookups.state(id(1)).await.unwrap(), None);
        test.cut_connections().await;
    }
}
