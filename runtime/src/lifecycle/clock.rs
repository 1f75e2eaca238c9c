//! One clock for all stored times: the database's.
//!
//! Runtimes on many machines write to one database; their clocks differ by more than a task takes. So each runtime adds to
//! its own clock what the database's is ahead by, and asks again every minute.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr, Statement};
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use super::database::Backend;

/// How often the offset is measured again: clocks drift by some milliseconds an hour, but are also set by hand.
const REFRESH: Duration = Duration::from_secs(60);

/// Tells the database's time without asking it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Clock {
    /// What the database's clock is ahead of the local one by, in microseconds.
    offset_us: Arc<AtomicI64>,
    /// Ends with the last clone.
    _refresh: Option<Arc<AbortOnDropHandle<()>>>,
}

impl Clock {
    /// Measures once, and then every minute. SQLite runs on the local clock: its offset is 0.
    pub(super) async fn start(backend: Backend, db: &DatabaseConnection) -> Result<Self, DbErr> {
        let offset_us = Arc::new(AtomicI64::new(0));
        let refresh = match backend {
            Backend::Sqlite => None,
            Backend::Postgres => {
                offset_us.store(measure(db).await?, Ordering::Relaxed);
                let task = tokio::spawn(keep_measuring(db.clone(), offset_us.clone()));
                Some(Arc::new(AbortOnDropHandle::new(task)))
            }
        };
        Ok(Self { offset_us, _refresh: refresh })
    }

    /// The database's time, in whole microseconds (what it can store).
    pub fn now(&self) -> DateTime<Utc> {
        (Utc::now() + self.offset()).trunc_subsecs(6)
    }

    /// What the database's clock is ahead of the local one by; negative if it is behind.
    pub fn offset(&self) -> TimeDelta {
        TimeDelta::microseconds(self.offset_us.load(Ordering::Relaxed))
    }
}

async fn keep_measuring(db: DatabaseConnection, offset_us: Arc<AtomicI64>) {
    loop {
        tokio::time::sleep(REFRESH).await;
        // An answer that took longer would be worth nothing, and a server that is gone without a word never gives one.
        match timeout(REFRESH, measure(&db)).await {
            Ok(Ok(measured)) => offset_us.store(measured, Ordering::Relaxed),
            // The last offset is the best there is; that the database is away is told by the recorder's health.
            Ok(Err(error)) => tracing::debug!(%error, "the database's clock could not be read"),
            Err(_) => tracing::debug!("the database's clock could not be read within {REFRESH:?}"),
        }
    }
}

/// The offset in microseconds, right to within half of what the question took.
async fn measure(db: &DatabaseConnection) -> Result<i64, DbErr> {
    let question = Statement::from_string(DbBackend::Postgres, "SELECT clock_timestamp() AS now");
    let asked = Utc::now();
    let row = db.query_one_raw(question).await?;
    let answered = Utc::now();
    let row = row.ok_or_else(|| DbErr::RecordNotFound("clock_timestamp()".to_owned()))?;
    let theirs: DateTime<Utc> = row.try_get("", "now")?;
    let ours = asked + (answered - asked) / 2;
    Ok((theirs - ours).num_microseconds().unwrap_or_default())
}
