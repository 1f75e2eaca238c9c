//! Where Postgres and SQLite need different words.

use sea_orm::{DbBackend, DbErr, Statement, Value};

/// The databases that an outbox can be in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    Postgres,
    Sqlite,
}

impl Dialect {
    pub(super) fn of(backend: DbBackend) -> Result<Self, DbErr> {
        match backend {
            DbBackend::Postgres => Ok(Self::Postgres),
            DbBackend::Sqlite => Ok(Self::Sqlite),
            // SeaORM may learn of more.
            _ => Err(DbErr::BackendNotSupported { db: "neither Postgres nor SQLite", ctx: "an outbox" }),
        }
    }

    pub(super) fn statement<const N: usize>(self, sql: &str, values: [Value; N]) -> Statement {
        let backend = match self {
            Self::Postgres => DbBackend::Postgres,
            Self::Sqlite => DbBackend::Sqlite,
        };
        Statement::from_sql_and_values(backend, sql, values)
    }

    /// The moment at which the statement runs, by the database's clock: relays may run on many machines.
    pub(super) fn now(self) -> &'static str {
        match self {
            Self::Postgres => "clock_timestamp()",
            // As SeaORM writes times, so that they can be compared as texts.
            Self::Sqlite => "strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now')",
        }
    }

    /// The moment that lies so many seconds, an argument, after now.
    pub(super) fn later(self, seconds: &str) -> String {
        match self {
            Self::Postgres => format!("clock_timestamp() + {seconds}::float8 * interval '1 second'"),
            Self::Sqlite => format!("strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now', {seconds} || ' seconds')"),
        }
    }

    /// Seconds from now until a moment.
    pub(super) fn seconds_until(self, moment: &str) -> String {
        match self {
            Self::Postgres => format!("extract(epoch FROM {moment} - clock_timestamp())::float8"),
            Self::Sqlite => format!("(julianday({moment}) - julianday('now')) * 86400.0"),
        }
    }

    /// A moment as whole seconds; `NULL` if it is none that can be counted.
    pub(super) fn seconds_since_1970(self, moment: &str) -> String {
        match self {
            Self::Postgres => {
                format!("CASE WHEN isfinite({moment}) THEN floor(extract(epoch FROM {moment}))::bigint END")
            }
            Self::Sqlite => format!("CAST(strftime('%s', {moment}) AS INTEGER)"),
        }
    }

    /// Whether a moment ever comes: `infinity` keeps a row for good.
    pub(super) fn comes(self, moment: &str) -> String {
        match self {
            Self::Postgres => format!("isfinite({moment})"),
            Self::Sqlite => format!("{moment} IS NOT NULL"),
        }
    }

    /// Keeps other relays off the rows that a query finds. SQLite has no such locks: one relay a database.
    pub(super) fn lock(self) -> &'static str {
        match self {
            Self::Postgres => "FOR UPDATE SKIP LOCKED",
            Self::Sqlite => "",
        }
    }

    /// Whether a column is in a list that is one argument.
    pub(super) fn is_in(self, column: &str, list: &str) -> String {
        match self {
            Self::Postgres => format!("{column} = ANY({list})"),
            Self::Sqlite => format!("{column} IN (SELECT value FROM json_each({list}))"),
        }
    }

    /// A list as one argument: the text of the statement is the same for any number of ids, and prepared once.
    pub(super) fn list(self, ids: &[i64]) -> Value {
        match self {
            Self::Postgres => ids.to_vec().into(),
            Self::Sqlite => serde_json::json!(ids).to_string().into(),
        }
    }
}
