//! Who waits for a task in this process hears of its end, once it is committed.

use std::time::Duration;

use tokio::time::timeout;
use warren::lifecycle::{Recorder, TaskStatus};

use crate::{
    database::TestDatabase,
    rows::{completed, failed, id, pending, running},
};

crate::on_both_databases!(the_end_is_told_when_it_is_committed_and_nothing_before);

async fn the_end_is_told_when_it_is_committed_and_nothing_before(test: TestDatabase) {
    let db = test.connect().await;
    let recorder = Recorder::start(&db);
    let (mut first, mut second) = (recorder.subscribe(id(1)), recorder.subscribe(id(1)));
    let mut other = recorder.subscribe(id(2));
    recorder.record(pending(1)).await.unwrap();
    recorder.record(running(1, 0, 1)).await.unwrap();
    assert!(timeout(Duration::from_millis(20), first.committed()).await.is_err());
    recorder.record(completed(1, 0, 1)).await.unwrap();
    first.committed().await;
    second.committed().await;
    assert_eq!(db.find_task(id(1)).await.unwrap().unwrap().status, TaskStatus::Completed);
    assert!(timeout(Duration::from_millis(20), other.committed()).await.is_err());
    recorder.record(failed(2, 0, 1)).await.unwrap();
    other.committed().await;
    other.committed().await;
}
