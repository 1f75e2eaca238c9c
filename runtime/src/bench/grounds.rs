//! Where a measurement takes place: queues and tables that are made for it, and are gone after it.
//!
//! Nothing that somebody else uses is touched. On servers that is a virtual host which has no queues of a warren yet, and a schema
//! of the configured database under a new name; SQLite has a file in a new folder. What a measurement has left behind that was
//! killed is removed by the next one.

mod folder;
mod schema;
mod vhost;

use std::{path::PathBuf, process::Command};

use event_driven::{
    lapin::{Connection, uri::AMQPUri},
    names::TaskName,
};
use sea_orm::ConnectionTrait;

use self::{folder::Folder, schema::Schema, vhost::Vhost};
use super::BenchError;
use crate::{
    components::ComponentStore,
    config::{Config, Log},
    lifecycle::Database,
};

/// The virtual host that is taken where none is named.
pub const DEFAULT_VHOST: &str = "warren-bench";

/// The tables that a measurement fills.
const TABLES: [&str; 4] = ["task_attempt", "task_store", "event_store", "runtime"];

/// On what to measure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stage {
    /// `warren run`, on the servers of the settings and in this virtual host; None: [`DEFAULT_VHOST`].
    Servers {
        /// Its name.
        vhost: Option<String>,
    },
    /// `warren dev`, which brings all that it needs.
    Dev,
}

/// How the runtime under test is started.
#[derive(Debug, Clone)]
pub struct Launch {
    /// The binary.
    pub binary: PathBuf,
    /// The file with its settings, if it was named.
    pub settings: Option<PathBuf>,
}

/// Where a measurement takes place.
#[derive(Debug)]
pub struct Grounds {
    /// As the runtime under test has it.
    config: Config,
    launch: Launch,
    vhost: Option<Vhost>,
    tables: Tables,
    database: Option<Database>,
}

/// Where the tables are.
#[derive(Debug)]
enum Tables {
    Schema(Schema),
    Folder(Folder),
}

impl Grounds {
    /// Decides where. Makes nothing yet, and asks no server.
    ///
    /// # Errors
    /// If the settings don't suffice, or name a place that may be in use.
    pub fn new(mut config: Config, stage: &Stage, launch: Launch) -> Result<Self, BenchError> {
        let (vhost, tables) = match stage {
            Stage::Dev => (None, Tables::Folder(Folder::for_dev())),
            Stage::Servers { vhost } => {
                let url = config.database.url.as_str();
                let tables = match url.split_once(':').map(|(scheme, _)| scheme) {
                    None if url.is_empty() => return Err(BenchError::NoDatabase),
                    Some("sqlite") => Tables::Folder(Folder::beside(url)),
                    Some(_) | None => Tables::Schema(Schema::new(url)),
                };
                (Some(Vhost::new(&config, vhost.as_deref())?), tables)
            }
        };
        config.broker.url = vhost.as_ref().map(|vhost| vhost.url().to_owned()).unwrap_or_default();
        Ok(Self { config, launch, vhost, tables, database: None })
    }

    /// Makes the queues and the tables.
    ///
    /// # Errors
    /// If a server can't be reached or refuses, or if somebody uses the virtual host. [`leave`](Self::leave) removes what was
    /// made until then.
    pub async fn enter(&mut self) -> Result<(), BenchError> {
        self.config.database.url = match &mut self.tables {
            Tables::Schema(schema) => schema.url(),
            Tables::Folder(folder) => folder.make()?,
        };
        let database = Database::connect(&self.config.to_database()).await?;
        let database = self.database.insert(database);
        if let Tables::Schema(schema) = &mut self.tables {
            schema.make(database).await?;
        }
        database.migrate().await?;
        match &mut self.vhost {
            Some(vhost) => vhost.enter().await,
            None => Ok(()),
        }
    }

    /// Removes all that was made. No runtime may be under test any more. May be called again.
    ///
    /// # Errors
    /// The first of what could not be removed; the rest is.
    pub async fn leave(&mut self) -> Result<(), BenchError> {
        let queues = match &mut self.vhost {
            Some(vhost) => vhost.leave().await,
            None => Ok(()),
        };
        if let Some(database) = self.database.take() {
            database.close().await;
        }
        let tables = match &mut self.tables {
            Tables::Schema(schema) => schema.remove().await,
            Tables::Folder(folder) => folder.remove(),
        };
        queues.and(tables)
    }

    /// Empties the queues and the tables, for the next measurement.
    pub(super) async fn clear(&self) -> Result<(), BenchError> {
        if let Some(vhost) = &self.vhost {
            vhost.purge().await?;
        }
        let database = self.database()?;
        let statements = match &self.tables {
            Tables::Schema(_) => vec![format!("TRUNCATE {}", TABLES.join(", "))],
            Tables::Folder(_) => TABLES.map(|table| format!("DELETE FROM {table}")).to_vec(),
        };
        for statement in statements {
            let cleared = database.connection().execute_unprepared(&statement).await;
            cleared.map_err(BenchError::sql("the tables of the measurement can't be emptied"))?;
        }
        Ok(())
    }

    /// The command that starts a runtime here: with the caller's settings, but for what this is about. Its log has to say when it
    /// is ready, and where its HTTP interface is. It ends when its stdin does.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.launch.binary);
        if let Some(settings) = &self.launch.settings {
            command.arg("--config").arg(settings);
        }
        match (&self.vhost, &self.tables) {
            (None, Tables::Folder(folder)) => command.arg("dev").arg("--data").arg(folder.path()),
            (Some(_), _) | (None, Tables::Schema(_)) => command.arg("run"),
        };
        let Log { filter, .. } = Log::default();
        command
            .arg("--stop-with-stdin")
            .env("WARREN_BROKER_URL", &self.config.broker.url)
            .env("WARREN_DATABASE_URL", &self.config.database.url)
            .env("WARREN_HTTP_ADDR", "127.0.0.1:0")
            .env("WARREN_LOG_FILTER", filter)
            .env("WARREN_LOG_FORMAT", "text")
            // With it, each call of a guest costs a backtrace: half of what a runtime can do.
            .env_remove("RUST_BACKTRACE");
        command
    }

    /// The settings that the runtime under test has.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The tables.
    ///
    /// # Errors
    /// If they are not made.
    pub fn database(&self) -> Result<&Database, BenchError> {
        self.database.as_ref().ok_or(BenchError::NotThere("database"))
    }

    /// A connection to RabbitMQ for a load.
    pub(super) async fn connect(&self) -> Result<Connection, BenchError> {
        match &self.vhost {
            Some(vhost) => vhost.connect().await,
            None => Err(BenchError::NotThere("RabbitMQ")),
        }
    }

    /// Whether the broker is in the process of the runtime.
    pub(super) fn is_dev(&self) -> bool {
        self.vhost.is_none()
    }

    /// Where RabbitMQ is; none where the broker is in the process.
    pub(super) fn broker(&self) -> Option<AMQPUri> {
        self.vhost.as_ref().map(Vhost::to_uri)
    }

    /// Whether RabbitMQ, and Postgres, are on this machine.
    pub(super) async fn neighbours(&self) -> (bool, bool) {
        let broker = match &self.vhost {
            Some(vhost) => vhost.is_here().await,
            None => false,
        };
        let database = match &self.tables {
            Tables::Schema(schema) => schema.is_here().await,
            Tables::Folder(_) => false,
        };
        (broker, database)
    }

    /// # Errors
    /// If there is no such component where the runtime will look for it.
    pub(super) async fn ensure_component(&self, name: &TaskName) -> Result<(), BenchError> {
        let url = &self.config.components.url;
        let there: Vec<_> = ComponentStore::open(url)?.list().await?.into_iter().map(|stored| stored.name).collect();
        if there.contains(name) {
            return Ok(());
        }
        let names: Vec<_> = there.iter().map(ToString::to_string).collect();
        let there = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        Err(BenchError::NoComponent { name: name.clone(), url: url.clone(), there })
    }
}

/// Whether one of the addresses of a host is this machine's own.
async fn is_this_machine(host: &str, port: u16) -> bool {
    match tokio::net::lookup_host((host, port)).await {
        Ok(mut addresses) => addresses.any(|address| address.ip().is_loopback()),
        Err(_) => false,
    }
}
