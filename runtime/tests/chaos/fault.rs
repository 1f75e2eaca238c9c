//! What is done to the runtimes and their servers.

use std::{fmt, thread, time::Duration};

use chrono::{DateTime, Utc};

use crate::{dice::Dice, executions::ProcessId, field::Field, proxy::Proxy, runtime::Runtime};

/// Graces that a runtime is started with: one that cuts off what runs, one that lets everything end.
pub(crate) const GRACES: [(&str, Duration); 2] =
    [("100ms", Duration::from_millis(100)), ("30s", Duration::from_secs(30))];

/// One of the two servers, as one runtime reaches it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Server {
    Broker,
    Database,
}

/// A fault. Those of one runtime have its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// `kill -9`, and started again.
    Kill(usize),
    /// SIGTERM, and started again.
    Stop(usize),
    /// Its threads stand still for some seconds.
    Freeze(usize),
    /// RabbitMQ is killed by `kill -9` and started again.
    KillBroker,
    /// Postgres is stopped at once and started again.
    RestartDatabase,
    /// The same with some seconds between.
    StopDatabase,
    /// RabbitMQ closes all connections.
    CloseConnections,
    /// RabbitMQ closes the channels on which something is unsettled for longer than its consumer timeout.
    CloseSlowChannels,
    /// RabbitMQ is short of memory for some seconds, and takes no messages.
    BlockPublishing,
    /// Postgres ends all sessions.
    EndSessions,
    /// The links of a runtime to a server are cut.
    Cut(usize, Server),
    /// Nothing goes through them for some seconds.
    Stall(usize, Server),
    /// They are cut, and new ones refused for some seconds.
    Refuse(usize, Server),
}

/// A fault that is over.
pub(crate) struct Ended {
    pub(crate) at: DateTime<Utc>,
    /// The processes that have to go on with their work by themselves.
    pub(crate) hit: Vec<ProcessId>,
}

impl Fault {
    /// Each kind once, in an order and with a victim that the dice choose.
    pub(crate) fn deck(dice: &mut Dice) -> Vec<Self> {
        use Server::{Broker, Database};
        let mut victim = || usize::from(dice.chance(50));
        let mut deck = vec![
            Self::Kill(victim()),
            Self::Stop(victim()),
            Self::Freeze(victim()),
            Self::KillBroker,
            Self::RestartDatabase,
            Self::StopDatabase,
            Self::CloseConnections,
            Self::CloseSlowChannels,
            Self::BlockPublishing,
            Self::EndSessions,
            Self::Cut(victim(), Broker),
            Self::Cut(victim(), Database),
            Self::Stall(victim(), Broker),
            Self::Stall(victim(), Database),
            Self::Refuse(victim(), Broker),
            Self::Refuse(victim(), Database),
        ];
        dice.shuffle(&mut deck);
        deck
    }

    /// Its kind, whoever it hits.
    pub(crate) fn kind(self) -> String {
        match self {
            Self::Kill(_) => "kill -9 of a runtime".to_owned(),
            Self::Stop(_) => "SIGTERM to a runtime".to_owned(),
            Self::Freeze(_) => "a runtime stands still".to_owned(),
            Self::KillBroker => "kill -9 of RabbitMQ".to_owned(),
            Self::RestartDatabase => "Postgres restarts".to_owned(),
            Self::StopDatabase => "Postgres is away".to_owned(),
            Self::CloseConnections => "RabbitMQ closes connections".to_owned(),
            Self::CloseSlowChannels => "RabbitMQ closes slow channels".to_owned(),
            Self::BlockPublishing => "RabbitMQ is short of memory".to_owned(),
            Self::EndSessions => "Postgres ends sessions".to_owned(),
            Self::Cut(_, server) => format!("links to {server} cut"),
            Self::Stall(_, server) => format!("links to {server} stalled"),
            Self::Refuse(_, server) => format!("links to {server} refused"),
        }
    }

    fn victim(self) -> Option<usize> {
        match self {
            Self::Kill(number) | Self::Stop(number) | Self::Freeze(number) => Some(number),
            Self::Cut(number, _) | Self::Stall(number, _) | Self::Refuse(number, _) => Some(number),
            Self::KillBroker | Self::RestartDatabase | Self::StopDatabase => None,
            Self::CloseConnections | Self::EndSessions => None,
            Self::CloseSlowChannels | Self::BlockPublishing => None,
        }
    }

    /// Does it, and returns when it is over. Blocks.
    pub(crate) fn apply(self, field: &Field, dice: &mut Dice) -> Ended {
        let at = match self {
            Self::Kill(number) => {
                let mut runtime = field.runtime(number);
                runtime.kill();
                start_again(&mut runtime, dice)
            }
            Self::Stop(number) => {
                let mut runtime = field.runtime(number);
                runtime.stop(GRACES[1].1);
                start_again(&mut runtime, dice)
            }
            Self::Freeze(number) => {
                let runtime = field.runtime(number);
                runtime.signal("STOP");
                pause(dice);
                runtime.signal("CONT");
                Utc::now()
            }
            Self::KillBroker => {
                let mut rabbitmq = field.rabbitmq();
                rabbitmq.kill();
                rabbitmq.start_again();
                let listens = Utc::now();
                rabbitmq.elect_leaders();
                listens
            }
            Self::RestartDatabase | Self::StopDatabase => {
                let mut postgres = field.postgres();
                postgres.stop_at_once();
                if self == Self::StopDatabase {
                    pause(dice);
                }
                postgres.start_again();
                Utc::now()
            }
            Self::CloseConnections => field.rabbitmq().close_connections(),
            Self::CloseSlowChannels => field.rabbitmq().close_slow_channels(),
            Self::BlockPublishing => {
                let rabbitmq = field.rabbitmq();
                rabbitmq.short_of_memory(true);
                pause(dice);
                rabbitmq.short_of_memory(false)
            }
            Self::EndSessions => {
                field.postgres().end_sessions();
                Utc::now()
            }
            Self::Cut(number, server) => {
                link(&field.runtime(number), server).cut();
                Utc::now()
            }
            Self::Stall(number, server) => interrupted(&field.runtime(number), server, Proxy::stall, dice),
            Self::Refuse(number, server) => interrupted(&field.runtime(number), server, Proxy::refuse, dice),
        };
        let hit = match self.victim() {
            Some(number) => vec![number],
            None => (0..field.runtimes()).collect(),
        };
        Ended { at, hit: hit.into_iter().filter_map(|number| field.runtime(number).process()).collect() }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Broker => "RabbitMQ",
            Self::Database => "Postgres",
        })
    }
}

/// The end of the fault is the moment at which the new process is started; whether it comes up is its own affair.
fn start_again(runtime: &mut Runtime, dice: &mut Dice) -> DateTime<Utc> {
    let grace = if dice.chance(50) { GRACES[0] } else { GRACES[1] };
    let at = Utc::now();
    runtime.start(grace.0);
    at
}

fn interrupted(runtime: &Runtime, server: Server, begin: impl Fn(&Proxy), dice: &mut Dice) -> DateTime<Utc> {
    let proxy = link(runtime, server);
    begin(proxy);
    pause(dice);
    proxy.resume();
    Utc::now()
}

fn link(runtime: &Runtime, server: Server) -> &Proxy {
    match server {
        Server::Broker => &runtime.broker,
        Server::Database => &runtime.database,
    }
}

/// Some seconds: the length of a fault, not a wait for something.
fn pause(dice: &mut Dice) {
    thread::sleep(Duration::from_millis(dice.between(1000, 4000)));
}
