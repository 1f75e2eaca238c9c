//! What the types of the settings can't say: ranges, and relations between settings.

use std::time::Duration;

use event_driven::names::Service;

use super::Config;

/// RabbitMQ closes the channel of a consumer that holds a delivery for longer than this (`consumer_timeout`, 30 minutes
/// by default), and gives the delivery to another one: a longer task would be executed again and again.
const CONSUMER_TIMEOUT: Duration = Duration::from_secs(30 * 60);

/// Each retry has a queue of its own, and the delay doubles with each: the 20th of 3 s is over 18 days.
const MAX_RETRIES: u32 = 20;

/// Source: AMQP 0-9-1, type shortstr.
const MAX_ROUTING_KEY: usize = 255;

/// The memory of a 32-bit guest can't be larger.
const MAX_MEMORY: u64 = 4 << 30;

impl Config {
    /// Everything that is wrong with these settings, a sentence each.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut require = |holds: bool, problem: String| {
            if !holds {
                problems.push(problem);
            }
        };
        let Self { service, broker, topology, database, components, sandbox, retry, .. } = self;
        if let Err(error) = Service::new(&service.name) {
            require(false, format!("service.name: {error}"));
        }
        require(broker.channels >= 1, "broker.channels is 0, it takes at least 1".into());
        require(
            broker.prefetch >= broker.channels,
            format!(
                "broker.prefetch is {}, it takes at least one for each of {} channels (broker.channels)",
                broker.prefetch, broker.channels
            ),
        );
        if let Some(key) = topology.task_keys.iter().find(|key| key.len() > MAX_ROUTING_KEY) {
            require(
                false,
                format!("topology.task_keys has a key of {} bytes, AMQP allows {MAX_ROUTING_KEY}", key.len()),
            );
        }
        require(database.max_connections >= 2, "database.max_connections is below 2: one writes, one reads".into());
        require(!components.url.is_empty(), "components.url is empty, it takes a directory".into());
        require(components.scan >= Duration::from_millis(10), "components.scan is below 10ms".into());
        require(
            (1..=10_000).contains(&sandbox.concurrency),
            format!("sandbox.concurrency is {}, it goes from 1 to 10,000", sandbox.concurrency),
        );
        require(!sandbox.timeout.is_zero(), "sandbox.timeout is 0".into());
        require(
            sandbox.timeout < CONSUMER_TIMEOUT,
            format!(
                "sandbox.timeout is {}, it has to be below 30min: RabbitMQ takes a delivery back from a consumer that holds it longer (consumer_timeout)",
                humantime::format_duration(sandbox.timeout)
            ),
        );
        let rounds = u32::from(broker.prefetch).div_ceil(sandbox.concurrency.max(1));
        require(
            rounds == 1 || sandbox.timeout.saturating_mul(rounds) < CONSUMER_TIMEOUT,
            format!(
                "sandbox.timeout is {}, and with broker.prefetch {} and sandbox.concurrency {} a delivery may wait for {rounds} \
                 such rounds: together they have to be below 30min, or RabbitMQ takes it back (consumer_timeout); lower \
                 broker.prefetch",
                humantime::format_duration(sandbox.timeout),
                broker.prefetch,
                sandbox.concurrency
            ),
        );
        require(
            sandbox.memory.as_u64() <= MAX_MEMORY,
            format!("sandbox.memory is {}, a guest can have 4 GiB at most", sandbox.memory),
        );
        require(
            retry.retries <= MAX_RETRIES,
            format!("retry.retries is {}, it goes from 0 to {MAX_RETRIES}", retry.retries),
        );
        require(!retry.delay.is_zero(), "retry.delay is 0".into());
        problems
    }
}
