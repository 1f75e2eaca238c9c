//! Measures warren where it runs: what `warren bench` does, and what a comparison with other systems builds on.
//!
//! A runtime under test is a process of its own ([`Subject`]), so that its processor time and memory are nobody else's. It
//! works on [`Grounds`] that are made for it and go with it: a virtual host, a schema or a file; never on real queues and
//! tables. [`run`] puts it through what a [`Plan`] says, and gives a [`Report`].
//!
//! The load is made by parts that know nothing of warren:
//!
//! - [`Timetable`] and [`keep`]: an open loop, which sends each message when it is due, whatever became of those before
//! - [`Arrivals`] and [`Spread`]: how long each took, from when it was due, and percentiles of that
//! - [`Unwaited`]: publishes when a message is due, and tells afterwards what the broker has
//! - [`fill`]: as many messages as there are, with confirms and a window
//! - [`cpu_of`], [`cpu_of_all`], [`memory_of`]: what processes have used, where the system tells that

mod arrivals;
mod burn_down;
mod error;
mod figures;
mod fill;
mod grounds;
mod http;
mod latency;
mod machine;
mod pacer;
mod rows;
mod run;
mod spread;
mod subject;
mod timetable;
mod trial;
mod unwaited;
mod usage;
mod watch;
mod workload;

pub use self::{
    arrivals::Arrivals,
    error::BenchError,
    figures::{BurnDown, Cpu, Latency, Machine, Memory, Report, Share, Task},
    fill::fill,
    grounds::{DEFAULT_VHOST, Grounds, Launch, Stage},
    pacer::{Kept, keep},
    run::{Plan, run},
    spread::Spread,
    subject::Subject,
    timetable::Timetable,
    unwaited::{Confirms, Unwaited},
    usage::{cpu_of, cpu_of_all, memory_of},
    watch::Watch,
    workload::Workload,
};
