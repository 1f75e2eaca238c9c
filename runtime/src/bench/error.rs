//! Why nothing was measured.

use std::time::Duration;

use event_driven::{
    connection::{AddressError, ConnectError},
    message::HeaderError,
    names::TaskName,
    publisher::PublishError,
    topology::TopologyError,
};
use sea_orm::DbErr;

use crate::{
    broker::DepthsError,
    components::StoreError,
    lifecycle::{self, MigrationError},
};

/// Why nothing was measured. What was made for the measurement is removed by [`Grounds::leave`](super::Grounds::leave).
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The settings name no database.
    #[error(
        "no database is configured: set DATABASE_URL (postgres://user:password@host/name, or sqlite:///path); `warren bench \
         --dev` needs none"
    )]
    NoDatabase,
    /// The virtual host of the settings, which nobody has named for this.
    #[error(
        "RABBITMQ_URL names the virtual host {name} itself, which may be one that is in use: name another with --vhost, or \
         this one if it is there for measurements (--vhost {name})"
    )]
    SameVhost {
        /// Its name.
        name: String,
    },
    /// There is no such virtual host for this user.
    #[error(
        "{refusal}; `warren bench` measures on a virtual host of its own, and can't make it. On RabbitMQ's machine:\n  \
         {commands}\nand afterwards:\n  {delete}\nor use `warren bench --dev`, which needs no RabbitMQ"
    )]
    NoVhost {
        /// Which, where and for whom, and RabbitMQ's words.
        refusal: String,
        /// What makes it, a command a line.
        commands: String,
        /// What removes it.
        delete: String,
    },
    /// Somebody uses the virtual host.
    #[error(
        "the virtual host {name} is in use: {found}. `warren bench` empties and deletes the queues that it measures on, and so \
         it takes one that has none of these: name another with --vhost"
    )]
    VhostInUse {
        /// Its name.
        name: String,
        /// By what that can be told.
        found: String,
    },
    /// The settings can't be used to reach RabbitMQ.
    #[error(transparent)]
    Settings(#[from] AddressError),
    /// RabbitMQ can't be reached.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The queues can't be declared.
    #[error(transparent)]
    Topology(#[from] TopologyError),
    /// The queues can't be looked at.
    #[error(transparent)]
    Depths(#[from] DepthsError),
    /// RabbitMQ refused something else.
    #[error("RabbitMQ: {what}: {source}")]
    Broker {
        /// What was wanted.
        what: &'static str,
        /// Its refusal.
        source: event_driven::lapin::Error,
    },
    /// The connection to RabbitMQ is gone.
    #[error("{what}: the connection to RabbitMQ was lost")]
    Lost {
        /// What was being done.
        what: &'static str,
    },
    /// RabbitMQ does not take the load.
    #[error(
        "RabbitMQ refuses tasks, or gives them back as there is no queue for them: was the virtual host changed meanwhile?"
    )]
    Refused,
    /// RabbitMQ did not answer.
    #[error("{what}: RabbitMQ gave no answer within {} s", patience.as_secs())]
    Silent {
        /// What was wanted.
        what: &'static str,
        /// How long it was given.
        patience: Duration,
    },
    /// A message was not taken.
    #[error("the load can't be published: {0}")]
    Publish(#[from] PublishError),
    /// An event does not fit into a message.
    #[error("the load can't be published: {0}")]
    Headers(#[from] HeaderError),
    /// The database can't be reached.
    #[error(transparent)]
    Database(#[from] lifecycle::ConnectError),
    /// Its tables can't be made.
    #[error("the tables for the measurement can't be made: {0}")]
    Migration(#[from] MigrationError),
    /// The user may not make a schema.
    #[error(
        "no schema for the measurement can be made in the database of {url}: {source}; allow it (GRANT CREATE ON DATABASE … TO \
         …), or measure with `warren bench --dev`, which needs no Postgres"
    )]
    NoSchema {
        /// The URL, masked.
        url: String,
        /// The refusal.
        source: DbErr,
    },
    /// Something between here and the server does not let the schema be chosen.
    #[error(
        "what answers at {url} does not heed the schema that a connection asks for (search_path is {found}): is it a pool of \
         connections? Name the server itself in DATABASE_URL"
    )]
    SchemaIgnored {
        /// The URL, masked.
        url: String,
        /// Where statements would go.
        found: String,
    },
    /// A statement failed.
    #[error("{what}: {source}")]
    Sql {
        /// What it was for.
        what: &'static str,
        /// The refusal.
        source: DbErr,
    },
    /// A file, a folder or a process can't be used.
    #[error("{what}: {source}")]
    System {
        /// What was wanted.
        what: String,
        /// The refusal.
        source: std::io::Error,
    },
    /// The components can't be read.
    #[error(transparent)]
    Components(#[from] StoreError),
    /// The grounds are not entered, or have no such thing.
    #[error("there is no {0} to measure on")]
    NotThere(&'static str),
    /// There is no component of that name.
    #[error(
        "there is no component {name} in {url}, which has {there}: upload it (`warren component push FILE.wasm --name {name}`), \
         or name another with --task"
    )]
    NoComponent {
        /// The component.
        name: TaskName,
        /// Where it was looked for.
        url: String,
        /// What is there.
        there: String,
    },
    /// Tasks don't complete.
    #[error(
        "the task {name} does not complete with this payload: {error}; measured is what completes: give it another with \
         --payload, or name another component with --task"
    )]
    NotCompleted {
        /// The component.
        name: TaskName,
        /// What became of it instead.
        error: String,
    },
    /// The runtime under test ended, or did not begin.
    #[error("the runtime under test {what}; it said:\n{log}")]
    Runtime {
        /// What it did.
        what: String,
        /// The end of its log.
        log: String,
    },
    /// Its HTTP interface did not answer as it should.
    #[error("the runtime under test can't be asked over HTTP: {0}")]
    Http(String),
}

impl BenchError {
    pub(super) fn broker(what: &'static str) -> impl Fn(event_driven::lapin::Error) -> Self {
        move |source| Self::Broker { what, source }
    }

    pub(super) fn sql(what: &'static str) -> impl Fn(DbErr) -> Self {
        move |source| Self::Sql { what, source }
    }

    pub(super) fn system(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::System { what: what.into(), source }
    }
}
