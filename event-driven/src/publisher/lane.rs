//! One channel of a publisher, and the task that publishes on it, round by round.
//!
//! A queue that takes its time with its confirms must not hold up what goes to others. So a round that is not complete
//! after a moment is finished aside: it keeps its channel, and the lane goes on with a fresh one.

use std::{sync::Arc, time::Duration};

use lapin::{Channel, Connection, options::ConfirmSelectOptions};
use tokio::{
    sync::{Mutex, Semaphore, mpsc},
    time::Instant,
};

use super::{PublishError, PublisherSettings, connection::Request, error::disconnected, round::Round};
use crate::connection::{lost, unblocked};

/// How long the lane waits for the answers of a round.
const GRACE: Duration = Duration::from_secs(1);

/// Most rounds that are finished aside, over all lanes of a connection; each has a channel of its own. With more, lanes
/// wait.
pub(super) const LATE_ROUNDS: usize = 64;

/// A lane: publishes what is waiting, waits for the answers, and again.
pub(super) struct Lane {
    connection: Arc<Connection>,
    settings: PublisherSettings,
    channel: Option<Channel>,
    late: Arc<Semaphore>,
}

type Waiting = Arc<Mutex<mpsc::Receiver<Request>>>;

impl Lane {
    pub(super) async fn open(
        connection: Arc<Connection>,
        settings: PublisherSettings,
        late: Arc<Semaphore>,
    ) -> Result<Self, PublishError> {
        let channel = Some(open_channel(&connection).await.map_err(disconnected)?);
        Ok(Self { connection, settings, channel, late })
    }

    /// Ends when the last publisher is gone, or the connection.
    pub(super) async fn run(mut self, waiting: Waiting) {
        let most = self.settings.round.max(1);
        loop {
            let mut requests = Vec::new();
            if waiting.lock().await.recv_many(&mut requests, most).await == 0 {
                return;
            }
            // Who no longer waits for the answer (a caller that was cancelled) does not want it published either.
            requests.retain(|request| !request.answer.is_closed());
            self.publish(requests).await;
            if !self.connection.status().connected() {
                waiting.lock().await.close();
            }
        }
    }

    async fn publish(&mut self, requests: Vec<Request>) {
        // The channel was closed. One message is the cause; alone on a fresh channel each shows whether it is the one.
        for request in self.round(requests).await {
            self.round(vec![request]).await;
        }
    }

    /// One round; gives back what needs a round of its own.
    async fn round(&mut self, requests: Vec<Request>) -> Vec<Request> {
        if requests.is_empty() {
            return requests;
        }
        let deadline = Instant::now() + self.settings.timeout;
        let channel = match self.channel_by(deadline).await {
            Ok(channel) => channel,
            Err(error) => {
                requests.into_iter().for_each(|Request { answer, .. }| {
                    // Who no longer waits does not want to know.
                    let _ = answer.send(Err(error.clone()));
                });
                return Vec::new();
            }
        };
        let mut round = Round::new(channel.clone(), requests);
        tokio::select! {
            () = round.answered() => {
                self.channel = Some(channel);
                return round.end();
            }
            () = lost(&self.connection) => round.fail(&PublishError::gone()),
            () = tokio::time::sleep(GRACE.min(self.settings.timeout)) => self.finish_aside(round, deadline).await,
        }
        Vec::new()
    }

    /// Finishes the round on its own channel: while the lane goes on, unless there are too many of these.
    async fn finish_aside(&self, round: Round, deadline: Instant) {
        let finish = finish(round, Arc::clone(&self.connection), self.settings.timeout, deadline);
        match Arc::clone(&self.late).try_acquire_owned() {
            Ok(permit) => {
                tokio::spawn(async move {
                    finish.await;
                    drop(permit);
                });
            }
            Err(_) => finish.await,
        }
    }

    /// The lane's channel, which it then has no longer; a fresh one if there is none. Not before RabbitMQ takes messages.
    async fn channel_by(&mut self, deadline: Instant) -> Result<Channel, PublishError> {
        let channel = async {
            unblocked(&self.connection).await;
            match self.channel.take().filter(|channel| channel.status().connected()) {
                Some(channel) => Ok(channel),
                None => open_channel(&self.connection).await.map_err(disconnected),
            }
        };
        tokio::select! {
            channel = channel => channel,
            () = lost(&self.connection) => Err(PublishError::gone()),
            () = tokio::time::sleep_until(deadline) => Err(PublishError::TimedOut(self.settings.timeout)),
        }
    }
}

/// Tells each message's answer as it comes, until the deadline.
async fn finish(mut round: Round, connection: Arc<Connection>, timeout: Duration, deadline: Instant) {
    tokio::select! {
        () = round.tell_each() => {}
        () = lost(&connection) => round.fail(&PublishError::gone()),
        () = tokio::time::sleep_until(deadline) => round.fail(&PublishError::TimedOut(timeout)),
    }
    round.close().await;
}

async fn open_channel(connection: &Connection) -> Result<Channel, lapin::Error> {
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    Ok(channel)
}
