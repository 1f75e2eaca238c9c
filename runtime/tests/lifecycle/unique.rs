//! Which task of a kind is the only one, whoever asks.

use chrono::TimeDelta;
use futures_util::future::join_all;
use warren::lifecycle::{Database, Kind};

use crate::{database::TestDatabase, rows::id};

crate::on_both_databases!(of_many_that_ask_at_once_one_is_the_only_one, when_its_time_is_over_the_next_takes_its_place,);

async fn claim(db: &Database, n: usize, minutes: i64) -> uuid::Uuid {
    let until = db.clock().now() + TimeDelta::minutes(minutes);
    let (kind, message_id) = ("kind".to_owned(), format!("m-{n}"));
    let claim = Kind { kind, id_task: id(n), message_id, is_made_up: false, until };
    db.claim_kind(claim).await.unwrap().id_task
}

async fn of_many_that_ask_at_once_one_is_the_only_one(mut test: TestDatabase) {
    test.config.busy_timeout = std::time::Duration::from_secs(60);
    let (first, second) = (test.connect().await, test.connect().await);
    let asked = (0..20).map(|n| claim(if n % 2 == 0 { &first } else { &second }, n, 1));
    let only = join_all(asked).await;
    assert!(only.iter().all(|one| *one == only[0]), "{only:?}");
    // The same one asks again, as after a redelivery.
    let n = (0..20).find(|n| id(*n) == only[0]).unwrap();
    assert_eq!(claim(&second, n, 1).await, only[0]);
    first.forget_old_kinds().await.unwrap();
    assert_eq!(claim(&second, 99, 1).await, only[0], "its time is not over");
}

async fn when_its_time_is_over_the_next_takes_its_place(test: TestDatabase) {
    let db = test.connect().await;
    assert_eq!(claim(&db, 1, -1).await, id(1));
    assert_eq!(claim(&db, 2, -1).await, id(2));
    db.forget_old_kinds().await.unwrap();
    assert_eq!(claim(&db, 3, 1).await, id(3));
    assert_eq!(claim(&db, 4, 1).await, id(3));
}
