//! A database for one test, gone with it.

#![allow(dead_code, reason = "each suite uses a part of it")]

use std::time::Duration;

use sea_orm::{ConnectionTrait, Database as SeaOrm, DatabaseConnection};
use tempfile::TempDir;
use uuid::Uuid;
use warren::lifecycle::{Database, DatabaseConfig};

/// Runs each of the given tests, `async fn name(db: TestDatabase)`, on both databases.
#[macro_export]
macro_rules! on_both_databases {
    ($($name:ident),+ $(,)?) => {
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name($crate::database::TestDatabase::postgres().await).await;
            })+
        }
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name($crate::database::TestDatabase::sqlite().await).await;
            })+
        }
    };
}

/// An empty database of its own.
pub(crate) struct TestDatabase {
    /// How to reach it; a test may change what it likes before it connects.
    pub(crate) config: DatabaseConfig,
    place: Place,
}

enum Place {
    Postgres { server: String, name: String },
    Sqlite(TempDir),
}

impl TestDatabase {
    /// A new database on the Postgres server.
    pub(crate) async fn postgres() -> Self {
        let server = server();
        let name = format!("warren_test_{}", Uuid::now_v7().simple());
        execute(&server, &format!("CREATE DATABASE {name}")).await;
        let mut url = url::Url::parse(&server).expect("DATABASE_URL is a URL");
        url.set_path(&name);
        Self { config: config(url.to_string()), place: Place::Postgres { server, name } }
    }

    /// A new SQLite file in a new folder.
    #[allow(clippy::unused_async, reason = "called like its sibling")]
    pub(crate) async fn sqlite() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let url = format!("sqlite://{}/warren.db", folder.path().display());
        Self { config: config(url), place: Place::Sqlite(folder) }
    }

    pub(crate) fn is_postgres(&self) -> bool {
        matches!(self.place, Place::Postgres { .. })
    }

    /// Opens the database and makes its tables.
    pub(crate) async fn connect(&self) -> Database {
        let database = self.open().await;
        database.migrate().await.expect("the migrations apply");
        database
    }

    /// Opens the database as it is.
    pub(crate) async fn open(&self) -> Database {
        Database::connect(&self.config).await.expect("the test's database opens")
    }

    /// A connection apart from the code under test.
    pub(crate) async fn aside(&self) -> DatabaseConnection {
        SeaOrm::connect(&self.config.url).await.expect("the test's database opens")
    }

    /// Cuts every connection to the database.
    pub(crate) async fn cut_connections(&self) {
        if let Place::Postgres { server, name } = &self.place {
            let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname";
            execute(server, &format!("{cut} = '{name}'")).await;
        }
    }

    /// Takes the database away: no statement succeeds until the outage is ended.
    pub(crate) async fn begin_outage(&self) -> Outage {
        match &self.place {
            Place::Postgres { server, name } => {
                execute(server, &format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false")).await;
                self.cut_connections().await;
                Outage::Postgres { server: server.clone(), name: name.clone() }
            }
            Place::Sqlite(_) => {
                let other = self.aside().await;
                other.execute_unprepared("BEGIN IMMEDIATE").await.expect("the write lock");
                Outage::Sqlite(other)
            }
        }
    }
}

/// A database that is away.
pub(crate) enum Outage {
    Postgres { server: String, name: String },
    Sqlite(DatabaseConnection),
}

impl Outage {
    pub(crate) async fn end(self) {
        match self {
            Self::Postgres { server, name } => {
                execute(&server, &format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true")).await;
            }
            Self::Sqlite(other) => {
                other.execute_unprepared("ROLLBACK").await.expect("the lock is given back");
                other.close().await.expect("the connection closes");
            }
        }
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        if let Place::Postgres { server, name } = &self.place {
            let (server, name) = (server.clone(), name.clone());
            // A drop can't wait; another thread's runtime can.
            let dropped = std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime.expect("a runtime").block_on(execute(&server, &format!("DROP DATABASE {name} WITH (FORCE)")));
            });
            if dropped.join().is_err() {
                eprintln!("the test's database was left behind");
            }
        }
    }
}

fn server() -> String {
    std::env::var("DATABASE_URL").unwrap_or_else(|_| "postgres://postgres@127.0.0.1:5432/postgres".to_owned())
}

/// With short patience: nothing in a test is far away.
fn config(url: String) -> DatabaseConfig {
    let busy_timeout = Duration::from_millis(200);
    DatabaseConfig { max_connections: 4, busy_timeout, ..DatabaseConfig::new(url) }
}

async fn execute(server: &str, statement: &str) {
    let db = SeaOrm::connect(server).await.unwrap_or_else(|error| {
        panic!(
            "these tests need Postgres (set DATABASE_URL, or start one at {}): {error}",
            warren::masked_url::masked(server)
        )
    });
    db.execute_unprepared(statement).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
    db.close().await.expect("the connection closes");
}
