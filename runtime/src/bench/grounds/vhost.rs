//! A virtual host of RabbitMQ, with the queues of a warren in it for as long as a measurement takes.
//!
//! AMQP can't make one; an operator does. It is taken if it has no queues of a warren. An exchange marks those that a measurement
//! has made: where it is, they were left behind by one that was killed, and are removed. An exclusive queue, which goes with its
//! connection, tells that a measurement is under way.

mod inside;

use std::time::Duration;

use event_driven::{
    connection::{ConnectError, ConnectionSettings, connect, lost},
    lapin::{Connection, options::QueuePurgeOptions, uri::AMQPUri},
    topology::{self, Declaration},
};
use tokio::time::timeout;
use url::Url;

use self::inside::{delete, exchange_of, is_marked, lock, mark, unmark};
use super::{super::BenchError, DEFAULT_VHOST, is_this_machine};
use crate::{
    broker::{Depth, Depths},
    config::Config,
};

/// How long RabbitMQ may take to declare or to delete the queues.
const PATIENCE: Duration = Duration::from_secs(60);

/// A virtual host that is a measurement's for a while.
#[derive(Debug)]
pub(super) struct Vhost {
    url: String,
    settings: ConnectionSettings,
    plan: Vec<Declaration>,
    /// The connection with the lock.
    connection: Option<Connection>,
    /// Whether what is in it is a measurement's.
    is_ours: bool,
}

impl Vhost {
    /// The one of that name, at the server of the settings.
    pub(super) fn new(config: &Config, name: Option<&str>) -> Result<Self, BenchError> {
        let settings = config.to_connection("bench")?;
        let named = name.unwrap_or(DEFAULT_VHOST);
        if name.is_none() && settings.address.vhost() == named {
            return Err(BenchError::SameVhost { name: named.to_owned() });
        }
        let url = at(&config.broker.url, named);
        let address = url.parse()?;
        let plan = topology::plan(&config.to_topology());
        let settings = ConnectionSettings { address, ..settings };
        Ok(Self { url, settings, plan, connection: None, is_ours: false })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn to_uri(&self) -> AMQPUri {
        self.settings.address.to_uri()
    }

    /// Whether the server is on this machine.
    pub(super) async fn is_here(&self) -> bool {
        let uri = self.to_uri();
        is_this_machine(&uri.authority.host, uri.authority.port).await
    }

    /// Makes the queues.
    pub(super) async fn enter(&mut self) -> Result<(), BenchError> {
        let connection = connect(&self.settings).await.map_err(|error| self.explained(error))?;
        let is_marked = answered("looking at the virtual host", &connection, is_marked(&connection)).await?;
        let queues: Vec<_> = self.queues().collect();
        let found = Depths::connect(&self.settings).await?.read(&queues).await?;
        if let Some(found) = in_use(&found, is_marked) {
            return Err(BenchError::VhostInUse { name: self.settings.address.vhost().to_owned(), found });
        }
        if !is_marked {
            let found =
                answered("looking at the virtual host", &connection, exchange_of(&connection, &self.plan)).await?;
            if let Some(exchange) = found {
                let found = format!("it has the exchange {exchange}, by which services may publish and subscribe");
                return Err(BenchError::VhostInUse { name: self.settings.address.vhost().to_owned(), found });
            }
        }
        let connection = self.connection.insert(connection);
        let locked = answered("locking the virtual host", connection, lock(connection)).await;
        locked.map_err(|error| match error {
            BenchError::Broker { .. } => BenchError::VhostInUse {
                name: self.settings.address.vhost().to_owned(),
                found: "another measurement is under way".to_owned(),
            },
            error => error,
        })?;
        self.is_ours = true;
        let plan = &self.plan;
        let make = async {
            delete(connection, plan).await?;
            mark(connection).await?;
            topology::apply(connection, plan).await?;
            Ok(())
        };
        answered("declaring the queues", connection, make).await
    }

    /// Empties the queues.
    pub(super) async fn purge(&self) -> Result<(), BenchError> {
        let Some(connection) = &self.connection else { return Ok(()) };
        let failed = BenchError::broker("the queues can't be emptied");
        let purge = async {
            let channel = connection.create_channel().await.map_err(&failed)?;
            for queue in self.queues() {
                channel.queue_purge(queue.into(), QueuePurgeOptions::default()).await.map_err(&failed)?;
            }
            channel.close(200, "purged".into()).await.map_err(&failed)
        };
        answered("emptying the queues", connection, purge).await
    }

    /// Deletes the queues and the exchanges.
    pub(super) async fn leave(&mut self) -> Result<(), BenchError> {
        let held = self.connection.take();
        if !self.is_ours {
            return Ok(());
        }
        let connection = match held.filter(|connection| connection.status().connected()) {
            Some(connection) => connection,
            None => connect(&self.settings).await?,
        };
        let remove = async {
            delete(&connection, &self.plan).await?;
            unmark(&connection).await
        };
        answered("deleting the queues", &connection, remove).await?;
        self.is_ours = false;
        // All that was asked for is answered; channels that are closing by themselves may stand against it.
        let _ = connection.close(200, "done".into()).await;
        Ok(())
    }

    /// A connection for a load.
    pub(super) async fn connect(&self) -> Result<Connection, BenchError> {
        Ok(connect(&self.settings).await?)
    }

    fn queues(&self) -> impl Iterator<Item = String> {
        self.plan.iter().filter_map(|declaration| match declaration {
            Declaration::Queue(queue) => Some(queue.name.clone()),
            Declaration::Exchange(_) | Declaration::Binding { .. } => None,
        })
    }

    /// With what an operator has to do.
    fn explained(&self, error: ConnectError) -> BenchError {
        match error {
            ConnectError::Vhost { address, vhost: name, user, reason } => {
                let (vhost, allowed) = (quoted(&name), quoted(&user));
                let commands = format!(
                    "rabbitmqctl add_vhost {vhost}\n  rabbitmqctl set_permissions --vhost {vhost} {allowed} '.*' '.*' '.*'"
                );
                let delete = format!("rabbitmqctl delete_vhost {vhost}");
                let refusal =
                    format!("RabbitMQ at {address} has no virtual host {name:?} for the user {user:?} ({reason})");
                BenchError::NoVhost { refusal, commands, delete }
            }
            error => error.into(),
        }
    }
}

/// The same server with another virtual host. A URL that is none is told by who parses it.
fn at(server: &str, vhost: &str) -> String {
    let Ok(mut url) = Url::parse(server) else { return server.to_owned() };
    if let Ok(mut path) = url.path_segments_mut() {
        path.clear().push(vhost);
    }
    url.into()
}

/// By what somebody's use of it can be told.
fn in_use(found: &[Depth], is_marked: bool) -> Option<String> {
    let there = || found.iter().filter(|depth| depth.messages.is_some());
    let consumed = there().find(|depth| depth.consumers > 0);
    if let Some(Depth { queue, consumers, .. }) = consumed {
        return Some(format!("the queue {queue} has {consumers} consumers"));
    }
    // Without messages, too: it may be a warren's that is not running.
    let fullest = there().max_by_key(|depth| depth.messages).filter(|_| !is_marked);
    fullest.map(|Depth { queue, messages, .. }| {
        format!("it has the queue {queue} with {} messages", messages.unwrap_or_default())
    })
}

/// lapin may never answer over a connection that dies.
async fn answered<T>(
    what: &'static str,
    connection: &Connection,
    work: impl Future<Output = Result<T, BenchError>>,
) -> Result<T, BenchError> {
    let silent = BenchError::Silent { what, patience: PATIENCE };
    tokio::select! {
        answer = timeout(PATIENCE, work) => answer.unwrap_or(Err(silent)),
        () = lost(connection) => Err(BenchError::Lost { what }),
    }
}

/// As a shell takes it.
fn quoted(name: &str) -> String {
    match name.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c)) {
        true => name.to_owned(),
        false => format!("'{}'", name.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn depth(queue: &str, messages: Option<u32>, consumers: u32) -> Depth {
        Depth { queue: queue.to_owned(), messages, consumers }
    }

    #[test]
    fn what_somebody_may_need_is_in_use() {
        let cases = [
            (vec![depth("tasks", None, 0)], false, None),
            (vec![depth("tasks", Some(0), 0)], false, Some("it has the queue tasks with 0 messages")),
            (
                vec![depth("a", Some(0), 0), depth("tasks", Some(7), 0)],
                false,
                Some("it has the queue tasks with 7 messages"),
            ),
            (vec![depth("tasks", Some(7), 0)], true, None),
            (vec![depth("tasks", Some(7), 2)], true, Some("the queue tasks has 2 consumers")),
        ];
        for (found, is_marked, expected) in cases {
            assert_eq!(in_use(&found, is_marked).as_deref(), expected, "{found:?}");
        }
    }

    #[test]
    fn the_server_stays_and_the_virtual_host_changes() {
        for (server, vhost, expected) in [
            ("amqp://u:p@h:1/a?heartbeat=5", "b c", "amqp://u:p@h:1/b%20c?heartbeat=5"),
            ("amqps://h", "/", "amqps://h/%2F"),
            ("no url", "b", "no url"),
        ] {
            assert_eq!(at(server, vhost), expected);
        }
        let config = |url: &str| {
            let mut config = Config::default();
            config.broker.url = url.to_owned();
            config
        };
        let refused = Vhost::new(&config("amqp://h/warren-bench"), None).unwrap_err();
        assert!(refused.to_string().contains("--vhost warren-bench"), "{refused}");
        assert_eq!(Vhost::new(&config("amqp://h/x"), Some("x")).unwrap().url(), "amqp://h/x");
        assert_eq!((quoted("a-b"), quoted("it's")), ("a-b".to_owned(), r"'it'\''s'".to_owned()));
    }
}
