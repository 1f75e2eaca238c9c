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
    /// With the role that was made for it, if it has one of its own.
    Postgres {
        server: String,
        name: String,
        role: Option<String>,
    },
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
        Self { config: config(url.to_string()), place: Place::Postgres { server, name, role: None } }
    }

    /// A new database on the Postgres server whose owner is no superuser, so that the server's limits are his.
    pub(crate) async fn of_a_role() -> Self {
        let mut test = Self::postgres().await;
        if let Place::Postgres { server, name, role } = &mut test.place {
            let owner = name.replace("warren_test", "warren_role");
            execute(server, &format!("CREATE ROLE {owner} LOGIN PASSWORD '{owner}'")).await;
            execute(server, &format!("ALTER DATABASE {name} OWNER TO {owner}")).await;
            let mut url = url::Url::parse(&test.config.url).expect("a URL");
            url.set_username(&owner).and_then(|()| url.set_password(Some(&owner))).expect("it can have a user");
            test.config.url = url.into();
            *role = Some(owner);
        }
        test
    }

    /// `host:port` of the Postgres server.
    pub(crate) fn server(&self) -> String {
        let url = url::Url::parse(&self.config.url).expect("a URL");
        format!("{}:{}", url.host_str().expect("a host"), url.port().unwrap_or(5432))
    }

    /// From now on the Postgres server is reached by this port of this machine: a proxy's.
    pub(crate) fn set_port(&mut self, port: u16) {
        let mut url = url::Url::parse(&self.config.url).expect("a URL");
        url.set_host(Some("127.0.0.1")).expect("it can have a host");
        url.set_port(Some(port)).expect("it can have a port");
        self.config.url = url.into();
    }

    /// Tells the Postgres server something as its superuser; `DATABASE_NAME` and `ROLE_NAME` stand for the names.
    pub(crate) async fn on_server(&self, statement: &str) {
        let Place::Postgres { server, name, role } = &self.place else { panic!("SQLite has no server") };
        let role = role.as_deref().unwrap_or("CURRENT_USER");
        execute(server, &statement.replace("DATABASE_NAME", name).replace("ROLE_NAME", role)).await;
    }

    /// A new SQLite file in a new folder.
    #[allow(clippy::unused_async, reason = "called like its sibling")]
    pub(crate) async fn sqlite() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let url = format!("sqlite://{}/warren.db", folder.path().display());
        Self { config: config(url), place: Place::Sqlite(folder) }
    }

    /// One whose runtimes are alive for as long as a test lasts, however slow the machine is: where none has to be taken for
    /// gone but those that have stopped.
    pub(crate) fn of_the_living(mut self) -> Self {
        self.config.lease = Duration::from_secs(300);
        self
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
        if let Place::Postgres { server, name, .. } = &self.place {
            let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname";
            execute(server, &format!("{cut} = '{name}'")).await;
        }
    }

    /// Takes the database away: no statement succeeds until the outage is ended.
    pub(crate) async fn begin_outage(&self) -> Outage {
        match &self.place {
            Place::Postgres { server, name, .. } => {
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
        if let Place::Postgres { server, name, role } = &self.place {
            let server = server.clone();
            let mut statements = vec![format!("DROP DATABASE {name} WITH (FORCE)")];
            statements.extend(role.iter().map(|role| format!("DROP ROLE {role}")));
            // A drop can't wait; another thread's runtime can.
            let dropped = std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
                for statement in statements {
                    runtime.block_on(execute(&server, &statement));
                }
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

/// With short patience where a test waits for its end, and long patience where only a slow machine needs it.
fn config(url: String) -> DatabaseConfig {
    let (connect_timeout, busy_timeout) = (Duration::from_secs(60), Duration::from_secs(2));
    let lease = Duration::from_secs(1);
    DatabaseConfig { max_connections: 6, connect_timeout, busy_timeout, lease, ..DatabaseConfig::new(url) }
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
