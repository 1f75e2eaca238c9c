//! The schema is made once, whoever comes first, and a newer one is not touched.

use migration::MigrationError;
use sea_orm::ConnectionTrait;
use tokio::task::JoinSet;
use warren::lifecycle::{Database, DatabaseConfig, Recorder};

use crate::{database::TestDatabase, rows::completed};

crate::on_both_databases!(
    eight_runtimes_that_start_at_once_make_the_schema_once,
    migrations_are_taken_back_and_applied_again,
    a_schema_that_is_newer_than_the_program_is_refused_by_name,
    asking_for_the_status_changes_nothing,
);

async fn eight_runtimes_that_start_at_once_make_the_schema_once(test: TestDatabase) {
    let mut runtimes = JoinSet::new();
    // What SQLite waits for is this; a test's usual patience is too short for eight in a row.
    let config = DatabaseConfig { busy_timeout: std::time::Duration::from_secs(60), ..test.config.clone() };
    for _ in 0..8 {
        let config = config.clone();
        runtimes.spawn(async move {
            let db = Database::connect(&config).await.unwrap();
            db.migrate().await.unwrap();
            db
        });
    }
    let runtimes = runtimes.join_all().await;
    let status = migration::status(runtimes[0].connection()).await.unwrap();
    assert!(status.iter().all(migration::AppliedMigration::is_applied), "{status:?}");
    Recorder::start(&runtimes[7]).record(completed(1, 0, 1)).await.unwrap();
}

async fn migrations_are_taken_back_and_applied_again(test: TestDatabase) {
    let db = test.connect().await;
    let applied = async || {
        let status = migration::status(db.connection()).await.unwrap();
        status.iter().map(migration::AppliedMigration::is_applied).collect::<Vec<_>>()
    };
    assert_eq!(applied().await, [true; 14]);
    migration::down(db.connection(), 1).await.unwrap();
    assert_eq!(applied().await, [&[true; 13][..], &[false]].concat());
    migration::down(db.connection(), 99).await.unwrap();
    assert_eq!(applied().await, [false; 14]);
    db.migrate().await.unwrap();
    db.migrate().await.unwrap();
    assert_eq!(applied().await, [true; 14]);
    Recorder::start(&db).record(completed(1, 0, 1)).await.unwrap();
}

async fn a_schema_that_is_newer_than_the_program_is_refused_by_name(test: TestDatabase) {
    let db = test.connect().await;
    let from_the_future = "INSERT INTO seaql_migrations (version, applied_at) VALUES ('m2999_moon', 1)";
    db.connection().execute_unprepared(from_the_future).await.unwrap();
    for answer in
        [db.migrate().await, migration::down(db.connection(), 1).await, migration::check(db.connection()).await]
    {
        let error = answer.unwrap_err();
        assert_eq!(
            error.to_string(),
            "the database has migrations that this version of warren does not know (m2999_moon): use the version that \
             made them"
        );
        assert!(matches!(error, MigrationError::NewerSchema { names } if names == ["m2999_moon"]));
    }
}

async fn asking_for_the_status_changes_nothing(test: TestDatabase) {
    let db = test.open().await;
    let status = migration::status(db.connection()).await.unwrap();
    assert!(!status.is_empty() && status.iter().all(|migration| !migration.is_applied()));
    migration::check(db.connection()).await.unwrap();
    let asked = db.connection().execute_unprepared("SELECT * FROM seaql_migrations").await;
    assert!(asked.is_err(), "there is no such table");
}
