//! One channel of a publisher, and the task that publishes on it, round by round.

use std::{sync::Arc, time::Duration};

use lapin::{Channel, Connection, options::ConfirmSelectOptions};
use tokio::sync::{Mutex, mpsc};

use super::{PublishError, PublisherSettings, connection::Request, error::disconnected, round};
use crate::connection::lost;

/// How long RabbitMQ may take to close a channel.
const CLOSE: Duration = Duration::from_secs(2);

/// A lane: publishes what is waiting, waits for the answers, and again.
pub(super) struct Lane {
    connection: Arc<Connection>,
    settings: PublisherSettings,
    channel: Channel,
}

type Waiting = Arc<Mutex<mpsc::Receiver<Request>>>;

impl Lane {
    pub(super) async fn open(connection: Arc<Connection>, settings: PublisherSettings) -> Result<Self, PublishError> {
        let channel = open_channel(&connection).await.map_err(disconnected)?;
        Ok(Self { connection, settings, channel })
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
        let unanswered = self.round(requests).await;
        // The channel was closed. One message is the cause; alone on a fresh channel each shows whether it is the one.
        for request in unanswered {
            let alone = self.round(vec![request]).await;
            for request in alone {
                answer(request, Err(PublishError::gone()));
            }
        }
    }

    /// One round; gives back what needs a round of its own.
    async fn round(&mut self, requests: Vec<Request>) -> Vec<Request> {
        if requests.is_empty() {
            return requests;
        }
        if let Err(error) = self.renew_channel().await {
            return answer_all(requests, &error);
        }
        let alone = requests.len() == 1;
        let publications: Vec<_> = requests.iter().map(|request| Arc::clone(&request.publication)).collect();
        let round = round::publish(&self.channel, &publications);
        // Without all answers of the round none can be told for certain: whoever asked must ask again.
        let results = tokio::select! {
            results = round => results,
            () = lost(&self.connection) => return answer_all(requests, &PublishError::gone()),
            () = tokio::time::sleep(self.settings.timeout) => {
                self.give_up_channel().await;
                return answer_all(requests, &PublishError::TimedOut(self.settings.timeout));
            }
        };
        let mut unanswered = Vec::new();
        for (request, result) in requests.into_iter().zip(results) {
            match result {
                Err(PublishError::Refused(_)) if !alone => unanswered.push(request),
                result => answer(request, result),
            }
        }
        unanswered
    }

    async fn renew_channel(&mut self) -> Result<(), PublishError> {
        if self.channel.status().connected() {
            return Ok(());
        }
        self.channel = tokio::select! {
            channel = open_channel(&self.connection) => channel.map_err(disconnected)?,
            () = lost(&self.connection) => return Err(PublishError::gone()),
            () = tokio::time::sleep(self.settings.timeout) => {
                return Err(PublishError::TimedOut(self.settings.timeout));
            }
        };
        Ok(())
    }

    /// Answers that come later must not be taken for those of the next round.
    async fn give_up_channel(&self) {
        let close = self.channel.close(200, "timed out".into());
        // Even without an answer lapin takes it for closed.
        let _ = tokio::time::timeout(CLOSE, close).await;
    }
}

fn answer_all(requests: Vec<Request>, error: &PublishError) -> Vec<Request> {
    requests.into_iter().for_each(|request| answer(request, Err(error.clone())));
    Vec::new()
}

async fn open_channel(connection: &Connection) -> Result<Channel, lapin::Error> {
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    Ok(channel)
}

fn answer(request: Request, result: Result<(), PublishError>) {
    // Who no longer waits does not want to know.
    let _ = request.answer.send(result);
}
