//! Over RabbitMQ: tasks on one connection, answers on another.

use std::time::Instant;

use event_driven::{
    connection::lost,
    lapin::{
        Connection, Consumer,
        options::{BasicConsumeOptions, QueueDeclareOptions},
        types::FieldTable,
    },
    message::{Outcome, ShortText},
};
use futures_util::StreamExt;
use tokio::time::timeout_at;

use super::{
    super::{Arrivals, BenchError, Grounds, Kept, Unwaited, Watch},
    Load, pace,
};

/// A queue for answers that goes with its connection.
pub(in crate::bench) struct Answers {
    connection: Connection,
    queue: ShortText,
    consumer: Consumer,
}

impl Answers {
    /// Declares it on a connection of its own.
    pub(in crate::bench) async fn open(grounds: &Grounds) -> Result<Self, BenchError> {
        let failed = BenchError::broker("no queue for the answers can be declared");
        let connection = grounds.connect().await?;
        let channel = connection.create_channel().await.map_err(&failed)?;
        let own = QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
        let queue = channel.queue_declare("".into(), own, FieldTable::default()).await.map_err(&failed)?;
        let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
        let name = queue.name().clone();
        let consumer = channel.basic_consume(name.clone(), "".into(), options, FieldTable::default()).await;
        let queue = ShortText::new(name.as_str()).expect("RabbitMQ has given it a name");
        Ok(Self { connection, queue, consumer: consumer.map_err(&failed)? })
    }

    pub(in crate::bench) fn queue(&self) -> &ShortText {
        &self.queue
    }

    pub(in crate::bench) fn consumer(&mut self) -> &mut Consumer {
        &mut self.consumer
    }
}

/// Sends, and waits for the answers until all are there or the time is over.
pub(super) async fn measure(load: Load, grounds: &Grounds, watch: &dyn Watch) -> Result<(Kept, Arrivals), BenchError> {
    let mut answers = Answers::open(grounds).await?;
    let publishing = grounds.connect().await?;
    let (unwaited, mut confirms) = Unwaited::open(&publishing, load.timetable.count()).await?;
    let mut publish = unwaited.sender(load.workload.clone(), answers.queue().clone());
    let send = move |n| publish(n) && Instant::now() < load.until;
    // What is not confirmed in time is not answered either, and is told as such.
    let confirmed = async { timeout_at(load.until.into(), confirms.all()).await.unwrap_or(Ok(0)) };
    // The first that fails ends the others; without a failure each ends by itself, when the time is over at the latest.
    let work = async { tokio::try_join!(pace(&load, send), arrive(&mut answers, &load, watch), confirmed) };
    tokio::select! {
        measured = work => measured.map(|(kept, arrivals, _)| (kept, arrivals)),
        () = lost(&publishing) => Err(BenchError::Lost { what: "publishing the load" }),
    }
}

/// Takes answers until all are there or the time is over.
async fn arrive(answers: &mut Answers, load: &Load, watch: &dyn Watch) -> Result<Arrivals, BenchError> {
    let mut arrivals = Arrivals::new(load.timetable, load.begin);
    while !arrivals.is_complete() {
        let answer = tokio::select! {
            answer = timeout_at(load.until.into(), answers.consumer.next()) => answer,
            () = lost(&answers.connection) => Ok(None),
        };
        let Ok(answer) = answer else { break };
        let answer = answer.ok_or(BenchError::Lost { what: "waiting for the answers" })?;
        let (answer, at) = (answer.map_err(BenchError::broker("an answer"))?, Instant::now());
        match Outcome::decode(&answer.properties, &answer.data) {
            Outcome::Completed(_) => {}
            Outcome::Failed(error) | Outcome::Cancelled(error) => {
                return Err(BenchError::NotCompleted { name: load.workload.task_name.clone(), error });
            }
        }
        let number = answer.properties.correlation_id().as_ref().and_then(|id| id.as_str().parse().ok());
        if let Some(n) = number {
            arrivals.record(n, at);
            watch.at(arrivals.answered());
        }
    }
    Ok(arrivals)
}
