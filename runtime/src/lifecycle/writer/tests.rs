//! A writer that fails must not leave its callers waiting.

use std::time::Duration;

use sea_orm::DbErr;
use tokio::time::timeout;
use uuid::Uuid;

use super::*;
use crate::lifecycle::{DatabaseConfig, Health, database::Backend, tally::Tally};

/// A row whose writing panics.
struct Bomb(Uuid);

impl Row for Bomb {
    const KIND: &'static str = "bombs";

    fn id(&self) -> Uuid {
        self.0
    }

    fn absorb(&mut self, _newer: Self) {}

    fn size_bytes(&self) -> usize {
        1
    }

    fn clean(self) -> Self {
        self
    }

    fn refusal(&self, _backend: Backend) -> Option<&'static str> {
        None
    }

    async fn write(_db: &Database, _rows: &[&Self]) -> Result<Vec<Uuid>, DbErr> {
        // Lets others come and wait first.
        tokio::time::sleep(Duration::from_millis(20)).await;
        panic!("a bug in the writer")
    }

    fn tell(&self, _outcomes: &Outcomes, _tally: &Tally) {}
}

#[tokio::test]
async fn a_panic_of_the_writer_is_told_to_all_who_wait_and_all_who_come() {
    let db = Database::connect(&DatabaseConfig::new("sqlite::memory:")).await.unwrap();
    let shared = Shared::<Bomb>::new(db, Arc::new(HealthBoard::new()), Outcomes::default());
    let task = tokio::spawn(shared.clone().run());
    let record = |n| timeout(Duration::from_secs(60), shared.record(Bomb(Uuid::from_u128(n))));
    let (then, told) = oneshot::channel();
    let then = Then::new(|answer| drop(then.send(answer)));
    let (being_written, waiting, together, _taken_in) = tokio::join!(
        record(1),
        async {
            tokio::time::sleep(Duration::from_millis(5)).await;
            record(2).await
        },
        async {
            let mut answers = shared.record_all([4, 5].map(|n| Bomb(Uuid::from_u128(n))).into()).await;
            timeout(Duration::from_secs(60), answers.next()).await
        },
        shared.record_then(Bomb(Uuid::from_u128(6)), then),
    );
    assert_eq!(being_written.unwrap(), Err(RecordError::Stopped));
    assert_eq!(waiting.unwrap(), Err(RecordError::Stopped));
    assert_eq!(together.unwrap(), []);
    assert_eq!(told.await, Ok(Err(RecordError::Stopped)));
    assert!(task.await.unwrap_err().is_panic());
    assert_eq!(record(3).await.unwrap(), Err(RecordError::Stopped));
    let health = shared.health.subscribe().borrow().clone();
    assert_eq!(health, Health::Unhealthy("the writer of bombs has ended".to_owned()));
}

#[tokio::test]
async fn who_does_not_wait_is_told_once_also_where_nothing_is_taken_any_more() {
    let db = Database::connect(&DatabaseConfig::new("sqlite::memory:")).await.unwrap();
    let shared = Shared::<Bomb>::new(db, Arc::new(HealthBoard::new()), Outcomes::default());
    shared.close();
    let (told, mut answers) = mpsc::unbounded_channel();
    shared.record_then(Bomb(Uuid::nil()), Then::new(move |answer| told.send(answer).unwrap())).await;
    assert_eq!(answers.recv().await, Some(Err(RecordError::Stopped)));
    assert_eq!(answers.recv().await, None);
}
