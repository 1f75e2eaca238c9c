//! What a broker needs to know.

use std::{num::NonZeroU16, time::Duration};

use event_driven::{client::ClientSettings, names};

/// So many times as many events as tasks may be held. Twice is 8 % faster, three times 16 %, four times no more (`warren bench --only
/// events`, medians of three rounds).
pub const MOST_EVENTS: NonZeroU16 = const { NonZeroU16::new(3).expect("not 0") };

/// How to use RabbitMQ.
#[derive(Debug, Clone)]
pub struct BrokerConfig {
    /// The connection, and what is declared.
    pub client: ClientSettings,
    /// Most tasks delivered and not settled, over all channels. Events begin with the same number of their own, and may have
    /// [`MOST_EVENTS`] times as many.
    pub prefetch: NonZeroU16,
    /// Channels that consume tasks and share the prefetch; not more than the prefetch. A slow task can hold back acks of
    /// its own channel only.
    pub channels: NonZeroU16,
}

impl BrokerConfig {
    /// The defaults, for a server.
    pub fn new(client: ClientSettings) -> Self {
        Self {
            client,
            prefetch: const { NonZeroU16::new(256).expect("not 0") },
            channels: const { NonZeroU16::new(4).expect("not 0") },
        }
    }
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
    /// As [`retries`](event_driven::topology::TopologySettings::retries) of RabbitMQ.
    pub retries: u32,
    /// As [`retry_delay`](event_driven::topology::TopologySettings::retry_delay) of RabbitMQ.
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
