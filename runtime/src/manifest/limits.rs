//! What bounds one execution.

use std::time::Duration;

use bytesize::ByteSize;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What bounds one execution of a component, and how many of them there are at once. One type for the operator's defaults,
/// for the ceiling, and for what is in force.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub struct Limits {
    /// How long an execution may take, by the clock on the wall.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub timeout: Duration,
    /// How much processor time it may use. Waiting (for an answer over HTTP, for a timer) is not counted.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub cpu: Duration,
    /// All linear memories and tables together.
    #[serde(with = "super::exact_size")]
    #[schemars(with = "String")]
    pub memory: ByteSize,
    /// The result's length.
    #[serde(with = "super::exact_size")]
    #[schemars(with = "String")]
    pub output: ByteSize,
    /// The payload's length.
    #[serde(with = "super::exact_size")]
    #[schemars(with = "String")]
    pub payload: ByteSize,
    /// Everything written to stdout and stderr.
    #[serde(with = "super::exact_size")]
    #[schemars(with = "String")]
    pub log: ByteSize,
    /// Everything written to files, in the directory of its own and in those that are granted. What is overwritten counts
    /// again, and each file, directory and link counts 4 KiB.
    #[serde(with = "super::exact_size")]
    #[schemars(with = "String")]
    pub disk: ByteSize,
    /// Executions at once in one runtime.
    pub concurrency: u32,
    /// Requests over HTTP.
    pub http_requests: u32,
    /// Requests over HTTP at the same time.
    pub http_concurrency: u32,
    /// All that is sent over HTTP.
    #[serde(with = "super::exact_size")]
    #[schemars(with = "String")]
    pub http_sent: ByteSize,
    /// All that is received over HTTP.
    #[serde(with = "super::exact_size")]
    #[schemars(with = "String")]
    pub http_received: ByteSize,
    /// How long one request may take, from the name's look-up to the last byte of the answer.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub http_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(30),
            cpu: Duration::from_secs(10),
            memory: ByteSize::mib(64),
            output: ByteSize::mib(1),
            payload: ByteSize::mib(16),
            log: ByteSize::mib(1),
            disk: ByteSize::mib(64),
            concurrency: 256,
            http_requests: 16,
            http_concurrency: 4,
            http_sent: ByteSize::mib(1),
            http_received: ByteSize::mib(16),
            http_timeout: Duration::from_secs(10),
        }
    }
}

impl Limits {
    /// The most that manifests may ask for, unless the operator says otherwise.
    pub fn default_ceiling() -> Self {
        Self {
            timeout: Duration::from_secs(10 * 60),
            cpu: Duration::from_secs(5 * 60),
            memory: ByteSize::mib(512),
            output: ByteSize::mib(16),
            payload: ByteSize::mib(16),
            log: ByteSize::mib(16),
            disk: ByteSize::gib(1),
            concurrency: 10_000,
            http_requests: 10_000,
            http_concurrency: 64,
            http_sent: ByteSize::gib(1),
            http_received: ByteSize::gib(1),
            http_timeout: Duration::from_secs(5 * 60),
        }
    }

    /// Each limit's name, and as what it counts: nanoseconds, bytes or times.
    fn amounts(&self) -> [(&'static str, u128); 13] {
        [
            ("timeout", self.timeout.as_nanos()),
            ("cpu", self.cpu.as_nanos()),
            ("memory", self.memory.as_u64().into()),
            ("output", self.output.as_u64().into()),
            ("payload", self.payload.as_u64().into()),
            ("log", self.log.as_u64().into()),
            ("disk", self.disk.as_u64().into()),
            ("concurrency", self.concurrency.into()),
            ("http_requests", self.http_requests.into()),
            ("http_concurrency", self.http_concurrency.into()),
            ("http_sent", self.http_sent.as_u64().into()),
            ("http_received", self.http_received.as_u64().into()),
            ("http_timeout", self.http_timeout.as_nanos()),
        ]
    }

    /// The names of the limits that are above `ceiling`.
    pub fn above(&self, ceiling: &Self) -> Vec<&'static str> {
        let pairs = self.amounts().into_iter().zip(ceiling.amounts());
        pairs.filter(|((_, asked), (_, most))| asked > most).map(|((name, _), _)| name).collect()
    }

    /// The names of the limits that are 0 and with which nothing could ever be executed.
    pub fn impossible(&self) -> Vec<&'static str> {
        let needed = ["timeout", "cpu", "memory", "output", "payload", "concurrency"];
        self.amounts()
            .into_iter()
            .filter(|(name, amount)| *amount == 0 && needed.contains(name))
            .map(|(name, _)| name)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_written_as_it_is_read() {
        let odd = Limits { memory: ByteSize(1_500_000), log: ByteSize(0), ..Limits::default() };
        let table = toml::Table::try_from(&odd).unwrap();
        assert_eq!((table["memory"].as_str(), table["output"].as_str()), (Some("1500000B"), Some("1MiB")));
        assert_eq!(toml::Value::Table(table).try_into::<Limits>().unwrap(), odd);
    }

    #[test]
    fn every_limit_is_compared() {
        // A limit that `amounts` forgot would have no ceiling.
        let fields = serde_json::to_value(Limits::default()).unwrap().as_object().unwrap().len();
        assert_eq!(Limits::default().amounts().len(), fields);
        assert_eq!(Limits::default().above(&Limits::default_ceiling()), [""; 0]);
        let low = Limits { cpu: Duration::from_secs(1), http_received: ByteSize::kib(1), ..Limits::default() };
        assert_eq!(Limits::default().above(&low), ["cpu", "http_received"]);
    }
}
