//! What a producer publishes: tasks as warren takes them, with confirms.

use std::time::Duration;

use event_driven::{
    connection::{self, ConnectionSettings},
    message::TaskRequest,
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
}

pub(crate) async fn execute(places: &Places, args: &Args) -> Result<()> {
    let connection = connect(&places.rabbitmq).await?;
    let publisher = ConnectionPublisher::new(connection.into(), &PublisherSettings::default()).await?;
    let workload = workload(!args.without_ids)?;
    let message = |n| -> Result<Publication> {
        // As long as those that services give.
        let correlation_id = Uuid::now_v7().to_string().parse()?;
        Ok(Publication::of_task(&TaskRequest { correlation_id, ..workload.task(n, None) }))
    };
    fill(&publisher, args.count, message, &()).await.map(drop)
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
