//! The recorder stops: what it holds is written, or its callers are told.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use warren::lifecycle::{Health, RecordError, Recorder, TaskFilter};

use crate::{
    database::TestDatabase,
    rows::{completed, event, running},
};

crate::on_both_databases!(
    what_is_held_is_written_before_the_end,
    in_an_outage_the_grace_ends_it_and_the_callers_are_told,
    rows_announced_before_the_last_handle_went_are_written,
);

const GRACE: Duration = Duration::from_secs(60);

async fn what_is_held_is_written_before_the_end(test: TestDatabase) {
    let db = test.connect().await;
    let recorder = Recorder::start(&db);
    for n in 0..1_500 {
        recorder.announce(running(n, 0, 1));
    }
    assert!(recorder.stop(GRACE).await);
    assert!(recorder.stop(GRACE).await, "a second time is fine");
    assert_eq!(recorder.record(completed(1, 0, 1)).await, Err(RecordError::Stopped));
    assert_eq!(recorder.record_event(event(1)).await, Err(RecordError::Stopped));
    recorder.announce(running(5_000, 0, 1));
    assert_eq!(db.list_tasks(&TaskFilter::default(), 5_000, None).await.unwrap().len(), 1_500);
}

async fn in_an_outage_the_grace_ends_it_and_the_callers_are_told(test: TestDatabase) {
    let db = test.connect().await;
    let recorder = Recorder::start(&db);
    let outage = test.begin_outage().await;
    let mut callers = JoinSet::new();
    for n in 0..100 {
        let recorder = recorder.clone();
        callers.spawn(async move { recorder.record(completed(n, 0, 1)).await });
    }
    super::outage::red(&recorder).await;
    let begun = Instant::now();
    assert!(!recorder.stop(Duration::from_millis(100)).await);
    assert!(begun.elapsed() < Duration::from_secs(60));
    assert!(callers.join_all().await.into_iter().all(|answer| answer == Err(RecordError::Stopped)));
    assert!(matches!(*recorder.health().borrow(), Health::Unhealthy(_)));
    outage.end().await;
}

async fn rows_announced_before_the_last_handle_went_are_written(test: TestDatabase) {
    let db = test.connect().await;
    let recorder = Recorder::start(&db);
    recorder.announce(running(1, 0, 1));
    let mut health = recorder.health();
    drop(recorder);
    // The channel ends with the writers.
    while health.changed().await.is_ok() {}
    assert_eq!(db.list_tasks(&TaskFilter::default(), 10, None).await.unwrap().len(), 1);
}
