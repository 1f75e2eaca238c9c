//! A task is on record before anyone says that it was accepted.

use warren::lifecycle::{Inserted, QueryError, Recorder, TaskRow};

use crate::{
    database::TestDatabase,
    rows::{completed, id, pending},
};

crate::on_both_databases!(a_new_task_is_stored_and_a_known_one_is_shown, of_many_who_insert_the_same_task_one_does,);

async fn a_new_task_is_stored_and_a_known_one_is_shown(test: TestDatabase) {
    let db = test.connect().await;
    assert_eq!(db.insert_pending(pending(1)).await.unwrap(), Inserted::New);
    let again = TaskRow { payload: Some("1".into()), ..pending(1) };
    assert_eq!(db.insert_pending(again).await.unwrap(), Inserted::Existing(Box::new(pending(1))));
    Recorder::start(&db).record(completed(1, 0, 1)).await.unwrap();
    assert_eq!(db.insert_pending(pending(1)).await.unwrap(), Inserted::Existing(Box::new(completed(1, 0, 1))));
    assert_eq!(db.find_task(id(1)).await.unwrap(), Some(completed(1, 0, 1)));
}

async fn of_many_who_insert_the_same_task_one_does(test: TestDatabase) {
    let db = test.connect().await;
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let db = db.clone();
        callers.spawn(async move { db.insert_pending(pending(1)).await.unwrap() });
    }
    let answers = callers.join_all().await;
    assert_eq!(answers.iter().filter(|answer| **answer == Inserted::New).count(), 1);
}

#[tokio::test]
async fn a_payload_that_postgres_can_not_store_is_refused_at_once() {
    let test = TestDatabase::postgres().await;
    let db = test.connect().await;
    let refused = TaskRow { payload: Some(r#""\u0000""#.into()), ..pending(1) };
    assert!(matches!(db.insert_pending(refused).await, Err(QueryError::Refused(_))));
}
