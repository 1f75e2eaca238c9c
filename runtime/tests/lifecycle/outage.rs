//! The database goes away under load, and comes back.

use std::time::Duration;

use tokio::{task::JoinSet, time::timeout};
use warren::lifecycle::{Health, Recorder, TaskFilter};

use crate::{
    database::TestDatabase,
    rows::{completed, event, running},
};

crate::on_both_databases!(
    an_outage_delays_rows_and_loses_none,
    health_is_red_while_the_database_is_away_and_green_again_after,
    connections_cut_under_load_lose_no_row,
);

/// Waits until the recorder says that it can't write.
pub(super) async fn red(recorder: &Recorder) {
    let mut health = recorder.health();
    let red = health.wait_for(|health| matches!(health, Health::Unhealthy(_)));
    timeout(Duration::from_secs(60), red).await.expect("the outage is noticed").unwrap();
}

/// Waits until the recorder says that it can write again.
pub(super) async fn green(recorder: &Recorder) {
    let mut health = recorder.health();
    let green = health.wait_for(|health| *health == Health::Healthy);
    timeout(Duration::from_secs(60), green).await.expect("the database's return is noticed").unwrap();
}

/// Records each task in two states, and an event with it; each caller waits for its commits.
pub(super) fn record_all(recorder: &Recorder, rows: std::ops::Range<usize>) -> JoinSet<()> {
    let mut callers = JoinSet::new();
    for n in rows {
        let recorder = recorder.clone();
        callers.spawn(async move {
            recorder.announce(running(n, 0, 1));
            recorder.record(completed(n, 0, 1)).await.unwrap();
            recorder.record_event(event(n)).await.unwrap();
        });
    }
    callers
}

/// Waits until every caller has its commits.
pub(super) async fn finish(mut callers: JoinSet<()>) {
    while let Some(caller) = callers.join_next().await {
        caller.unwrap();
    }
}

async fn an_outage_delays_rows_and_loses_none(test: TestDatabase) {
    let db = test.connect().await;
    let recorder = Recorder::start(&db);
    let outage = test.begin_outage().await;
    let mut callers = record_all(&recorder, 0..300);
    red(&recorder).await;
    assert!(callers.try_join_next().is_none(), "nothing is answered while the database is away");
    outage.end().await;
    finish(callers).await;
    assert_eq!(db.list_tasks(&TaskFilter::default(), 1_000, None).await.unwrap().len(), 300);
}

async fn health_is_red_while_the_database_is_away_and_green_again_after(test: TestDatabase) {
    let db = test.connect().await;
    let recorder = Recorder::start(&db);
    recorder.record(completed(0, 0, 1)).await.unwrap();
    assert_eq!(*recorder.health().borrow(), Health::Healthy);
    let outage = test.begin_outage().await;
    let callers = record_all(&recorder, 1..10);
    red(&recorder).await;
    let Health::Unhealthy(reason) = recorder.health().borrow().clone() else { panic!("green in an outage") };
    assert!(reason.starts_with("tasks can't be recorded: "), "{reason}");
    outage.end().await;
    finish(callers).await;
    green(&recorder).await;
}

async fn connections_cut_under_load_lose_no_row(test: TestDatabase) {
    let db = test.connect().await;
    let recorder = Recorder::start(&db);
    let mut cuts = JoinSet::new();
    let callers = record_all(&recorder, 0..3_000);
    cuts.spawn(async move {
        for _ in 0..5 {
            test.cut_connections().await;
        }
        test
    });
    finish(callers).await;
    let _test = cuts.join_next().await.unwrap().unwrap();
    let rows = db.list_tasks(&TaskFilter::default(), 5_000, None).await.unwrap();
    assert_eq!(rows.len(), 3_000);
}
