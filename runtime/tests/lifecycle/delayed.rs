//! Messages that wait for their time: who gets them, and when.

use chrono::TimeDelta;
use tokio::task::JoinSet;
use warren::lifecycle::{Cancelled, Claim, Database, DelayedTask, QueryError, TaskFilter, TaskRow};

use crate::{
    database::TestDatabase,
    rows::{id, pending},
};

crate::on_both_databases!(
    what_is_due_is_claimed_by_one_in_the_order_of_its_time,
    what_waits_is_neither_stuck_nor_unfinished,
    what_is_cancelled_or_hastened_is_due_at_once,
    a_message_that_is_being_published_makes_room_for_the_next_one,
    a_message_that_waits_already_is_kept_as_it_is,
);

/// The message of task `n`, due so long from now.
fn message(db: &Database, n: usize, due_in: TimeDelta) -> DelayedTask {
    DelayedTask {
        id_task: id(n),
        due_at: db.clock().now() + due_in,
        claimed_until: None,
        routing_key: "routing.task.run.echo".into(),
        task_name: "echo".into(),
        payload: "{}".into(),
        producer_app: "test".into(),
        correlation_id: "c-1".into(),
        message_id: format!("m-{n}"),
        reply_to: None,
        traceparent: None,
        tracestate: None,
        priority: None,
    }
}

async fn delay(db: &Database, n: usize, due_in: TimeDelta) {
    let row = TaskRow { message_id: Some(format!("m-{n}").into()), ..pending(n) };
    db.delay(row, message(db, n, due_in)).await.unwrap();
}

async fn what_is_due_is_claimed_by_one_in_the_order_of_its_time(test: TestDatabase) {
    let db = test.connect().await;
    let second = TimeDelta::seconds;
    for (n, due_in) in [(1, second(-1)), (2, second(-2)), (3, second(3600))] {
        delay(&db, n, due_in).await;
    }
    let due = db.due_at(id(3)).await.unwrap().unwrap();
    let mut claimers = JoinSet::new();
    for _ in 0..8 {
        let db = db.clone();
        claimers.spawn(async move { db.claim_due().await.unwrap() });
    }
    let ids = |claim: &Claim| claim.due.iter().map(|(id, _)| *id).collect::<Vec<_>>();
    let claims: Vec<_> = claimers.join_all().await.into_iter().filter(|claim| !claim.due.is_empty()).collect();
    let claimed: Vec<_> = claims.iter().map(ids).collect();
    assert_eq!(claimed.concat().len(), 2, "each by one: {claimed:?}");
    assert!(claimed == [[id(2), id(1)]] || claimed.len() == 2, "the earliest first: {claimed:?}");
    assert!(claims.iter().flat_map(|claim| &claim.due).all(|(_, bytes)| *bytes == 2), "{claims:?}");
    assert_eq!(db.next_due().await.unwrap(), Some(due), "what is claimed is nobody else's");
    for claim in &claims {
        db.give_up_claims(claim, &ids(claim)).await.unwrap();
    }
    let next = db.claim_due().await.unwrap();
    assert_eq!(ids(&next), [id(2), id(1)]);
    for claim in &claims {
        db.forget_delayed(claim, &ids(claim)).await.unwrap();
    }
    assert!(db.due_at(id(1)).await.unwrap().is_some(), "who has lost it forgets nothing");
    db.forget_delayed(&next, &ids(&next)).await.unwrap();
    assert_eq!((db.due_at(id(1)).await.unwrap(), db.due_at(id(3)).await.unwrap()), (None, Some(due)));
}

async fn what_waits_is_neither_stuck_nor_unfinished(test: TestDatabase) {
    let db = test.connect().await;
    delay(&db, 1, TimeDelta::hours(1)).await;
    db.insert_pending(pending(2)).await.unwrap();
    let filter = TaskFilter { stuck_for: Some(std::time::Duration::ZERO), ..TaskFilter::default() };
    let stuck: Vec<_> = db.list_tasks(&filter, 10, None).await.unwrap().iter().map(|task| task.id).collect();
    let unfinished: Vec<_> = db.unfinished(10, None).await.unwrap().iter().map(|task| task.id).collect();
    assert_eq!((stuck, unfinished), (vec![id(2)], vec![id(2)]));
}

async fn what_is_cancelled_or_hastened_is_due_at_once(test: TestDatabase) {
    let db = test.connect().await;
    delay(&db, 1, TimeDelta::hours(1)).await;
    delay(&db, 2, TimeDelta::hours(1)).await;
    assert!(db.claim_due().await.unwrap().due.is_empty());
    // Somebody may wait for the answer.
    assert_eq!(db.cancel(id(1)).await.unwrap(), Cancelled::AtOnce);
    assert!(db.hasten(id(2)).await.unwrap() && !db.hasten(id(3)).await.unwrap());
    assert_eq!(db.claim_due().await.unwrap().due.len(), 2);
}

async fn a_message_that_is_being_published_makes_room_for_the_next_one(test: TestDatabase) {
    let db = test.connect().await;
    delay(&db, 1, TimeDelta::seconds(-1)).await;
    let claim = db.claim_due().await.unwrap();
    delay(&db, 1, TimeDelta::hours(1)).await;
    db.forget_delayed(&claim, &[id(1)]).await.unwrap();
    assert!(db.due_at(id(1)).await.unwrap().is_some_and(|due_at| due_at > db.clock().now()));
}

#[tokio::test]
async fn what_postgres_can_not_store_leaves_nothing() {
    let test = TestDatabase::postgres().await;
    let db = test.connect().await;
    let row = TaskRow { payload: Some(r#""\u0000""#.into()), message_id: Some("m-1".into()), ..pending(1) };
    let refused = db.delay(row, message(&db, 1, TimeDelta::hours(1))).await;
    assert!(matches!(refused, Err(QueryError::Refused(_))), "{refused:?}");
    assert_eq!(db.due_at(id(1)).await.unwrap(), None);
}

async fn a_message_that_waits_already_is_kept_as_it_is(test: TestDatabase) {
    let db = test.connect().await;
    delay(&db, 1, TimeDelta::hours(1)).await;
    let due_at = db.due_at(id(1)).await.unwrap();
    delay(&db, 1, TimeDelta::hours(2)).await;
    assert_eq!(db.due_at(id(1)).await.unwrap(), due_at);
}
