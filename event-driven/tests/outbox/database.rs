//! A database for one test, with the table of the outbox; dropped with the guard.
//!
//! Postgres is the server of `DATABASE_URL`, or the one on this machine. Without it a test fails, it is never skipped.

use std::time::Duration;

use event_driven::outbox::Migration;
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, EntityTrait, Statement};
use sea_orm_migration::{MigrationTrait, SchemaManager};
use tempfile::TempDir;
use uuid::Uuid;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Postgres,
    Sqlite,
}

pub struct TestDatabase {
    pub url: String,
    place: Place,
}

enum Place {
    Postgres { server: String, name: String },
    Sqlite { _folder: TempDir },
}

impl TestDatabase {
    pub async fn create(kind: Kind) -> Self {
        let database = match kind {
            Kind::Postgres => {
                let server = std::env::var("DATABASE_URL")
                    .unwrap_or_else(|_| "postgres://postgres@127.0.0.1:5432/postgres".to_owned());
                let name = format!("outbox_test_{}", Uuid::now_v7().simple());
                let admin = Database::connect(&server).await.expect("a Postgres server: set DATABASE_URL");
                admin.execute_unprepared(&format!("CREATE DATABASE {name}")).await.unwrap();
                let mut url = url::Url::parse(&server).unwrap();
                url.set_path(&name);
                Self { url: url.into(), place: Place::Postgres { server, name } }
            }
            Kind::Sqlite => {
                let folder = tempfile::tempdir().unwrap();
                let url = format!("sqlite://{}/outbox.db?mode=rwc", folder.path().display());
                Self { url, place: Place::Sqlite { _folder: folder } }
            }
        };
        let db = database.connect().await;
        Migration.up(&SchemaManager::new(&db)).await.unwrap();
        database
    }

    pub async fn connect(&self) -> DatabaseConnection {
        connect(&self.url).await
    }
}

/// How long a connection, or the one who writes to SQLite, may be waited for.
const BUSY: Duration = Duration::from_secs(60);

/// As a service does it: a pool; SQLite with a log that readers do not wait for.
pub async fn connect(url: &str) -> DatabaseConnection {
    let mut options = ConnectOptions::new(url);
    options.max_connections(4).sqlx_logging(false).acquire_timeout(BUSY);
    options.map_sqlx_sqlite_opts(|options| options.busy_timeout(BUSY));
    let db = Database::connect(options).await.unwrap();
    if db.get_database_backend() == DbBackend::Sqlite {
        db.execute_unprepared("PRAGMA journal_mode = WAL").await.unwrap();
    }
    db
}

/// All that waits, by id.
pub async fn rows(db: &DatabaseConnection) -> Vec<event_driven::outbox::event_outbox::Model> {
    use event_driven::outbox::event_outbox::Entity;
    Entity::find().order_by_id_asc().all(db).await.unwrap()
}

/// One text that a query gives.
pub async fn text(db: &DatabaseConnection, sql: &str) -> String {
    let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await.unwrap();
    row.unwrap().try_get_by_index(0).unwrap()
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let Place::Postgres { server, name } = &self.place else { return };
        let (server, sql) = (server.clone(), format!("DROP DATABASE {name} WITH (FORCE)"));
        // The test's runtime can't be waited for in a drop. A database that is left over harms nobody.
        let drop = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
            runtime.block_on(async { Database::connect(&server).await.ok()?.execute_unprepared(&sql).await.ok() })
        });
        let _ = drop.join();
    }
}
