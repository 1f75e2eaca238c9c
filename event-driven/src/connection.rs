//! Connects to RabbitMQ: within a time limit, and with errors that say what to do.
//!
//! No error and no `Debug` here shows a password. Between the socket and lapin sits a filter: a few bytes that any
//! publisher may send (a header that nests 500 deep, a property that is no UTF-8) would end the process or the connection
//! in lapin's parser, and would be delivered again after that.

mod address;
mod filter;
mod frame;
mod kit;

use std::time::Duration;

use lapin::{Connection, ConnectionProperties, ErrorKind, protocol::AMQPErrorKind};

pub use address::{Address, AddressError};

/// How to connect.
#[derive(Debug, Clone)]
pub struct ConnectionSettings {
    /// Where, and as whom.
    pub address: Address,
    /// Shown in RabbitMQ's management.
    pub name: String,
    /// How long connecting may take, handshake included.
    pub timeout: Duration,
}

/// Why no connection was made.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ConnectError {
    /// The URL is none of AMQP's.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// There is no such host, or nothing listens there, or the network is down.
    #[error("no connection to RabbitMQ at {address}: {reason}; check the host and the port, and that RabbitMQ runs")]
    Unreachable {
        /// Where, without the password.
        address: String,
        /// What the system says.
        reason: String,
    },
    /// The other side did not answer in time.
    #[error(
        "no answer from RabbitMQ at {address} within {}s; check that the port is AMQP's (5672, or 5671 for amqps) and that \
         no firewall drops it", timeout.as_secs_f32()
    )]
    Timeout {
        /// Where, without the password.
        address: String,
        /// How long was waited.
        timeout: Duration,
    },
    /// What answers does not speak AMQP 0-9-1.
    #[error("what listens at {address} does not speak AMQP 0-9-1 ({reason}); check the port (5672, or 5671 for amqps)")]
    NotAmqp {
        /// Where, without the password.
        address: String,
        /// What it did instead.
        reason: String,
    },
    /// What answers closed the connection before it had said anything: a proxy or a container's port whose server is not
    /// there yet, or something that is no RabbitMQ.
    #[error(
        "what listens at {address} does not speak AMQP 0-9-1 (it closed the connection during the handshake); check the port \
         (5672, or 5671 for amqps)"
    )]
    HungUp {
        /// Where, without the password.
        address: String,
    },
    /// The user or the password is wrong.
    #[error(
        "RabbitMQ at {address} refuses the user {user:?} or its password; check both, and that `rabbitmqctl list_users` \
         knows the user (guest may connect from the same machine only)"
    )]
    Credentials {
        /// Where, without the password.
        address: String,
        /// As whom.
        user: String,
    },
    /// The virtual host does not exist, or the user may not use it.
    #[error(
        "RabbitMQ at {address} has no virtual host {vhost:?} for the user {user:?} ({reason}); make it with `rabbitmqctl \
         add_vhost` and allow it with `rabbitmqctl set_permissions`"
    )]
    Vhost {
        /// Where, without the password.
        address: String,
        /// The virtual host.
        vhost: String,
        /// As whom.
        user: String,
        /// RabbitMQ's words.
        reason: String,
    },
    /// Something else, as lapin tells it.
    #[error("no connection to RabbitMQ at {address}: {reason}")]
    Other {
        /// Where, without the password.
        address: String,
        /// What was said.
        reason: String,
    },
}

impl ConnectError {
    /// Whether trying again may help. A wrong URL stays wrong.
    pub fn may_pass(&self) -> bool {
        !matches!(self, Self::Address(_))
    }

    /// Whether RabbitMQ may merely not be there yet. What was refused is refused again until somebody changes something.
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Timeout { .. } | Self::HungUp { .. } | Self::Other { .. } => true,
            Self::Address(_) | Self::NotAmqp { .. } | Self::Credentials { .. } | Self::Vhost { .. } => false,
        }
    }
}

/// Connects once. Does not try again by itself, and what is lost later is not connected again.
///
/// # Errors
/// Within [`ConnectionSettings::timeout`], with what is wrong and what to do.
pub async fn connect(settings: &ConnectionSettings) -> Result<Connection, ConnectError> {
    let properties = ConnectionProperties::default().with_connection_name(settings.name.as_str().into());
    let connecting = kit::connect(settings.address.to_uri(), properties);
    match tokio::time::timeout(settings.timeout, connecting).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(error)) => Err(explain(&settings.address, &error)),
        Err(_) => Err(ConnectError::Timeout { address: settings.address.to_string(), timeout: settings.timeout }),
    }
}

/// How often a connection is looked at.
const LOOK: Duration = Duration::from_millis(250);

/// Waits until the connection is gone. To be raced with whatever else waits for an answer over it: when a connection dies
/// at the wrong moment, lapin never resolves some of its futures.
pub async fn lost(connection: &Connection) {
    while connection.status().connected() {
        tokio::time::sleep(LOOK).await;
    }
}

/// Waits until RabbitMQ takes messages, which it does unless it is short of memory or disk. What is sent meanwhile piles up in
/// lapin, which writes nothing.
pub(crate) async fn unblocked(connection: &Connection) {
    while connection.status().blocked() {
        tokio::time::sleep(LOOK).await;
    }
}

fn explain(at: &Address, error: &lapin::Error) -> ConnectError {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionReset, UnexpectedEof};
    let address = at.to_string();
    let not_amqp = |reason: String| ConnectError::NotAmqp { address: address.clone(), reason };
    match error.kind() {
        ErrorKind::IOError(io) if matches!(io.kind(), ConnectionAborted | ConnectionReset | UnexpectedEof) => {
            ConnectError::HungUp { address }
        }
        ErrorKind::IOError(io) => ConnectError::Unreachable { address, reason: io.to_string() },
        ErrorKind::ParsingError(_) => not_amqp("it answers something else".to_owned()),
        ErrorKind::InvalidProtocolVersion(version) => not_amqp(format!("it speaks AMQP {version}")),
        ErrorKind::ProtocolError(refusal) => {
            let reason = refusal.get_message().to_string();
            match refusal.kind() {
                AMQPErrorKind::Soft(_) if refusal.get_id() == ACCESS_REFUSED => {
                    ConnectError::Credentials { address, user: at.user().to_owned() }
                }
                AMQPErrorKind::Hard(_) if matches!(refusal.get_id(), NOT_ALLOWED | INVALID_PATH) => {
                    ConnectError::Vhost { address, vhost: at.vhost().to_owned(), user: at.user().to_owned(), reason }
                }
                AMQPErrorKind::Soft(_) | AMQPErrorKind::Hard(_) => ConnectError::Other { address, reason },
            }
        }
        _ => ConnectError::Other { address, reason: error.to_string() },
    }
}

/// Reply codes of AMQP 0-9-1.
const ACCESS_REFUSED: u16 = 403;
const INVALID_PATH: u16 = 402;
const NOT_ALLOWED: u16 = 530;
