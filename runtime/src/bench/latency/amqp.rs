//! Over RabbitMQ: tasks on one connection, answers on another.

use std::time::Instant;

use event_driven::{
    connection::lost,
    lapin::{
        Channel, Confirmation, Connection, Consumer, PublisherConfirm,
        options::{BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions},
        types::FieldTable,
    },
    message::{Outcome, ShortText},
    publisher::Publication,
};
use futures_util::StreamExt;
use tokio::{
    runtime::Handle,
    sync::{Semaphore, mpsc},
    time::timeout_at,
};

use super::{
    super::{Arrivals, BenchError, Grounds, Kept, Watch},
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
    let failed = BenchError::broker("the load can't be published");
    let mut answers = Answers::open(grounds).await?;
    let publishing = grounds.connect().await?;
    let channel = publishing.create_channel().await.map_err(&failed)?;
    channel.confirm_select(ConfirmSelectOptions::default()).await.map_err(&failed)?;
    // Room for all of them, so that sending never waits for confirms.
    let room = usize::try_from(load.timetable.count()).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
    let (sent, confirms) = mpsc::channel(room);
    // The last one that is dropped closes the channel, and confirms may be on their way.
    let send = sender(channel.clone(), &load, answers.queue().clone(), sent);
    // The first that fails ends the others; without a failure each ends by itself, when the time is over at the latest.
    let work =
        async { tokio::try_join!(pace(&load, send), arrive(&mut answers, &load, watch), confirmed(confirms, &load)) };
    let measured = tokio::select! {
        measured = work => measured.map(|(kept, arrivals, ())| (kept, arrivals)),
        () = lost(&publishing) => Err(BenchError::Lost { what: "publishing the load" }),
    };
    drop(channel);
    measured
}

/// Publishes one task. lapin takes it and writes it when it can: nothing is waited for here.
fn sender(
    channel: Channel,
    load: &Load,
    reply_to: ShortText,
    sent: mpsc::Sender<PublisherConfirm>,
) -> impl FnMut(u64) -> bool + Send + 'static {
    let (handle, workload, until) = (Handle::current(), load.workload.clone(), load.until);
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    move |n| {
        let Publication { exchange, routing_key, properties, body, .. } =
            Publication::of_task(&workload.task(n, Some(&reply_to)));
        let publishing =
            channel.basic_publish(exchange.as_str().into(), routing_key.as_str().into(), options, &body, properties);
        match handle.block_on(publishing) {
            Ok(confirm) => sent.try_send(confirm).is_ok() && Instant::now() < until,
            // Its connection is gone, which is noticed elsewhere.
            Err(_) => false,
        }
    }
}

/// Waits for the confirms of all that was sent.
async fn confirmed(mut confirms: mpsc::Receiver<PublisherConfirm>, load: &Load) -> Result<(), BenchError> {
    let all = async {
        while let Some(confirm) = confirms.recv().await {
            match confirm.await.map_err(BenchError::broker("a task was not confirmed"))? {
                Confirmation::Ack(None) | Confirmation::NotRequested => {}
                Confirmation::Ack(Some(_)) | Confirmation::Nack(_) => return Err(BenchError::Refused),
            }
        }
        Ok(())
    };
    // What is not confirmed in time is not answered either, and is told as such.
    timeout_at(load.until.into(), all).await.unwrap_or(Ok(()))
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
