//! Some messages that are published together on one channel, and who waits for their answers.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{
    FutureExt, StreamExt,
    future::{BoxFuture, join_all},
    stream::FuturesUnordered,
};
use lapin::{
    BasicProperties, Channel, Confirmation, ErrorKind, PublisherConfirm, message::BasicReturnMessage,
    options::BasicPublishOptions, types::ShortString,
};
use tokio::{sync::oneshot, time::timeout};

use super::{
    Publication, PublishError,
    connection::Request,
    judgement::{Answer, Judgement, Returned},
};
use crate::names::DEFAULT_EXCHANGE;

/// How long RabbitMQ may take to close a channel.
const CLOSE: Duration = Duration::from_secs(2);

/// When no confirm was resolved for so long, those that had been resolved before are known.
const QUIET: Duration = Duration::from_millis(20);

/// A queue that does not exist, and won't.
const NOWHERE: &str = "event-driven.nowhere";

/// Messages that are published together.
pub(super) struct Round {
    channel: Channel,
    publications: Vec<Arc<Publication>>,
    /// Taken when it is told.
    waiting: Vec<Option<oneshot::Sender<Result<(), PublishError>>>>,
    judgement: Judgement,
    /// Until all are sent.
    sending: Option<BoxFuture<'static, Vec<Result<PublisherConfirm, lapin::Error>>>>,
    confirms: FuturesUnordered<Confirm>,
}

/// The confirm of one message.
struct Confirm {
    index: usize,
    confirm: PublisherConfirm,
}

impl Future for Confirm {
    type Output = (usize, Result<Confirmation, lapin::Error>);

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let index = self.index;
        self.confirm.poll_unpin(context).map(|confirmation| (index, confirmation))
    }
}

impl Round {
    /// Nothing is published before the first wait for answers.
    pub(super) fn new(channel: Channel, requests: Vec<Request>) -> Self {
        let (mut publications, mut waiting) = (Vec::new(), Vec::new());
        for Request { publication, answer } in requests {
            publications.push(publication);
            waiting.push(Some(answer));
        }
        let judgement = Judgement::new(publications.iter().map(Arc::clone));
        let sending = Some(send_all(channel.clone(), publications.clone()).boxed());
        Self { channel, publications, waiting, judgement, sending, confirms: FuturesUnordered::new() }
    }

    /// Waits until the answers to all messages are there. Loses nothing when it is dropped.
    pub(super) async fn answered(&mut self) {
        self.sent().await;
        while let Some((index, confirmation)) = self.confirms.next().await {
            self.record(index, confirmation);
        }
    }

    async fn sent(&mut self) {
        let Some(sending) = &mut self.sending else { return };
        let sent = sending.await;
        self.sending = None;
        for (index, sent) in sent.into_iter().enumerate() {
            match sent {
                Ok(confirm) => self.confirms.push(Confirm { index, confirm }),
                Err(error) => self.record(index, Err(error)),
            }
        }
    }

    fn record(&mut self, index: usize, confirmation: Result<Confirmation, lapin::Error>) {
        if let Some(publication) = self.publications.get(index) {
            self.judgement.record(index, answer(publication, confirmation));
        }
    }

    /// Tells everyone, and gives back those whose answer is [`PublishError::Refused`]: the channel was closed, and any of
    /// them may be the cause. To be called when all are answered.
    pub(super) fn end(mut self) -> Vec<Request> {
        let mut refused = Vec::new();
        let alone = self.publications.len() == 1;
        for (index, result) in self.judgement.known() {
            let waiting = self.waiting.get_mut(index).and_then(Option::take);
            match (waiting, &result, self.publications.get(index)) {
                (Some(answer), Err(PublishError::Refused(_)), Some(publication)) if !alone => {
                    refused.push(Request { publication: Arc::clone(publication), answer });
                }
                (waiting, ..) => tell(waiting, result),
            }
        }
        refused
    }

    /// Waits for the answers, and tells each one as soon as it is known. Loses nothing when it is dropped.
    pub(super) async fn tell_each(&mut self) {
        self.sent().await;
        if let Err(error) = self.returns_are_handed_out().await {
            return self.fail(&error);
        }
        loop {
            while let Ok(Some((index, confirmation))) = timeout(QUIET, self.confirms.next()).await {
                self.record(index, confirmation);
            }
            for (index, result) in self.judgement.known() {
                let result = result.map_err(|error| match error {
                    // Another one may be the cause: whoever asked must ask again.
                    PublishError::Refused(reason) if self.publications.len() > 1 => PublishError::Disconnected(reason),
                    error => error,
                });
                tell(self.waiting.get_mut(index).and_then(Option::take), result);
            }
            let Some((index, confirmation)) = self.confirms.next().await else { return };
            self.record(index, confirmation);
        }
    }

    /// RabbitMQ says of each message at once whether a queue gets it. So when something that is published after all of them
    /// is confirmed, and no return is handed out with that, none is left.
    async fn returns_are_handed_out(&mut self) -> Result<(), PublishError> {
        let nothing = Publication {
            mandatory: false,
            ..Publication::new(DEFAULT_EXCHANGE, NOWHERE, BasicProperties::default(), Bytes::new())
        };
        loop {
            let Answer { result, returned } = publish(&self.channel, &nothing).await;
            match returned {
                Some(returned) => self.judgement.returned(returned),
                None => return result.map_err(|error| PublishError::Disconnected(error.to_string())),
            }
        }
    }

    /// Tells this to everyone who was not told yet.
    pub(super) fn fail(&mut self, error: &PublishError) {
        self.waiting.iter_mut().for_each(|waiting| tell(waiting.take(), Err(error.clone())));
    }

    /// Closes the channel: answers that come later must not be taken for those of another round.
    pub(super) async fn close(self) {
        // Even without an answer lapin takes it for closed.
        let _ = timeout(CLOSE, self.channel.close(200, "the round is over".into())).await;
    }
}

/// Publishes one message on a channel on which nothing else is waited for.
pub(super) async fn publish_alone(channel: &Channel, publication: &Publication) -> Result<(), PublishError> {
    let answer = publish(channel, publication).await;
    answer.returned.map_or(answer.result, |_| Err(PublishError::unroutable(publication)))
}

/// Who no longer waits does not want to know.
fn tell(waiting: Option<oneshot::Sender<Result<(), PublishError>>>, result: Result<(), PublishError>) {
    let _ = waiting.map(|waiting| waiting.send(result));
}

async fn publish(channel: &Channel, publication: &Publication) -> Answer {
    let confirmation = match send(channel, publication).await {
        Ok(confirm) => confirm.await,
        Err(error) => Err(error),
    };
    answer(publication, confirmation)
}

fn answer(publication: &Publication, confirmation: Result<Confirmation, lapin::Error>) -> Answer {
    let (result, returned) = match confirmation {
        Ok(Confirmation::Ack(message)) => (Ok(()), message),
        Ok(Confirmation::Nack(message)) => (Err(PublishError::nacked(publication)), message),
        Ok(Confirmation::NotRequested) => (Err(PublishError::Refused("the channel has no confirms".to_owned())), None),
        Err(error) if closed_channel(&error) => (Err(PublishError::Refused(error.to_string())), None),
        Err(error) => (Err(PublishError::Disconnected(error.to_string())), None),
    };
    Answer { result, returned: returned.map(Returned::from) }
}

async fn send_all(
    channel: Channel,
    publications: Vec<Arc<Publication>>,
) -> Vec<Result<PublisherConfirm, lapin::Error>> {
    join_all(publications.iter().map(|publication| send(&channel, publication))).await
}

async fn send(channel: &Channel, publication: &Publication) -> Result<PublisherConfirm, lapin::Error> {
    let options = BasicPublishOptions { mandatory: publication.mandatory, ..BasicPublishOptions::default() };
    let short = |name: &str| ShortString::try_new(name).unwrap_or_default();
    channel
        .basic_publish(
            short(&publication.exchange),
            short(&publication.routing_key),
            options,
            &publication.body,
            publication.properties.clone(),
        )
        .await
}

/// Whether the error is of the channel alone.
fn closed_channel(error: &lapin::Error) -> bool {
    error.is_amqp_soft_error() || matches!(error.kind(), ErrorKind::InvalidChannelState(..))
}

impl From<BasicReturnMessage> for Returned {
    fn from(message: BasicReturnMessage) -> Self {
        let delivery = message.delivery;
        Self {
            exchange: delivery.exchange.to_string(),
            routing_key: delivery.routing_key.to_string(),
            properties: delivery.properties,
            body: delivery.data,
        }
    }
}
