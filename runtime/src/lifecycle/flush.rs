//! Writes one batch of rows, whatever happens: waits out an outage, and sets the one row apart that the database refuses.
//!
//! Rows that together take too long are halved as well. A row alone that does is given twice the time, and twice again.
//! Invariant 6: a refused row does not hold back the others of its flush. Invariant 1: no row is answered before it is
//! committed, and none is dropped because the database is away.

use std::{collections::HashSet, io, time::Duration};

use event_driven::backoff::Backoff;
use sea_orm::{DbErr, RuntimeErr, SqlxError};
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use super::{
    FIRST_PAUSE, RecordError,
    held::Entry,
    row::Row,
    verdict::{Verdict, ran_out_of_time, reason, verdict},
    waiter::Waiter,
    writer::Shared,
};

/// The longest time that a row alone is given: 16 MiB get through at 30 KB a second, and a link that falls silent just
/// then is noticed before TCP would.
const LONGEST_STATEMENT: Duration = Duration::from_secs(10 * 60);

/// How often a row that is alone in its statement is tried if its error may or may not be its own fault.
const UNCLEAR_TRIES: u32 = 5;

impl<R: Row> Shared<R> {
    /// Returns when each row of the batch is committed or refused, and its waiters know.
    pub(super) async fn flush(&self, batch: Vec<Entry<R, Waiter>>) {
        let mut parts = vec![batch];
        while let Some(mut part) = parts.pop() {
            match self.write(&part).await {
                Ok(standing) => {
                    self.count_written(part.len().saturating_sub(standing.len()));
                    for entry in part {
                        if standing.contains(&entry.row.id()) {
                            Self::answer(entry, &Err(RecordError::Stands));
                            continue;
                        }
                        entry.row.tell(&self.outcomes, &self.db.tally);
                        Self::answer(entry, &Ok(()));
                    }
                }
                Err(error) if part.len() > 1 => {
                    tracing::debug!(rows = part.len(), reason = reason(&error), "a flush did not succeed; halving it");
                    let later = part.split_off(part.len() / 2);
                    parts.push(later);
                    parts.push(part);
                }
                Err(refusal) => {
                    let refused = Err(RecordError::Refused { reason: reason(&refusal) });
                    part.into_iter().for_each(|entry| Self::answer(entry, &refused));
                }
            }
        }
    }

    /// Returns when the rows are committed; gives the ids of those that had to be new and are not, and so are not written. Of several, also
    /// with an error that one of them or all together may cause; of one, with that of a row that can't be as it is. However long an outage
    /// is, it is no reason.
    async fn write(&self, part: &[Entry<R, Waiter>]) -> Result<HashSet<Uuid>, DbErr> {
        let rows: Vec<&R> = part.iter().map(|entry| &entry.row).collect();
        let (mut backoff, mut limit, mut unclear) = (Backoff::starting_at(FIRST_PAUSE), self.db.statement_timeout, 0);
        loop {
            let (cause, error) = match self.write_once(&rows, limit).await {
                Ok(standing) => {
                    self.health.report(R::KIND, None);
                    return Ok(standing.into_iter().collect());
                }
                Err(failed) => failed,
            };
            match cause {
                Cause::Outage => {}
                Cause::Slow if rows.len() == 1 => limit = limit.saturating_mul(2).min(LONGEST_STATEMENT.max(limit)),
                Cause::Unclear if rows.len() == 1 && unclear < UNCLEAR_TRIES => unclear += 1,
                Cause::Slow | Cause::Unclear | Cause::Refused => {
                    // The database is there and answers.
                    self.health.report(R::KIND, None);
                    return Err(error);
                }
            }
            if backoff.failures() == 0 {
                tracing::warn!(%error, rows = rows.len(), "{} can't be recorded at the moment; trying again", R::KIND);
            }
            self.health.report(R::KIND, Some(format!("{} can't be recorded: {}", R::KIND, reason(&error))));
            sleep(backoff.pause()).await;
        }
    }

    async fn write_once(&self, rows: &[&R], limit: Duration) -> Result<Vec<Uuid>, (Cause, DbErr)> {
        match timeout(limit, R::write(&self.db, rows)).await {
            Ok(Ok(standing)) => Ok(standing),
            // By the server's own limit (`statement_timeout`), or by a person.
            Ok(Err(error)) if ran_out_of_time(&error) => Err((Cause::Slow, error)),
            Ok(Err(error)) => Err((verdict(&error).into(), error)),
            Err(_) if self.db.answers().await => Err((Cause::Slow, no_answer(limit))),
            Err(_) => Err((Cause::Outage, no_answer(limit))),
        }
    }
}

/// Why a statement did not commit.
enum Cause {
    /// The database is away, or out of order.
    Outage,
    /// The rows can't be stored as they are.
    Refused,
    /// It could be either.
    Unclear,
    /// The database is there, but the statement took longer than it may.
    Slow,
}

impl From<Verdict> for Cause {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::MayPass => Self::Outage,
            Verdict::Refused => Self::Refused,
            Verdict::Unclear => Self::Unclear,
        }
    }
}

fn no_answer(limit: Duration) -> DbErr {
    let told = format!("no answer within {}", humantime::format_duration(limit));
    DbErr::Exec(RuntimeErr::SqlxError(SqlxError::Io(io::Error::new(io::ErrorKind::TimedOut, told)).into()))
}
