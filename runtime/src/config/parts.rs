//! From the settings to what each part takes.

use std::num::NonZeroU16;

use event_driven::{
    connection::AddressError,
    topology::{self, TopologySettings},
};

use super::{Config, QueueType};
use crate::{
    broker::{BrokerConfig, InProcessLimits},
    lifecycle::DatabaseConfig,
};

impl Config {
    /// What the connection to the database takes.
    pub fn to_database(&self) -> DatabaseConfig {
        DatabaseConfig {
            max_connections: self.database.max_connections,
            connect_timeout: self.database.connect_timeout,
            ..DatabaseConfig::new(self.database.url.clone())
        }
    }

    /// What the connection to RabbitMQ takes.
    ///
    /// # Errors
    /// If `broker.url` is no URL of AMQP's.
    pub fn to_broker(&self) -> Result<BrokerConfig, AddressError> {
        let defaults = BrokerConfig::new(self.broker.url.parse()?);
        Ok(BrokerConfig {
            prefetch: NonZeroU16::new(self.broker.prefetch).unwrap_or(defaults.prefetch),
            channels: NonZeroU16::new(self.broker.channels).unwrap_or(defaults.channels),
            connection_name: self.service.name.clone(),
            connect_timeout: self.broker.connect_timeout,
            topology: self.to_topology(),
            ..defaults
        })
    }

    /// What the broker in memory takes.
    pub fn to_in_process(&self) -> InProcessLimits {
        let defaults = InProcessLimits::default();
        InProcessLimits {
            prefetch: NonZeroU16::new(self.broker.prefetch).unwrap_or(defaults.prefetch),
            retries: self.retry.retries,
            retry_delay: self.retry.delay,
            ..defaults
        }
    }

    /// What is declared on RabbitMQ.
    pub fn to_topology(&self) -> TopologySettings {
        TopologySettings {
            durable_exchanges: self.topology.durable_exchanges,
            queue_type: match self.topology.queue_type {
                QueueType::Quorum => topology::QueueType::Quorum,
                QueueType::Classic => topology::QueueType::Classic,
            },
            retries: self.retry.retries,
            retry_delay: self.retry.delay,
        }
    }
}
