//! What a client needs to know, and why it can't start.

use std::time::Duration;

use crate::{
    connection::{Address, ConnectError},
    names::{Service, WordError},
    publisher::{PublishError, PublisherSettings},
    subscriber::SubscriberSettings,
    topology::{TopologyError, TopologySettings},
};

/// How a service uses RabbitMQ.
#[derive(Debug, Clone)]
pub struct ClientSettings {
    /// Where RabbitMQ is, and as whom.
    pub address: Address,
    /// The service: it stands in the names of its queues, in what it publishes, and in RabbitMQ's management.
    pub service: Service,
    /// How long connecting, and declaring the topology, may take.
    pub connect_timeout: Duration,
    /// How queues are declared, and how often and when a message is tried again.
    pub topology: TopologySettings,
    /// How messages go out.
    pub publisher: PublisherSettings,
    /// How the queues of the service are consumed.
    pub subscriber: SubscriberSettings,
}

impl ClientSettings {
    /// The defaults, for a service at a server.
    pub fn new(service: Service, address: Address) -> Self {
        Self {
            address,
            service,
            connect_timeout: Duration::from_secs(5),
            topology: TopologySettings::default(),
            publisher: PublisherSettings::default(),
            subscriber: SubscriberSettings::default(),
        }
    }
}

/// Why a service can't start to use RabbitMQ.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StartError {
    /// RabbitMQ can't be reached or refuses us.
    #[error(transparent)]
    Connection(#[from] ConnectError),
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
    #[error("there is no connection to RabbitMQ at {address}, or it was lost while the topology was declared")]
    Lost {
        /// Where, without the password.
        address: String,
    },
    /// A name of what is to be served is none.
    #[error(transparent)]
    Name(#[from] WordError),
    /// The queue has a handler on this client already: each would get half of its messages.
    #[error("queue {queue} has a handler on this client already; stop that first, or do both in one handler")]
    Handled {
        /// The queue.
        queue: String,
    },
    /// The client was told to stop consuming.
    #[error("the client has stopped consuming")]
    Stopped,
    /// No channels to publish on.
    #[error("no channel to publish on: {0}")]
    Publisher(#[from] PublishError),
}

impl StartError {
    /// Whether RabbitMQ may merely not be there yet, so that the same may succeed a little later.
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Connection(error) => error.is_outage(),
            Self::Topology(TopologyError::Connection(_)) | Self::Stuck { .. } | Self::Lost { .. } => true,
            Self::Publisher(error) => error.may_pass(),
            Self::Topology(_) | Self::Name(_) | Self::Handled { .. } | Self::Stopped => false,
        }
    }
}
