//! What a producer publishes: tasks and events as warren takes them, with confirms.

use std::{path::PathBuf, time::Duration};

use event_driven::{
    connection::{self, ConnectionSettings},
    message::{EventMessage, TaskRequest},
    names::{Priority, TaskName},
    publisher::{ConnectionPublisher, Publication, PublisherSettings},
    topology::{self, TopologySettings},
};
use lapin::Connection;
use uuid::Uuid;
use warren::bench::{Workload, fill};

use crate::{Places, Result};

const PAYLOAD: &str = r#"{"n":1,"text":"a task of some eighty bytes, as one of this kind has"}"#;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How many
    count: u64,
    /// Without a message id: each delivery is then a task of its own
    #[arg(long)]
    without_ids: bool,
    /// Events with this payload in place of tasks
    #[arg(long)]
    events: bool,
    /// The component that is asked for
    #[arg(long, value_name = "NAME", default_value = "echo")]
    task: TaskName,
    /// In its place, one of NAME_0, NAME_1 and so on, so many, at random
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    spread: Option<u64>,
    /// What each is given: a file with JSON [default: an object of some seventy bytes]
    #[arg(long, value_name = "FILE")]
    payload: Option<PathBuf>,
}

pub(crate) async fn execute(places: &Places, args: &Args) -> Result<()> {
    let connection = connect(&places.rabbitmq).await?;
    let publisher = ConnectionPublisher::new(connection.into(), &PublisherSettings::default()).await?;
    let workload = args.workload()?;
    let message = |n| -> Result<Publication> {
        // As long as those that services give.
        let correlation_id = Uuid::now_v7().to_string().parse()?;
        if args.events {
            return Ok(Publication::of_event(&EventMessage { correlation_id, ..workload.event(n) })?);
        }
        let mut task = TaskRequest { correlation_id, ..workload.task(n, None) };
        if let Some(spread) = args.spread {
            task.task_name = format!("{}_{}", args.task, random(n) % spread).parse()?;
            task.routing_key = Priority::Normal.default_key(&task.task_name);
        }
        Ok(Publication::of_task(&task))
    };
    fill(&publisher, args.count, message, &()).await.map(drop)
}

impl Args {
    fn workload(&self) -> Result<Workload> {
        let mut workload = Workload { task_name: self.task.clone(), ..workload(!self.without_ids)? };
        if let Some(file) = &self.payload {
            workload.payload = std::fs::read_to_string(file)?.parse()?;
        }
        Ok(workload)
    }
}

/// The n-th random number, the same each time: SplitMix64.
fn random(n: u64) -> u64 {
    let mut z = n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Tasks of `echo` with an object of some eighty bytes.
pub(crate) fn workload(with_ids: bool) -> Result<Workload> {
    Ok(Workload { task_name: "echo".parse()?, payload: PAYLOAD.parse()?, with_ids, routing_key: None })
}

/// A connection to RabbitMQ, on which everything is declared.
pub(crate) async fn connect(url: &str) -> Result<Connection> {
    let settings = ConnectionSettings { address: url.parse()?, name: "bench".into(), timeout: Duration::from_secs(5) };
    let connection = connection::connect(&settings).await?;
    topology::apply(&connection, &topology::plan(&TopologySettings::default())).await?;
    Ok(connection)
}
