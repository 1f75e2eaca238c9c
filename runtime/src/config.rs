//! Every setting, its default, and what it means. One [`Config`], a section a part.
//!
//! `defaults < warren.toml < environment < flags`; how they are put together is in [`mod@load`]. The environment has
//! `WARREN_<SECTION>_<KEY>` for each setting, and `RABBITMQ_URL`, `DATABASE_URL`, `SERVICE_NAME` as existing deployments
//! have them.

pub mod load;
mod parts;
mod retention;
mod tokens;
mod validate;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use bytesize::ByteSize;
use event_driven::names;
use serde::{Deserialize, Serialize};

pub use self::{
    retention::{Kept, Retention},
    tokens::{Scope, Token, TokenHash},
    validate::SLOT_PATIENCE,
};
use crate::{
    components::PublicKey,
    lifecycle::DatabaseConfig,
    manifest::{Allow, Limits},
};

/// The settings of one process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Who this is, and how it stops.
    pub service: Service,
    /// The connection to RabbitMQ.
    pub broker: Broker,
    /// What is declared on RabbitMQ.
    pub topology: Topology,
    /// The connection to the database.
    pub database: Database,
    /// Where components come from.
    pub components: Components,
    /// How many guests are executed at once, and where.
    pub sandbox: Sandbox,
    /// What bounds each execution of a component whose manifest says nothing of it.
    pub limits: Limits,
    /// The most that manifests may ask for.
    pub ceiling: Limits,
    /// What manifests may be granted.
    pub allow: Allow,
    /// When a task that failed is tried again.
    pub retry: Retry,
    /// How long rows are kept.
    pub retention: Retention,
    /// The HTTP interface.
    pub http: Http,
    /// What is logged, and how.
    pub log: Log,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            service: Service::default(),
            broker: Broker::default(),
            topology: Topology::default(),
            database: Database::default(),
            components: Components::default(),
            sandbox: Sandbox::default(),
            limits: Limits::default(),
            ceiling: Limits::default_ceiling(),
            allow: Allow::default(),
            retry: Retry::default(),
            retention: Retention::default(),
            http: Http::default(),
            log: Log::default(),
        }
    }
}

/// `[service]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Service {
    /// The name under which this service publishes and shows up at the broker. `SERVICE_NAME` sets it too.
    pub name: String,
    /// How long running tasks may go on after a stop was asked for. What is not done then goes back to its queue.
    #[serde(with = "humantime_serde")]
    pub grace: Duration,
    /// How long a runtime may give no sign of life before the others take it for gone, and the tasks that it was at for
    /// cut off. The same for all runtimes of one database.
    #[serde(with = "humantime_serde")]
    pub lease: Duration,
    /// How long `warren run` waits at its start for RabbitMQ and the database to be there. 0s: it tries once.
    #[serde(with = "humantime_serde")]
    pub start_patience: Duration,
    /// Whether `warren run` brings the database's schema up to date at its start.
    pub migrate: bool,
}

impl Default for Service {
    fn default() -> Self {
        Self {
            name: "warren".into(),
            grace: Duration::from_secs(30),
            lease: DatabaseConfig::LEASE,
            start_patience: Duration::from_secs(60),
            migrate: true,
        }
    }
}

/// `[broker]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Broker {
    /// `amqp://user:password@host:port/vhost`, or `amqps://`. `RABBITMQ_URL` sets it too. Empty: none is configured.
    pub url: String,
    /// Most deliveries that are unsettled at once, over all channels. Of tasks it is as many as are executed and can be
    /// started within about a second: all of these where tasks are short, few where they are long, so that other runtimes
    /// get their share. It is for all classes of tasks together; where several come at once, it may be twice as many for a moment.
    /// Of events three times as many, as far as `memory` allows.
    pub prefetch: u16,
    /// Bytes that the bodies of unsettled tasks may have, and as many for events, whose bodies are held twice. Kept by the mean of those that were seen: where small ones are
    /// followed by large ones, it may be exceeded for a moment. Never more than `prefetch` times `max_body` for each
    /// class of tasks.
    pub memory: ByteSize,
    /// Channels among which the prefetch is split. Acks of one channel never wait for those of another.
    pub channels: u16,
    /// How long a connection may take to be made at start.
    #[serde(with = "humantime_serde")]
    pub connect_timeout: Duration,
    /// The largest body that is taken for a task or an event; a larger one is dead-lettered.
    pub max_body: ByteSize,
}

impl Default for Broker {
    fn default() -> Self {
        Self {
            url: String::new(),
            prefetch: 2000,
            memory: ByteSize::mib(256),
            channels: 2,
            connect_timeout: Duration::from_secs(5),
            max_body: ByteSize::mib(16),
        }
    }
}

/// `[topology]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Topology {
    /// Whether exchanges survive a restart of the broker. False where older services declared them as transient.
    pub durable_exchanges: bool,
    /// The kind of queues that are declared.
    pub queue_type: QueueType,
    /// Longest stay of a message in a subscriber's or a route's queue; then it goes to the dead-letter queue.
    #[serde(with = "humantime_serde")]
    pub queue_ttl: Duration,
    /// Most messages in a subscriber's or a route's queue; then publishes are refused.
    pub queue_max_messages: u32,
    /// Most bytes in a subscriber's or a route's queue; then publishes are refused.
    pub queue_max_bytes: ByteSize,
    /// The routing keys by which `tasks` is bound to a `task.exchange` that others declared without its alternate exchange.
    /// Tasks with other keys are lost then. Empty: the alternate exchange brings every task. In a variable: between commas.
    pub task_keys: Vec<String>,
}

impl Default for Topology {
    fn default() -> Self {
        Self {
            durable_exchanges: true,
            queue_type: QueueType::Quorum,
            queue_ttl: names::QUEUE_TTL,
            queue_max_messages: names::QUEUE_MAX_MESSAGES,
            queue_max_bytes: ByteSize(names::QUEUE_MAX_BYTES),
            task_keys: Vec::new(),
        }
    }
}

/// The kind of a queue, as in RabbitMQ's `x-queue-type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum QueueType {
    /// Replicated; sets a poison message aside by itself.
    Quorum,
    /// On one node.
    Classic,
}

/// `[database]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Database {
    /// `postgres://user:password@host:port/name`, or `sqlite:///path/to/file`. `DATABASE_URL` sets it too. Empty: none
    /// is configured.
    pub url: String,
    /// Connections that may be open at once.
    pub max_connections: u32,
    /// How long a connection may take to be made.
    #[serde(with = "humantime_serde")]
    pub connect_timeout: Duration,
    /// How long a statement may take. Then it is tried again over another connection, with fewer rows if it has several.
    #[serde(with = "humantime_serde")]
    pub statement_timeout: Duration,
}

impl Default for Database {
    fn default() -> Self {
        Self {
            url: String::new(),
            max_connections: DatabaseConfig::MAX_CONNECTIONS,
            connect_timeout: DatabaseConfig::CONNECT_TIMEOUT,
            statement_timeout: DatabaseConfig::STATEMENT_TIMEOUT,
        }
    }
}

/// `[components]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Components {
    /// The store of components: a directory, as a path or as `file:///path`, or `s3://bucket/prefix`, `gs://bucket/prefix`,
    /// `az://container/prefix`. A cloud's own variables (`AWS_…`, `GOOGLE_…`, `AZURE_…`) say how it is reached.
    pub url: String,
    /// Where compiled code is kept. Must belong to this user alone. Empty: `warren` in the user's cache directory.
    pub cache: PathBuf,
    /// How large all files in there may be together: what was used least recently goes.
    pub cache_size: ByteSize,
    /// The machine code of components that is kept ready in memory; what was used least recently is loaded from the cache
    /// when a task asks for it. No component may become more than this.
    pub memory: ByteSize,
    /// The largest file that is taken for a component. The largest ones carry an interpreter and have about 40 MiB.
    pub max_size: ByteSize,
    /// The most processor time that compiling one component may take, in whole seconds.
    #[serde(with = "humantime_serde")]
    pub compile_time: Duration,
    /// The most memory that compiling one component may take, as address space of a process of its own.
    pub compile_memory: ByteSize,
    /// Components that are compiled at once. One place is left for those that tasks wait for, if there are two or more.
    pub compile_concurrency: usize,
    /// How often the store is looked at for what is new.
    #[serde(with = "humantime_serde")]
    pub scan: Duration,
    /// The public keys of those who sign components, each as `ed25519:` and the base64 of its 32 bytes: what none of them has
    /// signed is neither taken nor executed. Empty: nothing has to be signed. In a variable: between commas,
    /// and one at least.
    pub require_signatures: Vec<PublicKey>,
}

impl Default for Components {
    fn default() -> Self {
        Self {
            url: "components".into(),
            cache: PathBuf::new(),
            cache_size: ByteSize::gib(4),
            memory: ByteSize::mib(512),
            max_size: ByteSize::mib(128),
            compile_time: Duration::from_secs(30),
            compile_memory: ByteSize::gib(1),
            compile_concurrency: 2,
            scan: Duration::from_secs(1),
            require_signatures: Vec::new(),
        }
    }
}

/// `[sandbox]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sandbox {
    /// Guests that may be executed at once. Address space is reserved for each.
    pub concurrency: u32,
    /// Threads that execute guests. 0: as many as there are cores.
    pub threads: usize,
    /// The stack of each guest. The same for all: it is a part of how components are compiled and where they run.
    pub stack: ByteSize,
}

impl Default for Sandbox {
    fn default() -> Self {
        Self { concurrency: 256, threads: 0, stack: ByteSize::kib(512) }
    }
}

/// `[retry]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Retry {
    /// Retries before a message is dead: 3 retries are at most 4 attempts.
    pub retries: u32,
    /// The delay before the first retry; each further one is twice as long.
    #[serde(with = "humantime_serde")]
    pub delay: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        // 3 s, 6 s, 12 s.
        Self { retries: names::RETRIES, delay: names::RETRY_DELAY }
    }
}

/// `[http]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Http {
    /// Where the HTTP interface listens. Port 0 takes a free one. Who reads is asked for no password: loopback by default.
    pub addr: SocketAddr,
    /// Who may change components over HTTP: `[[http.tokens]]` in the file, as `warren token new` prints them. None: nobody,
    /// except in `warren dev` on loopback. No variable sets them.
    pub tokens: Vec<Token>,
    /// Components that may be uploaded at once. Each is held in memory until it is checked; further ones are told to come
    /// back later.
    pub uploads: usize,
    /// How long an upload may stand still before it is given up.
    #[serde(with = "humantime_serde")]
    pub upload_patience: Duration,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            addr: SocketAddr::from(([127, 0, 0, 1], 8080)),
            tokens: Vec::new(),
            uploads: 4,
            upload_patience: Duration::from_secs(30),
        }
    }
}

/// `[log]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Log {
    /// What is logged, in the form of tracing's `EnvFilter`: `info`, or `warn,warren::broker=debug`.
    pub filter: String,
    /// How it is written.
    pub format: LogFormat,
}

impl Default for Log {
    fn default() -> Self {
        // What the clients of the broker, the database and the store log is told by who handles it here.
        Self {
            filter: "info,lapin=off,object_store=warn,sea_orm_migration=warn,sqlx=warn,wasmtime_wasi_http=error".into(),
            format: LogFormat::Text,
        }
    }
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people; coloured on a terminal.
    Text,
    /// One JSON object a line.
    Json,
}
