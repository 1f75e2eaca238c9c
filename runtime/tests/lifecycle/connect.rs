//! What an operator reads when there is no connection.

use std::time::{Duration, Instant};

use warren::lifecycle::{ConnectError, Database, DatabaseConfig, Recorder};

use crate::{
    database::TestDatabase,
    rows::{completed, id},
};

/// Longer than any of them takes to answer, on any machine.
const LONG: Duration = Duration::from_secs(30);

async fn refusal(url: &str) -> ConnectError {
    refusal_within(url, LONG).await
}

async fn refusal_within(url: &str, connect_timeout: Duration) -> ConnectError {
    let config = DatabaseConfig { connect_timeout, ..DatabaseConfig::new(url) };
    let begun = Instant::now();
    let error = Database::connect(&config).await.expect_err("no such database");
    assert!(begun.elapsed() < 2 * LONG, "{error} after {:?}", begun.elapsed());
    assert!(!error.to_string().contains("secret"), "{error}");
    error
}

#[tokio::test]
async fn an_unreachable_server_is_named_with_what_to_check() {
    let error = refusal("postgres://u:secret@127.0.0.1:1/warren").await;
    insta::assert_snapshot!(error, @"nothing answers at postgres://u:***@127.0.0.1:1/warren: Connection refused (os error 111); check that the server runs, and the host and port");
    let error = refusal_within("postgres://u:secret@no.such.host.invalid/warren", Duration::from_secs(1)).await;
    assert!(matches!(error, ConnectError::Unreachable { .. } | ConnectError::TimedOut { .. }), "{error}");
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_given_up_in_time() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let url = format!("postgres://u:secret@127.0.0.1:{port}/warren");
    let error = refusal_within(&url, Duration::from_secs(1)).await.to_string();
    let error = error.replace(&port.to_string(), "PORT");
    insta::assert_snapshot!(error, @"no answer from postgres://u:***@127.0.0.1:PORT/warren within 1s: check the host, the port and what filters the network between");
}

#[tokio::test]
async fn a_database_that_does_not_exist_is_told_with_the_command_that_makes_it() {
    let test = TestDatabase::postgres().await;
    let mut url = url::Url::parse(&test.config.url).unwrap();
    url.set_path("no_such_database");
    let ConnectError::NoSuchDatabase { name, reason, .. } = refusal(url.as_str()).await else {
        panic!("another error")
    };
    assert_eq!(name, "no_such_database");
    assert_eq!(reason, "database \"no_such_database\" does not exist");
}

#[tokio::test]
async fn a_user_that_the_server_does_not_know_is_refused() {
    let test = TestDatabase::postgres().await;
    let mut url = url::Url::parse(&test.config.url).unwrap();
    url.set_username("no_such_user").unwrap();
    url.set_password(Some("secret")).unwrap();
    let error = refusal(url.as_str()).await;
    assert!(matches!(error, ConnectError::Denied { .. }), "{error}");
}

#[tokio::test]
async fn a_url_of_another_kind_is_told_what_is_expected() {
    let error = refusal("mysql://u:secret@db/warren").await;
    insta::assert_snapshot!(error, @"mysql://u:***@db/warren is no database that warren knows: expected postgres://user:password@host:5432/name or sqlite:///path/to/file.db");
    let error = refusal("postgres://u:secret@host:no-port/warren").await;
    insta::assert_snapshot!(error, @"the database URL postgres://u:***@host:no-port/warren can't be read: invalid port number");
    let error = refusal("sqlite:///tmp/x.db?colour=red").await;
    insta::assert_snapshot!(error, @"the database URL sqlite:///tmp/x.db?colour=red can't be read: unknown query parameter `colour` while parsing connection URL");
}

#[tokio::test]
async fn a_sqlite_file_that_can_not_be_used_is_told_why() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().display();
    let error = refusal(&format!("sqlite://{path}/missing/warren.db")).await.to_string();
    insta::assert_snapshot!(error.replace(&path.to_string(), "FOLDER"), @"the folder FOLDER/missing of sqlite://FOLDER/missing/warren.db does not exist: create it, or name another");
    std::fs::create_dir(folder.path().join("folder.db")).unwrap();
    let error = refusal(&format!("sqlite://{path}/folder.db")).await.to_string();
    insta::assert_snapshot!(error.replace(&path.to_string(), "FOLDER"), @"the file of sqlite://FOLDER/folder.db can't be used: unable to open database file; check that it is a SQLite database, and that this user may write to it and its folder");
    std::fs::write(
        folder.path().join("text.db"),
        "this is no database, but long enough to be read as one. ".repeat(20),
    )
    .unwrap();
    let error = refusal(&format!("sqlite://{path}/text.db")).await.to_string();
    insta::assert_snapshot!(error.replace(&path.to_string(), "FOLDER"), @"the file of sqlite://FOLDER/text.db can't be used: file is not a database; check that it is a SQLite database, and that this user may write to it and its folder");
    // The kernel's own folder: nobody can write there, whatever the user.
    let error = refusal("sqlite:///proc/warren.db").await;
    insta::assert_snapshot!(error, @"the file of sqlite:///proc/warren.db can't be used: unable to open database file; check that it is a SQLite database, and that this user may write to it and its folder");
    assert!(matches!(refusal(&format!("sqlite://{path}/text.db?mode=ro")).await, ConnectError::UnusableFile { .. }));
}

#[tokio::test]
async fn a_database_in_memory_lives_as_long_as_it_is_open() {
    let db = Database::connect(&DatabaseConfig::new("sqlite::memory:")).await.unwrap();
    db.migrate().await.unwrap();
    Recorder::start(&db).record(completed(1, 0, 1)).await.unwrap();
    assert_eq!(db.find_task(id(1)).await.unwrap(), Some(completed(1, 0, 1)));
    let other = Database::connect(&DatabaseConfig::new("sqlite::memory:")).await.unwrap();
    other.migrate().await.unwrap();
    assert_eq!(other.find_task(id(1)).await.unwrap(), None);
}

#[tokio::test]
async fn a_configuration_does_not_print_its_password() {
    let config = DatabaseConfig::new("postgres://u:secret@host/db");
    assert!(!format!("{config:?}").contains("secret"));
}
