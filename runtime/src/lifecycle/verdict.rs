//! Whether an error of the database may pass: decided here for all of `lifecycle`.
//!
//! What may pass is tried again for ever, with the message left in its queue. What a row's own data causes is told to
//! the caller, who stores something else. A wrong "may pass" would hold back all rows behind one; a wrong "refused" would
//! fail tasks because of an outage. Where an error's code leaves it open, the row is tried several times, alone.

use sea_orm::{DbErr, RuntimeErr, sqlx};

/// What an error says about trying again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The database or the way to it is out of order; the same statement may succeed later.
    MayPass,
    /// The row's data is at fault; the same statement never succeeds.
    Refused,
    /// It could be either.
    Unclear,
}

/// Why a question to the database has no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum QueryError {
    /// The database is out of order or out of reach: ask again later.
    #[error("the database can't be asked at the moment: {0}")]
    Unavailable(#[source] DbErr),
    /// The database refused the question or its data: asking again does not help.
    #[error("the database refused the query: {0}")]
    Refused(#[source] DbErr),
    /// The question would have had the database look through too many rows: ask a narrower one.
    #[error("the list was given up after {}, too many rows had to be looked through: {advice}", humantime::format_duration(*.limit))]
    TooWide {
        /// How long it was tried.
        limit: std::time::Duration,
        /// What would make it narrower.
        advice: &'static str,
    },
}

impl QueryError {
    /// The database did not answer within `limit`.
    pub(super) fn no_answer(limit: std::time::Duration) -> Self {
        Self::Unavailable(DbErr::Custom(format!("no answer within {}", humantime::format_duration(limit))))
    }
}

impl From<DbErr> for QueryError {
    fn from(error: DbErr) -> Self {
        match verdict(&error) {
            Verdict::MayPass => Self::Unavailable(error),
            Verdict::Refused | Verdict::Unclear => Self::Refused(error),
        }
    }
}

/// As SeaORM itself would wrap the driver's error, so that all errors of the database are judged in one place.
pub(super) fn as_seaorm(error: sqlx::Error) -> DbErr {
    DbErr::Exec(RuntimeErr::SqlxError(error.into()))
}

/// What `error` says about trying again.
pub(super) fn verdict(error: &DbErr) -> Verdict {
    match error {
        DbErr::ConnectionAcquire(_) => Verdict::MayPass,
        DbErr::Conn(RuntimeErr::SqlxError(error))
        | DbErr::Exec(RuntimeErr::SqlxError(error))
        | DbErr::Query(RuntimeErr::SqlxError(error)) => of_driver(error),
        // Everything else is said by SeaORM about the statement, not by the database.
        _ => Verdict::Unclear,
    }
}

/// Whether the server is away or not ready yet, rather than refusing what was asked of it: what whoever starts waits for.
pub(super) fn is_outage(error: &DbErr) -> bool {
    let driver = match error {
        DbErr::Conn(RuntimeErr::SqlxError(error))
        | DbErr::Exec(RuntimeErr::SqlxError(error))
        | DbErr::Query(RuntimeErr::SqlxError(error)) => error.as_database_error(),
        _ => None,
    };
    match driver.and_then(|error| error.code()) {
        // Connection, a deadlock (the other one goes on), resources (too many connections), state, intervention (starting up, shutting down), system.
        Some(code) => matches!(code.get(..2), Some("08" | "40" | "53" | "55" | "57" | "58")),
        None => verdict(error) == Verdict::MayPass,
    }
}

/// Whether Postgres gave the statement up because its time was over.
pub(super) fn ran_out_of_time(error: &DbErr) -> bool {
    const QUERY_CANCELED: &str = "57014";
    match error {
        DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error)) => {
            error.as_database_error().and_then(|error| error.code()).is_some_and(|code| code == QUERY_CANCELED)
        }
        _ => false,
    }
}

/// What the database itself said, without what SeaORM and the driver put before it.
pub(super) fn reason(error: &DbErr) -> String {
    match error {
        DbErr::Conn(RuntimeErr::SqlxError(error))
        | DbErr::Exec(RuntimeErr::SqlxError(error))
        | DbErr::Query(RuntimeErr::SqlxError(error)) => match error.as_database_error() {
            Some(error) => error.message().to_owned(),
            None => error.to_string(),
        },
        _ => error.to_string(),
    }
}

fn of_driver(error: &sqlx::Error) -> Verdict {
    match error {
        sqlx::Error::Database(error) => {
            let code = error.code().unwrap_or_default();
            match error.try_downcast_ref::<sqlx::sqlite::SqliteError>() {
                Some(_) => of_sqlite(&code),
                None => of_postgres(&code),
            }
        }
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::BeginFailed
        | sqlx::Error::InvalidSavePointStatement => Verdict::MayPass,
        sqlx::Error::Encode(_) => Verdict::Refused,
        // The driver's enum is open to new variants.
        _ => Verdict::Unclear,
    }
}

/// By SQLSTATE: <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
fn of_postgres(code: &str) -> Verdict {
    match code {
        // A row may be what the memory doesn't suffice for.
        "53200" => Verdict::Unclear,
        // Data corrupted, index corrupted: to be repaired by a person, whatever the row.
        "XX001" | "XX002" => Verdict::MayPass,
        _ => match code.get(..2).unwrap_or_default() {
            // Connection, transaction state (read-only), authorization, rollback (deadlock, serialization), access or
            // missing table, resources (disk full, too many connections), state, intervention (shutdown), system; a
            // database, schema or prepared statement that is gone (a restore, a pooler), a configuration file.
            "08" | "25" | "26" | "28" | "3D" | "3F" | "40" | "42" | "53" | "55" | "57" | "58" | "F0" => {
                Verdict::MayPass
            }
            // Data, integrity, program limits (an index entry, a jsonb or its nesting too large).
            "22" | "23" | "54" => Verdict::Refused,
            _ => Verdict::Unclear,
        },
    }
}

/// By the primary result code: <https://www.sqlite.org/rescode.html>.
fn of_sqlite(code: &str) -> Verdict {
    // The driver reports extended codes; the lowest byte is the primary one.
    match code.parse::<u32>().unwrap_or_default() & 0xff {
        // PERM, ABORT, BUSY, LOCKED, NOMEM, READONLY, INTERRUPT, IOERR, CORRUPT, FULL, CANTOPEN, PROTOCOL, SCHEMA,
        // AUTH, NOTADB.
        3 | 4 | 5 | 6 | 7 | 8 | 9 | 10 | 11 | 13 | 14 | 15 | 17 | 23 | 26 => Verdict::MayPass,
        // TOOBIG, CONSTRAINT, MISMATCH, RANGE.
        18 | 19 | 20 | 25 => Verdict::Refused,
        _ => Verdict::Unclear,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_postgres_says_about_itself_may_pass_and_about_the_row_not() {
        let may_pass = ["08006", "40001", "40P01", "53300", "53100", "25006", "57P01", "57P03", "57014", "42P01"];
        for code in may_pass {
            assert_eq!(of_postgres(code), Verdict::MayPass, "{code}");
        }
        for code in ["22P02", "22P05", "22021", "23502", "23514", "54000", "54001"] {
            assert_eq!(of_postgres(code), Verdict::Refused, "{code}");
        }
        for code in ["XX000", "53200", "P0001", ""] {
            assert_eq!(of_postgres(code), Verdict::Unclear, "{code}");
        }
    }

    #[test]
    fn sqlite_is_judged_by_its_primary_code() {
        for code in ["5", "6", "13", "8", "10", "14", "261", "517", "1032"] {
            assert_eq!(of_sqlite(code), Verdict::MayPass, "{code}");
        }
        for code in ["18", "19", "275", "1299", "20"] {
            assert_eq!(of_sqlite(code), Verdict::Refused, "{code}");
        }
        assert_eq!(of_sqlite("1"), Verdict::Unclear);
    }

    #[test]
    fn a_server_that_is_away_is_no_refusal() {
        let gone = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        assert!(is_outage(&DbErr::Query(RuntimeErr::SqlxError(sqlx::Error::Io(gone).into()))));
        assert!(is_outage(&DbErr::ConnectionAcquire(sea_orm::ConnAcquireErr::Timeout)));
        assert!(!is_outage(&DbErr::Custom("nonsense".to_owned())));
    }

    #[test]
    fn an_exhausted_pool_may_pass() {
        assert_eq!(verdict(&DbErr::ConnectionAcquire(sea_orm::ConnAcquireErr::Timeout)), Verdict::MayPass);
    }
}
