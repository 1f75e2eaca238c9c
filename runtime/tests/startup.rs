//! What a person reads who starts warren with something wrong: one line that names it and says what to do, within
//! seconds, and an exit code that is not 0. No password is shown.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

#[path = "support/database.rs"]
mod database;
#[path = "support/process.rs"]
mod process;
#[path = "../../event-driven/tests/support/proxy.rs"]
mod proxy;
#[path = "support/s3.rs"]
mod s3;
#[path = "../../event-driven/tests/support/vhost.rs"]
mod vhost;

use std::{
    fs,
    net::TcpListener,
    process::Command,
    time::{Duration, Instant},
};

use database::TestDatabase;
use process::{Process, warren};
use proxy::Proxy;
use reqwest::StatusCode;
use s3::S3;
use serde_json::Value;
use vhost::Vhost;

/// Runs it to its end; gives its exit code and what it wrote to stderr.
fn fail(command: &mut Command) -> (i32, String) {
    let started = Instant::now();
    let folder = tempfile::tempdir().unwrap();
    let output = command.env("WARREN_HTTP_ADDR", "127.0.0.1:0").current_dir(folder.path()).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(started.elapsed() < Duration::from_secs(120), "it took {:?}: {stderr}", started.elapsed());
    assert!(!stderr.contains("secret"), "a password is shown: {stderr}");
    (output.status.code().expect("it was not killed"), stderr)
}

/// What is refused ends it at once.
fn run(rabbitmq: &str, postgres: &str) -> (i32, String) {
    let (code, stderr) = fail(&mut service(rabbitmq, postgres));
    assert!(!stderr.contains("waiting for"), "it waits for what does not pass: {stderr}");
    (code, stderr)
}

/// Where nobody is waited for.
fn run_once(rabbitmq: &str, postgres: &str) -> (i32, String) {
    fail(service(rabbitmq, postgres).env("WARREN_SERVICE_START_PATIENCE", "0s"))
}

/// Where somebody is waited for, however long a slow machine takes to bring him.
const PATIENTLY: (&str, &str) = ("WARREN_SERVICE_START_PATIENCE", "10min");

fn service(rabbitmq: &str, postgres: &str) -> Command {
    let mut command = warren();
    command.arg("run").env("RABBITMQ_URL", rabbitmq).env("DATABASE_URL", postgres);
    command
}

#[track_caller]
fn assert_told((code, stderr): (i32, String), parts: &[&str]) {
    assert_eq!(code, 1, "{stderr}");
    let errors: Vec<_> = stderr.lines().filter(|line| line.contains("error:")).collect();
    assert_eq!(errors.len(), 1, "{stderr}");
    for part in parts {
        assert!(stderr.contains(part), "{part:?} is missing from: {stderr}");
    }
}

/// A port where nothing listens.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_can_not_be_reached_or_refuses() {
    let database = TestDatabase::postgres().await;
    let url = &database.config.url;
    assert_told(run("", url), &["no broker is configured: set RABBITMQ_URL", "warren dev"]);
    let port = free_port();
    let told = run_once(&format!("amqp://guest:secret@127.0.0.1:{port}"), url);
    assert_told(told, &[&format!("127.0.0.1:{port}"), "check the host and the port"]);
    assert_told(run("http://127.0.0.1", url), &["amqp"]);
    let vhost = Vhost::create();
    let mut wrong = url::Url::parse(&vhost.url()).unwrap();
    wrong.set_password(Some("secret")).unwrap();
    assert_told(run(wrong.as_str(), url), &["refuses the user", "guest"]);
    let mut nowhere = url::Url::parse(&vhost.url()).unwrap();
    nowhere.set_path("/no-such-vhost");
    assert_told(run(nowhere.as_str(), url), &["no-such-vhost", "add_vhost"]);
    // A database's port does not speak AMQP.
    let postgres = url::Url::parse(url).unwrap();
    let other = format!("amqp://{}:{}", postgres.host_str().unwrap(), postgres.port().unwrap_or(5432));
    assert_eq!(run_once(&other, url).0, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_can_not_be_reached_or_is_newer() {
    let vhost = Vhost::create();
    let port = free_port();
    let told = run_once(&vhost.url(), &format!("postgres://u:secret@127.0.0.1:{port}/warren"));
    assert_told(told, &[&format!("postgres://u:***@127.0.0.1:{port}/warren")]);
    let mut nowhere = url::Url::parse(&TestDatabase::postgres().await.config.url).unwrap();
    nowhere.set_path("no_such_database");
    assert_told(run(&vhost.url(), nowhere.as_str()), &["no such database", "createdb no_such_database"]);
    assert_told(run(&vhost.url(), ""), &["no database is configured: set DATABASE_URL"]);
    assert_told(run(&vhost.url(), "mysql://127.0.0.1/x"), &["mysql", "postgres"]);
    assert_told(run(&vhost.url(), "sqlite:///proc/no/such/folder/warren.db"), &["/proc/no/such/folder"]);

    let newer = TestDatabase::postgres().await;
    let connection = newer.connect().await;
    let insert = "INSERT INTO seaql_migrations (version, applied_at) VALUES ('m29990101_000001_from_the_future', 0)";
    sea_orm::ConnectionTrait::execute_unprepared(connection.connection(), insert).await.unwrap();
    assert_told(run(&vhost.url(), &newer.config.url), &["m29990101_000001_from_the_future"]);
    connection.close().await;
}

#[test]
fn a_port_that_is_taken() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let told = fail(warren().args(["dev", "--http-addr", &addr]));
    assert_told(told, &[&addr, "something else listens there already", "WARREN_HTTP_ADDR"]);
}

#[test]
fn a_data_folder_that_can_not_be_written() {
    let told = fail(warren().args(["dev", "--data", "/proc/warren"]));
    assert_told(told, &["/proc/warren"]);
}

#[test]
fn settings_that_are_wrong_are_told_all_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("warren.toml");
    fs::write(&file, "[limits]\ntimout = '3s'\nmemory = 'much'\n[brokers]\nurl = 'x'\n").unwrap();
    let (code, stderr) = fail(warren().args(["dev", "--config"]).arg(&file));
    assert_eq!(code, 1);
    for part in ["wrong in 3 places", "limits.timout", "limits.memory", "[brokers]"] {
        assert!(stderr.contains(part), "{part:?} is missing from: {stderr}");
    }
    let told = fail(warren().args(["dev", "--config", "/no/such/file.toml"]));
    assert_told(told, &["/no/such/file.toml", "can't be read"]);
}

#[test]
fn a_component_store_of_another_kind() {
    let told = fail(warren().arg("dev").env("WARREN_COMPONENTS_URL", "ftp://host/components"));
    assert_told(told, &["ftp://host/components", "it is neither a directory"]);
}

/// What HTTP says at a port that is known before the service is ready.
async fn ask(port: u16, path: &str) -> (StatusCode, String) {
    warren::tls::install_ring();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let response = http.get(format!("http://127.0.0.1:{port}{path}")).send().await.unwrap();
    (response.status(), response.text().await.unwrap())
}

async fn parts(port: u16) -> Value {
    let (status, body) = ask(port, "/readyz").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    serde_json::from_str::<Value>(&body).unwrap()["parts"].clone()
}

fn contains(part: &Value, text: &str) -> bool {
    part.as_str().is_some_and(|part| part.contains(text))
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_are_not_there_yet_are_waited_for() {
    let (vhost, mut database) = (Vhost::create(), TestDatabase::postgres().await);
    let (postgres, http, rabbitmq) = (database.server(), free_port(), free_port());
    database.set_port(free_port());
    let folder = tempfile::tempdir().unwrap();
    let mut command = service(&vhost.url_by(rabbitmq), &database.config.url);
    command.args(["--http-addr", &format!("127.0.0.1:{http}"), "--components"]).arg(folder.path()).envs([PATIENTLY]);
    let mut warren = Process::spawn(command);

    warren.wait_for_line("waiting for the database");
    assert_eq!(ask(http, "/healthz").await.0, StatusCode::OK);
    assert_eq!(ask(http, "/v1/tasks").await.0, StatusCode::SERVICE_UNAVAILABLE);
    let told = parts(http).await;
    assert_eq!(told["service"], "starting");
    assert!(contains(&told["database"], "waiting: nothing answers at postgres://"), "{told}");

    let port = url::Url::parse(&database.config.url).unwrap().port().unwrap();
    let _postgres = Proxy::start_at(port, postgres).await;
    warren.wait_for_line("waiting for the broker");
    let told = parts(http).await;
    assert_eq!(told["database"], "ok");
    assert!(contains(&told["broker"], "waiting: no connection to RabbitMQ at"), "{told}");

    let _rabbitmq = Proxy::start_at(rabbitmq, vhost.server()).await;
    warren.wait_for_line("ready; HTTP at");
    assert_eq!(ask(http, "/readyz").await.0, StatusCode::OK);
    warren.signal("TERM");
    assert!(warren.wait().success());
}

/// A port that is open before its server is there, and a database that has no room yet.
#[tokio::test(flavor = "multi_thread")]
async fn servers_that_are_there_and_not_ready_are_waited_for() {
    let (vhost, database) = (Vhost::create(), TestDatabase::of_a_role().await);
    let proxy = Proxy::start(vhost.server()).await;
    proxy.refuse();
    database.on_server("ALTER ROLE ROLE_NAME CONNECTION LIMIT 0").await;
    let folder = tempfile::tempdir().unwrap();
    let mut command = service(&vhost.url_by(proxy.port), &database.config.url);
    command.arg("--components").arg(folder.path()).envs([PATIENTLY]);
    let warren = Process::spawn(command);
    assert!(warren.wait_for_line("waiting for the database").contains("too many connections"));
    database.on_server("ALTER ROLE ROLE_NAME CONNECTION LIMIT -1").await;
    assert!(warren.wait_for_line("waiting for the broker").contains("closed the connection during the handshake"));
    proxy.restore();
    warren.wait_for_line("ready; HTTP at");
}

/// `warren run` on what is there, with a store that speaks S3 at this port.
fn service_with_store(vhost: &Vhost, database: &TestDatabase, port: u16) -> Command {
    let mut command = service(&vhost.url(), &database.config.url);
    command.args(["--components", "s3://components/here"]).envs(s3::variables(port));
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_not_there_yet_is_waited_for() {
    let Some(server) = S3::start() else { return };
    let (vhost, database) = (Vhost::create(), TestDatabase::postgres().await);
    let (http, port) = (free_port(), free_port());
    let mut command = service_with_store(&vhost, &database, port);
    command.args(["--http-addr", &format!("127.0.0.1:{http}")]).envs([PATIENTLY]);
    let mut warren = Process::spawn(command);
    warren.wait_for_line("waiting for the components");
    let told = parts(http).await;
    assert_eq!((&told["database"], &told["broker"]), (&"ok".into(), &"ok".into()));
    assert!(contains(&told["components"], "waiting: the store of components at s3://components/here"), "{told}");

    let _s3 = Proxy::start_at(port, format!("127.0.0.1:{}", server.port())).await;
    warren.wait_for_line("ready; HTTP at");
    assert_eq!(warren.log().matches("waiting for the components").count(), 1, "{}", warren.log());
    assert_eq!(ask(http, "/readyz").await.0, StatusCode::OK);
    warren.signal("TERM");
    assert!(warren.wait().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_does_not_come_is_told() {
    let (vhost, database, port) = (Vhost::create(), TestDatabase::postgres().await, free_port());
    let told = fail(service_with_store(&vhost, &database, port).env("WARREN_SERVICE_START_PATIENCE", "1s"));
    assert!(!told.1.contains("backing off"), "what the client tries is not told line by line: {}", told.1);
    let server = format!("http://127.0.0.1:{port}/");
    assert_told(told, &["the store of components at s3://components/here", &server, "Connection refused", "AWS_"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_patience_has_an_end() {
    let vhost = Vhost::create();
    let nobody = format!("postgres://u:secret@127.0.0.1:{}/warren", free_port());
    let begun = Instant::now();
    let told = fail(service(&vhost.url(), &nobody).env("WARREN_SERVICE_START_PATIENCE", "1s"));
    assert!(begun.elapsed() >= Duration::from_secs(1));
    assert_eq!(told.1.matches("waiting for the database").count(), 1, "{}", told.1);
    assert_told(told, &["nothing answers at postgres://u:***@127.0.0.1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_a_server_can_be_stopped() {
    let vhost = Vhost::create();
    let nobody = format!("postgres://u@127.0.0.1:{}/warren", free_port());
    let mut command = service(&vhost.url(), &nobody);
    command.envs([PATIENTLY]);
    let mut warren = Process::spawn(command);
    warren.wait_for_line("waiting for the database");
    let asked = Instant::now();
    warren.signal("TERM");
    assert!(warren.wait().success());
    assert!(asked.elapsed() < Duration::from_secs(60), "{:?}", asked.elapsed());
}
