//! What was measured, as programs read it. The unit of a number stands in its name; what is not known is null.

use serde::Serialize;

/// All that one run has measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// On what.
    pub machine: Machine,
    /// With which tasks.
    pub task: Task,
    /// What a runtime takes that has not done anything yet. None where the system does not tell.
    pub idle_bytes: Option<u64>,
    /// Tasks that waited in their queue when the runtime started. None: not measured.
    pub burn_down: Option<BurnDown>,
    /// One for each rate. None: not measured.
    pub latency: Option<Vec<Latency>>,
    /// Events that waited in their queue when the runtime started. None: not measured.
    pub events: Option<BurnDown>,
}

/// What was measured on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Machine {
    /// The version of this warren.
    pub warren: &'static str,
    /// Whether it was compiled without optimisation: then it says little of a release.
    pub debug_build: bool,
    /// Processors that this process may use.
    pub cores: usize,
    /// The operating system.
    pub os: &'static str,
    /// The processor's architecture.
    pub arch: &'static str,
    /// RabbitMQ, with its version where that is told; or the one in the process.
    pub broker: String,
    /// Postgres or SQLite, with the version.
    pub database: String,
}

/// The tasks of a measurement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Task {
    /// The component.
    pub name: String,
    /// Its payload's length.
    pub payload_bytes: usize,
    /// Whether each message has an id.
    pub with_ids: bool,
}

/// How fast a heap of work is done.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BurnDown {
    /// Messages of which all was done: COMPLETED tasks, stored events.
    pub done: u64,
    /// Rows in the table at the end.
    pub rows: u64,
    /// How fast the messages were published before, with confirms. None where they did not come as messages.
    pub published_per_second: Option<f64>,
    /// From the start of the process (of the load, where that comes later) to the first commit.
    pub first_commit_ms: u64,
    /// From then to the last.
    pub seconds: f64,
    /// Rows a second between these two. None: too few to tell, all were there at the first look.
    pub per_second: Option<f64>,
    /// Processor time between these two. None where the system does not tell, or all was over too soon.
    pub cpu: Option<Cpu>,
    /// The runtime's memory. None where the system does not tell.
    pub memory: Option<Memory>,
}

/// Processor time by who has used it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Cpu {
    /// The runtime under test.
    pub runtime: Share,
    /// RabbitMQ, all of it, if it is on this machine.
    pub broker: Option<Share>,
    /// Postgres, all of it, if it is on this machine.
    pub database: Option<Share>,
}

/// What one of them has used.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Share {
    /// Microseconds for each row.
    pub us_each: f64,
    /// Of what all of them have used, in percent.
    pub percent: f64,
}

/// The memory of the runtime under test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// The most that was resident.
    pub peak_bytes: u64,
    /// What is resident after the last commit.
    pub after_bytes: u64,
}

/// How long single tasks take at a fixed rate, each from when it was due to its answer, which comes after the commit.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Latency {
    /// The rate at which tasks were due.
    pub per_second: u32,
    /// Tasks that are measured; those of the warm-up are not.
    pub sent: u64,
    /// Those of them that were answered.
    pub answered: u64,
    /// Those that were not while it was waited for. They count as if the answer had come then.
    pub unanswered: u64,
    /// Answers a second. Far below the rate: the system can't keep up, and the times grow for as long as that goes on.
    pub answered_per_second: Option<f64>,
    /// Half of them took no longer.
    pub p50_us: Option<u64>,
    /// 99 of 100 took no longer. None: fewer than a hundred.
    pub p99_us: Option<u64>,
    /// 999 of 1,000 took no longer. None: fewer than a thousand.
    pub p99_9_us: Option<u64>,
    /// The longest.
    pub max_us: Option<u64>,
    /// Tasks that went out more than 10 ms after they were due, because this process was late itself. That time counts.
    pub late: u64,
    /// The most that one of them was late.
    pub latest_us: u64,
}
