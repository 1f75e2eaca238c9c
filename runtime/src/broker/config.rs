//! What a broker needs to know, and why it can't start.

use std::{num::NonZeroU16, time::Duration};

use event_driven::{
    connection::Address,
    names,
    publisher::PublishError,
    topology::{TopologyError, TopologySettings},
};

/// How to use RabbitMQ.
#[derive(Debug, Clone)]
pub struct BrokerConfig {
    /// Where RabbitMQ is, and as whom.
    pub address: Address,
    /// Most tasks delivered and not settled, over all channels. Events have the same number of their own.
    pub prefetch: NonZeroU16,
    /// Channels that consume tasks and share the prefetch; not more than the prefetch. A slow task can hold back acks of
    /// its own channel only.
    pub channels: NonZeroU16,
    /// Shown in RabbitMQ's management.
    pub connection_name: String,
    /// How long connecting, and declaring the topology, may take.
    pub connect_timeout: Duration,
    /// What is declared.
    pub topology: TopologySettings,
}

impl BrokerConfig {
    /// The defaults, for a server.
    pub fn new(address: Address) -> Self {
        Self {
            address,
            prefetch: const { NonZeroU16::new(256).expect("not 0") },
            channels: const { NonZeroU16::new(4).expect("not 0") },
            connection_name: "warren".to_owned(),
            connect_timeout: Duration::from_secs(5),
            topology: TopologySettings::default(),
        }
    }
}

/// Why there is no broker.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ConnectError {
    /// RabbitMQ can't be reached or refuses us.
    #[error(transparent)]
    Connection(#[from] event_driven::connection::ConnectError),
    /// What is needed can't be declared, or exists and can't be used.
    #[error(transparent)]
    Topology(#[from] TopologyError),
    /// RabbitMQ accepted the connection and then did not answer.
    #[error("RabbitMQ at {address} accepted the connection but did not declare the topology within {}s", timeout.as_secs_f32())]
    Stuck {
        /// Where, without the password.
        address: String,
        /// How long was waited.
        timeout: Duration,
    },
    /// RabbitMQ went away again while it was asked to declare the topology.
    #[error("the connection to RabbitMQ at {address} was lost while the topology was declared")]
    Lost {
        /// Where, without the password.
        address: String,
    },
    /// No channels to publish on.
    #[error("no channel to publish on: {0}")]
    Publisher(#[from] PublishError),
}

/// The bounds of the broker in memory.
#[derive(Debug, Clone)]
pub struct InProcessLimits {
    /// Most tasks delivered and not settled; events have the same number of their own.
    pub prefetch: NonZeroU16,
    /// Most messages in each queue, those that wait for a retry included; further ones are refused.
    pub queue: usize,
    /// Dead letters kept; the oldest goes first.
    pub dead_letters: usize,
    /// As [`TopologySettings::retries`].
    pub retries: u32,
    /// As [`TopologySettings::retry_delay`].
    pub retry_delay: Duration,
}

impl Default for InProcessLimits {
    fn default() -> Self {
        Self {
            prefetch: const { NonZeroU16::new(256).expect("not 0") },
            queue: 100_000,
            dead_letters: 10_000,
            retries: names::RETRIES,
            retry_delay: names::RETRY_DELAY,
        }
    }
}
