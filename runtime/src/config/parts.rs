//! From the settings to what each part takes.

use std::num::NonZeroU16;

use event_driven::{
    client::ClientSettings,
    connection::{Address, AddressError, ConnectionSettings},
    names::{Service, WordError},
    topology::{self, TopologySettings},
};

use super::{Config, QueueType};
use crate::{
    broker::{BrokerConfig, InProcessLimits},
    components::{CompileLimits, Signers},
    lifecycle::DatabaseConfig,
    manifest::Bounds,
};

impl Config {
    /// What the connection to the database takes.
    pub fn to_database(&self) -> DatabaseConfig {
        DatabaseConfig {
            max_connections: self.database.max_connections,
            connect_timeout: self.database.connect_timeout,
            lease: self.service.lease,
            statement_timeout: self.database.statement_timeout,
            ..DatabaseConfig::new(self.database.url.clone())
        }
    }

    /// What the connection to RabbitMQ takes.
    ///
    /// # Errors
    /// If `broker.url` is no URL of AMQP's, or `service.name` can't stand in the name of a queue.
    pub fn to_broker(&self) -> Result<BrokerConfig, BrokerConfigError> {
        let defaults = BrokerConfig::new(self.to_client()?);
        Ok(BrokerConfig {
            prefetch: NonZeroU16::new(self.broker.prefetch).unwrap_or(defaults.prefetch),
            channels: NonZeroU16::new(self.broker.channels).unwrap_or(defaults.channels),
            ..defaults
        })
    }

    /// What any client of RabbitMQ takes.
    ///
    /// # Errors
    /// As [`to_broker`](Self::to_broker).
    pub fn to_client(&self) -> Result<ClientSettings, BrokerConfigError> {
        let address: Address = self.broker.url.parse()?;
        Ok(ClientSettings {
            connect_timeout: self.broker.connect_timeout,
            topology: self.to_topology(),
            ..ClientSettings::new(Service::new(&self.service.name)?, address)
        })
    }

    /// A connection to RabbitMQ apart from the service's, for `what`.
    ///
    /// # Errors
    /// If `broker.url` is no URL of AMQP's.
    pub fn to_connection(&self, what: &str) -> Result<ConnectionSettings, AddressError> {
        Ok(ConnectionSettings {
            address: self.broker.url.parse()?,
            name: format!("{} {what}", self.service.name),
            timeout: self.broker.connect_timeout,
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

    /// What manifests are held against.
    pub fn to_bounds(&self) -> Bounds {
        Bounds {
            defaults: self.limits.clone(),
            ceiling: self.ceiling.clone(),
            allow: self.allow.clone(),
            retries: self.retry.retries,
        }
    }

    /// What bounds compilations.
    pub fn to_compile_limits(&self) -> CompileLimits {
        let components = &self.components;
        CompileLimits {
            max_size: components.max_size,
            time: components.compile_time,
            memory: components.compile_memory,
            max_code: components.memory,
            concurrency: components.compile_concurrency,
        }
    }

    /// Whose signatures count.
    pub fn to_signers(&self) -> Signers {
        Signers::new(self.components.require_signatures.clone())
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
            queue_ttl: self.topology.queue_ttl,
            queue_max_messages: self.topology.queue_max_messages,
            queue_max_bytes: self.topology.queue_max_bytes.as_u64(),
            task_keys: self.topology.task_keys.clone(),
        }
    }
}

/// Why the settings can't be used to reach RabbitMQ.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BrokerConfigError {
    /// `broker.url` is none.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// `service.name` is no name of a service.
    #[error(transparent)]
    Service(#[from] WordError),
}
