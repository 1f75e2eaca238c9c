//! What the types of the settings can't say: ranges, and relations between settings.

use std::time::Duration;

use bytesize::ByteSize;
use event_driven::names;
use humantime::format_duration;

use super::{Broker, Components, Config, Database, Http, Kept, Retention, Retry, Sandbox, Service, Topology, tokens};
use crate::{lifecycle::LEAST_AGE, manifest::Limits};

/// RabbitMQ closes the channel of a consumer that holds a delivery for longer than this (`consumer_timeout`, 30 minutes
/// by default), and gives the delivery to another one: a longer task would be executed again and again.
const CONSUMER_TIMEOUT: Duration = Duration::from_secs(30 * 60);

/// A shorter one would take runtimes for gone whose database is merely busy.
const SHORTEST_LEASE: Duration = Duration::from_secs(1);

/// How long a task waits for a slot before others may have it.
pub const SLOT_PATIENCE: Duration = Duration::from_secs(10);

/// What is left for the commit and the settling of an execution that has taken all its time.
const SETTLING: Duration = Duration::from_secs(60);

/// Each retry has a queue of its own, and the delay doubles with each: the 20th of 3 s is over 18 days.
const MAX_RETRIES: u32 = 20;

/// Source: AMQP 0-9-1, type shortstr.
const MAX_ROUTING_KEY: usize = 255;

/// The memory of a 32-bit guest can't be larger.
const MAX_MEMORY: u64 = 4 << 30;

/// Below this, no Rust component comes up; far above, address space runs out.
const STACKS: std::ops::RangeInclusive<u64> = 64 << 10..=16 << 20;

/// From a file that may hold something to the most that is read from the store at once.
const COMPONENT_SIZES: std::ops::RangeInclusive<u64> = 1 << 10..=128 << 20;

/// Below this, components that carry an interpreter are refused.
const LEAST_CODE: ByteSize = ByteSize::mib(16);

/// Seconds.
const COMPILE_TIMES: std::ops::RangeInclusive<u64> = 1..=3600;

/// The binary itself takes half of it.
const LEAST_COMPILE_MEMORY: ByteSize = ByteSize::mib(256);

impl Config {
    /// How long a delivery may wait before it is executed: for what another runtime does, for a place. What waits for longer
    /// is given back, before RabbitMQ takes it back in the middle of the execution.
    pub fn longest_wait(&self) -> Duration {
        CONSUMER_TIMEOUT.saturating_sub(self.ceiling.timeout + SETTLING).max(SLOT_PATIENCE)
    }

    /// Everything that is wrong with these settings, a sentence each.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Problems::default();
        problems.of_service(&self.service);
        problems.of_broker(&self.broker);
        problems.of_topology(&self.topology);
        problems.of_database(&self.database);
        problems.of_components(&self.components);
        problems.of_sandbox(&self.sandbox);
        problems.of_limits(&self.limits, &self.ceiling);
        problems.of_retry(&self.retry);
        problems.of_retention(&self.retention);
        problems.of_http(&self.http);
        problems.0
    }
}

/// What is wrong with each section.
#[derive(Default)]
struct Problems(Vec<String>);

impl Problems {
    fn require(&mut self, holds: bool, problem: String) {
        if !holds {
            self.0.push(problem);
        }
    }

    fn of_service(&mut self, service: &Service) {
        if let Err(error) = names::Service::new(&service.name) {
            self.0.push(format!("service.name: {error}"));
        }
        self.require(
            service.lease >= SHORTEST_LEASE,
            format!(
                "service.lease is {}, it takes at least {}: a sign of life is given five times as often",
                format_duration(service.lease),
                format_duration(SHORTEST_LEASE)
            ),
        );
    }

    fn of_broker(&mut self, broker: &Broker) {
        self.require(broker.channels >= 1, "broker.channels is 0, it takes at least 1".into());
        self.require(
            broker.prefetch >= broker.channels,
            format!(
                "broker.prefetch is {}, it takes at least one for each of {} channels (broker.channels)",
                broker.prefetch, broker.channels
            ),
        );
        self.require(
            broker.memory >= broker.max_body,
            format!(
                "broker.memory is {}, less than one message may have (broker.max_body, {})",
                broker.memory, broker.max_body
            ),
        );
    }

    fn of_topology(&mut self, topology: &Topology) {
        if let Some(key) = topology.task_keys.iter().find(|key| key.len() > MAX_ROUTING_KEY) {
            let length = key.len();
            self.0.push(format!("topology.task_keys has a key of {length} bytes, AMQP allows {MAX_ROUTING_KEY}"));
        }
    }

    fn of_database(&mut self, database: &Database) {
        self.require(
            database.max_connections >= 5,
            format!(
                "database.max_connections is {}, it takes at least 5: two write, one looks tasks up, one gives signs of life, one reads",
                database.max_connections
            ),
        );
        self.require(!database.statement_timeout.is_zero(), "database.statement_timeout is 0".into());
    }

    fn of_components(&mut self, components: &Components) {
        self.require(!components.url.is_empty(), "components.url is empty, it takes a directory".into());
        self.require(
            COMPONENT_SIZES.contains(&components.max_size.as_u64()),
            format!("components.max_size is {}, it goes from 1 KiB to 128 MiB", components.max_size),
        );
        self.require(
            components.memory >= LEAST_CODE,
            format!("components.memory is {}, it takes at least {LEAST_CODE}", components.memory),
        );
        self.require(
            COMPILE_TIMES.contains(&components.compile_time.as_secs()) && components.compile_time.subsec_nanos() == 0,
            format!(
                "components.compile_time is {}, it goes from 1s to 1h, in whole seconds",
                format_duration(components.compile_time)
            ),
        );
        self.require(
            components.compile_memory >= LEAST_COMPILE_MEMORY,
            format!(
                "components.compile_memory is {}, it takes at least {LEAST_COMPILE_MEMORY}: the compiler itself needs some",
                components.compile_memory
            ),
        );
        self.require(
            (1..=64).contains(&components.compile_concurrency),
            format!("components.compile_concurrency is {}, it goes from 1 to 64", components.compile_concurrency),
        );
        self.require(components.scan >= Duration::from_millis(10), "components.scan is below 10ms".into());
    }

    fn of_sandbox(&mut self, sandbox: &Sandbox) {
        self.require(
            (1..=10_000).contains(&sandbox.concurrency),
            format!("sandbox.concurrency is {}, it goes from 1 to 10,000", sandbox.concurrency),
        );
        self.require(
            STACKS.contains(&sandbox.stack.as_u64()),
            format!("sandbox.stack is {}, it goes from 64 KiB to 16 MiB", sandbox.stack),
        );
    }

    fn of_limits(&mut self, limits: &Limits, ceiling: &Limits) {
        for name in limits.impossible() {
            self.0.push(format!("limits.{name} is 0: nothing could be executed"));
        }
        for name in limits.above(ceiling) {
            self.0.push(format!("limits.{name} is above ceiling.{name}: raise that, too"));
        }
        self.require(
            ceiling.timeout.saturating_add(SLOT_PATIENCE + SETTLING) < CONSUMER_TIMEOUT,
            format!(
                "ceiling.timeout is {}, and a task may wait for {} before it begins and be settled for {}: together they have \
                 to be below 30min, or RabbitMQ takes the delivery back (consumer_timeout)",
                format_duration(ceiling.timeout),
                format_duration(SLOT_PATIENCE),
                format_duration(SETTLING)
            ),
        );
        self.require(
            ceiling.memory.as_u64() <= MAX_MEMORY,
            format!("ceiling.memory is {}, a guest can have 4 GiB at most", ceiling.memory),
        );
    }

    fn of_retry(&mut self, retry: &Retry) {
        self.require(
            retry.retries <= MAX_RETRIES,
            format!("retry.retries is {}, it goes from 0 to {MAX_RETRIES}", retry.retries),
        );
        self.require(!retry.delay.is_zero(), "retry.delay is 0".into());
    }

    fn of_retention(&mut self, retention: &Retention) {
        for (name, kept) in [("tasks", retention.tasks), ("events", retention.events)] {
            self.require(
                !matches!(kept, Kept::For(time) if time < LEAST_AGE),
                format!(
                    "retention.{name} is {kept}, it takes at least {}: what is younger may be delivered again",
                    format_duration(LEAST_AGE)
                ),
            );
        }
    }

    fn of_http(&mut self, http: &Http) {
        self.require(
            (1..=64).contains(&http.uploads),
            format!("http.uploads is {}, it goes from 1 to 64", http.uploads),
        );
        self.require(!http.upload_patience.is_zero(), "http.upload_patience is 0".into());
        self.0.extend(tokens::problems(&http.tokens));
    }
}
