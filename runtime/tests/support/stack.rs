//! A whole warren for one test: a virtual host, a database, a folder of components, and the binary that runs on them.

#![allow(dead_code, reason = "each suite uses a part of it")]

use std::{fs, path::PathBuf, time::Duration};

use event_driven::{
    connection::{self, ConnectionSettings},
    lapin::{
        BasicProperties, Channel, Connection,
        message::BasicGetMessage,
        options::{BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions},
        types::{AMQPValue, FieldTable},
    },
};
use sea_orm::{ConnectionTrait, Statement};
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::Instant;
use warren::lifecycle::{Database, TaskFilter, TaskRow, TaskSummary};

use crate::{
    database::TestDatabase,
    process::{PATIENCE, Process, components, warren},
    vhost::Vhost,
};

/// Settings with which a guest that has no end runs for as long as a test needs it: as much as the ceilings allow.
pub(crate) const UNLIMITED: [(&str, &str); 2] = [("WARREN_LIMITS_CPU", "5min"), ("WARREN_LIMITS_TIMEOUT", "10min")];

/// A setting with which a runtime is not taken for gone because the machine stood still. One that is killed is to be
/// [`gone`](Stack::gone) then.
pub(crate) const ALIVE: (&str, &str) = ("WARREN_SERVICE_LEASE", "60s");

/// What the runtime runs on.
pub(crate) struct Stack {
    pub(crate) vhost: Vhost,
    test_database: TestDatabase,
    /// The rows, read aside of the runtime.
    pub(crate) database: Database,
    /// The components' folder of this test; has the ones that ship with the project.
    pub(crate) components: TempDir,
    cache: TempDir,
}

impl Stack {
    /// RabbitMQ and Postgres, nothing started yet.
    pub(crate) async fn new() -> Self {
        let (vhost, test_database) = (Vhost::create(), TestDatabase::postgres().await);
        let folder = tempfile::tempdir().expect("a temporary folder");
        for name in ["echo", "process_order", "thumbnail"] {
            let file = format!("{name}.wasm");
            fs::copy(components().join(&file), folder.path().join(&file)).expect("the components are built");
        }
        let database = test_database.connect().await;
        let cache = tempfile::tempdir().expect("a temporary folder");
        Self { vhost, test_database, database, components: folder, cache }
    }

    /// Puts a component into the folder.
    pub(crate) fn add_component(&self, name: &str, bytes: &[u8]) {
        fs::write(self.components.path().join(format!("{name}.wasm")), bytes).expect("the folder can be written");
    }

    /// `warren run` on this stack, with these settings more.
    pub(crate) fn command(&self, settings: &[(&str, &str)]) -> std::process::Command {
        let mut command = self.bare();
        command.arg("run").envs(settings.iter().copied());
        command
    }

    /// `warren` with this stack in its environment.
    pub(crate) fn bare(&self) -> std::process::Command {
        let mut command = warren();
        command
            .env("RABBITMQ_URL", self.vhost.url())
            .env("DATABASE_URL", &self.test_database.config.url)
            .env("WARREN_COMPONENTS_URL", self.components.path())
            .env("WARREN_COMPONENTS_CACHE", cache())
            .env("WARREN_RETRY_DELAY", "50ms")
            .env("WARREN_SERVICE_LEASE", "1s")
            .current_dir(self.cache.path());
        command
    }

    /// `host:port` of the database's server.
    pub(crate) fn database_server(&self) -> String {
        let url = url::Url::parse(&self.test_database.config.url).expect("a URL");
        format!("{}:{}", url.host_str().expect("a host"), url.port().unwrap_or(5432))
    }

    /// The database by another port of this machine: a proxy's.
    pub(crate) fn database_url_at(&self, port: u16) -> String {
        let mut url = url::Url::parse(&self.test_database.config.url).expect("a URL");
        url.set_host(Some("127.0.0.1")).expect("it can have a host");
        url.set_port(Some(port)).expect("it can have a port");
        url.into()
    }

    /// Starts `warren run`.
    pub(crate) fn start(&self, settings: &[(&str, &str)]) -> Process {
        Process::start(self.command(settings))
    }

    /// A connection of a publisher's own.
    pub(crate) async fn publisher(&self) -> TestPublisher {
        TestPublisher::connect(&self.vhost.url()).await
    }

    /// Waits until all tasks of this component have ended, and there are as many as expected.
    pub(crate) async fn ended(&self, task_name: &str, count: usize) -> Vec<TaskSummary> {
        let filter = TaskFilter { task_name: Some(task_name.to_owned()), ..TaskFilter::default() };
        self.wait_for_tasks(&filter, |tasks| tasks.len() == count && tasks.iter().all(|task| task.status.is_final()))
            .await
    }

    /// Waits until all tasks of this component have ended, however many there are.
    pub(crate) async fn ended_all(&self, task_name: &str) -> Vec<TaskSummary> {
        let filter = TaskFilter { task_name: Some(task_name.to_owned()), ..TaskFilter::default() };
        self.wait_for_tasks(&filter, |tasks| tasks.iter().all(|task| task.status.is_final())).await
    }

    /// Waits until the tasks that the filter lets through are as they should be.
    pub(crate) async fn wait_for_tasks(
        &self,
        filter: &TaskFilter,
        right: impl Fn(&[TaskSummary]) -> bool,
    ) -> Vec<TaskSummary> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let tasks = self.database.list_tasks(filter, 100_000, None).await.expect("the rows can be read");
            if right(&tasks) {
                return tasks;
            }
            assert!(Instant::now() < deadline, "the rows did not become as expected: {tasks:#?}");
            // Another process writes them: there is no event to wait for.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Lets a runtime that has ended without a word be taken for gone, as if its lease were over.
    pub(crate) async fn gone(&self, runtime_id: &str) {
        let sql = "UPDATE runtime SET seen_at = seen_at - interval '1 day' WHERE runtime_id = $1";
        let connection = self.database.connection();
        let statement = Statement::from_sql_and_values(connection.get_database_backend(), sql, [runtime_id.into()]);
        let changed = connection.execute_raw(statement).await.expect("the row can be written");
        assert_eq!(changed.rows_affected(), 1, "{runtime_id} has given a sign of life");
    }

    /// The whole row of a task.
    pub(crate) async fn row(&self, task: &TaskSummary) -> TaskRow {
        self.database.find_task(task.id).await.expect("the row can be read").expect("it is there")
    }
}

/// Compiled code that all tests share: each component is compiled once for all of them.
fn cache() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("compiled")
}

/// A publisher as another program would be, which knows nothing of warren's own code.
pub(crate) struct TestPublisher {
    _connection: Connection,
    channel: Channel,
}

impl TestPublisher {
    async fn connect(url: &str) -> Self {
        let address = url.parse().expect("the test's URL is right");
        let settings = ConnectionSettings { address, name: "test".into(), timeout: PATIENCE };
        let connection = connection::connect(&settings).await.expect("RabbitMQ is there");
        let channel = connection.create_channel().await.expect("a channel");
        channel.confirm_select(ConfirmSelectOptions::default()).await.expect("confirms");
        Self { _connection: connection, channel }
    }

    /// Publishes a task as the contract has it.
    pub(crate) async fn task(&self, name: &str, payload: &Value, message_id: Option<&str>) {
        let body = serde_json::json!({ "task_name": name, "payload": payload }).to_string();
        let mut properties = BasicProperties::default()
            .with_headers(headers(&[("producer_app", "test"), ("correlation_id", "correlation-1")]));
        if let Some(id) = message_id {
            properties = properties.with_message_id(id.into());
        }
        self.raw("task.exchange", "routing.task.run.test", body.as_bytes(), properties).await;
    }

    /// Publishes any bytes, and waits for the confirm.
    pub(crate) async fn raw(&self, exchange: &str, key: &str, body: &[u8], properties: BasicProperties) {
        let options = BasicPublishOptions::default();
        let confirm = self
            .channel
            .basic_publish(exchange.into(), key.into(), options, body, properties)
            .await
            .expect("published");
        let confirmation = confirm.await.expect("answered");
        assert!(confirmation.is_ack(), "{confirmation:?}");
    }

    /// Takes messages out of a queue until there are as many as expected.
    pub(crate) async fn take(&self, queue: &str, count: usize) -> Vec<BasicGetMessage> {
        let deadline = Instant::now() + PATIENCE;
        let mut taken = Vec::new();
        while taken.len() < count {
            match self
                .channel
                .basic_get(queue.into(), BasicGetOptions { no_ack: true })
                .await
                .expect("the queue is there")
            {
                Some(message) => taken.push(message),
                None => {
                    assert!(Instant::now() < deadline, "{queue} has {} messages, not {count}", taken.len());
                    // `basic.get` does not wait for messages.
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        }
        taken
    }

    /// Takes the first messages of a queue, so many, and gives them back: as a runtime that dies.
    pub(crate) async fn give_back(&self, queue: &str, messages: usize) {
        let held = self.hold(queue, messages).await;
        self.release(held).await;
    }

    /// Takes the first messages of a queue, so many, and settles them not yet.
    pub(crate) async fn hold(&self, queue: &str, messages: usize) -> Vec<u64> {
        let mut tags = Vec::new();
        while tags.len() < messages {
            let got = self.channel.basic_get(queue.into(), BasicGetOptions::default()).await;
            // What was just given back is not there at once.
            let Some(message) = got.expect("the queue is there") else { continue };
            tags.push(message.delivery.delivery_tag);
        }
        tags
    }

    /// Gives back what it holds.
    pub(crate) async fn release(&self, held: Vec<u64>) {
        use event_driven::lapin::options::BasicNackOptions;
        for tag in held {
            let again = BasicNackOptions { requeue: true, ..BasicNackOptions::default() };
            self.channel.basic_nack(tag, again).await.expect("given back");
        }
    }

    /// Throws away what is in a queue.
    pub(crate) async fn purge(&self, queue: &str) {
        use event_driven::lapin::options::QueuePurgeOptions;
        self.channel.queue_purge(queue.into(), QueuePurgeOptions::default()).await.expect("the queue is there");
    }

    /// Waits until so many messages of a queue are ready.
    pub(crate) async fn wait_for_depth(&self, queue: &str, messages: u32) {
        let deadline = Instant::now() + PATIENCE;
        while self.depth(queue).await != messages {
            assert!(Instant::now() < deadline, "{queue} has {} messages, not {messages}", self.depth(queue).await);
            // AMQP tells nobody that a queue has grown.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Declares a queue, as a service of another kind would.
    pub(crate) async fn declare(&self, queue: &str) {
        use event_driven::lapin::options::QueueDeclareOptions;
        let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        self.channel.queue_declare(queue.into(), options, FieldTable::default()).await.expect("it is declared");
    }

    /// How many messages of a queue are ready.
    pub(crate) async fn depth(&self, queue: &str) -> u32 {
        use event_driven::lapin::options::QueueDeclareOptions;
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        self.channel
            .queue_declare(queue.into(), options, FieldTable::default())
            .await
            .expect("it is there")
            .message_count()
    }
}

/// Headers with texts.
pub(crate) fn headers(pairs: &[(&str, &str)]) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in pairs {
        table.insert((*name).into(), AMQPValue::LongString((*value).into()));
    }
    table
}

/// A header's text.
pub(crate) fn header(properties: &BasicProperties, name: &str) -> Option<String> {
    match properties.headers().as_ref()?.inner().get(name)? {
        AMQPValue::LongString(text) => Some(String::from_utf8_lossy(text.as_bytes()).into_owned()),
        other => Some(format!("{other:?}")),
    }
}
