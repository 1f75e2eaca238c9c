//! Writes one batch of rows, whatever happens: waits out an outage, and sets the one row apart that the database refuses.
//!
//! Invariant 6: a refused row does not hold back the others of its flush. Invariant 1: no row is answered before it is
//! committed, and none is dropped because the database is away.

use std::time::Duration;

use event_driven::backoff::Backoff;
use sea_orm::{DbErr, RuntimeErr};
use tokio::time::{sleep, timeout};

use super::{
    FIRST_PAUSE, RecordError,
    held::Entry,
    row::Row,
    verdict::{Verdict, reason, verdict},
    writer::{Shared, Waiter},
};

/// How long a statement may take before its connection is given up: a server that vanished without a word is not
/// noticed by TCP for a quarter of an hour. Writing the same rows again is harmless.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(30);

/// How often a row that is alone in its statement is tried if its error may or may not be its own fault.
const UNCLEAR_TRIES: u32 = 5;

impl<R: Row> Shared<R> {
    /// Returns when each row of the batch is committed or refused, and its waiters know.
    pub(super) async fn flush(&self, batch: Vec<Entry<R, Waiter>>) {
        let mut parts = vec![batch];
        while let Some(mut part) = parts.pop() {
            match self.write(&part).await {
                Ok(()) => {
                    self.count_written(part.len());
                    for entry in part {
                        entry.row.tell(&self.outcomes);
                        Self::answer(entry, &Ok(()));
                    }
                }
                Err(refusal) if part.len() > 1 => {
                    tracing::debug!(rows = part.len(), reason = reason(&refusal), "a flush was refused; halving it");
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

    /// Returns when the rows are committed, or with the error of rows that can't be as they are (or, of several, may not be).
    async fn write(&self, part: &[Entry<R, Waiter>]) -> Result<(), DbErr> {
        let rows: Vec<&R> = part.iter().map(|entry| &entry.row).collect();
        let mut backoff = Backoff::starting_at(FIRST_PAUSE);
        loop {
            let Err(error) = self.write_once(&rows).await else {
                self.health.report(R::KIND, None);
                return Ok(());
            };
            let give_up = match verdict(&error) {
                Verdict::MayPass => false,
                Verdict::Refused => true,
                Verdict::Unclear => rows.len() > 1 || backoff.failures() >= UNCLEAR_TRIES,
            };
            if give_up {
                // The database is there and answers.
                self.health.report(R::KIND, None);
                return Err(error);
            }
            if backoff.failures() == 0 {
                tracing::warn!(%error, rows = rows.len(), "{} can't be recorded at the moment; trying again", R::KIND);
            }
            self.health.report(R::KIND, Some(format!("{} can't be recorded: {}", R::KIND, reason(&error))));
            sleep(backoff.pause()).await;
        }
    }

    async fn write_once(&self, rows: &[&R]) -> Result<(), DbErr> {
        match timeout(STATEMENT_TIMEOUT, R::write(&self.db, rows)).await {
            Ok(written) => written,
            Err(_) => Err(DbErr::Exec(RuntimeErr::SqlxError(
                sea_orm::SqlxError::Io(std::io::ErrorKind::TimedOut.into()).into(),
            ))),
        }
    }
}
