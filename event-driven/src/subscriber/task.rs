//! The way of a task that a service executes itself: decode, handle, reply, settle.

use std::{marker::PhantomData, sync::Arc, time::Duration};

use serde::{Serialize, de::DeserializeOwned};
use tokio::time::timeout;

use super::{Delivery, Handler, HandlerError, SubscriberSettings, handler, settle, worker};
use crate::{
    backoff::Backoff,
    client::{Client, Original, RawDelivery, Settlement, Source, WeakClient},
    message::{JsonText, Malformed, Outcome, ShortText, TaskRequest},
    names::DEFAULT_EXCHANGE,
    publisher::{Publication, PublishError},
};

/// The first pause before a reply that is not published is published again.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// How tasks of one route are executed.
pub(super) struct Process<T, R, H> {
    handler: H,
    /// A worker belongs to its client, so it must not keep it.
    client: WeakClient,
    queue: Arc<str>,
    retries: u32,
    max_body: usize,
    /// How long a reply is tried to be published.
    patience: Duration,
    _types: PhantomData<fn(T) -> R>,
}

impl<T, R, H> Process<T, R, H>
where
    T: DeserializeOwned + Send + 'static,
    R: Serialize + Send + 'static,
    H: Handler<T, R>,
{
    pub(super) fn new(handler: H, client: &Client, source: &Source, settings: &SubscriberSettings) -> Self {
        Self {
            handler,
            client: client.weak(),
            patience: client.settings().publisher.patience,
            queue: source.queue.as_str().into(),
            retries: source.retries(),
            max_body: settings.max_body,
            _types: PhantomData,
        }
    }

    async fn execute(&self, request: &TaskRequest, delivery: &Delivery) -> (Outcome, Settlement) {
        let result = match serde_json::from_str(request.payload.as_str()) {
            Ok(payload) => handler::run(&self.handler, payload, delivery).await,
            Err(error) => Err(HandlerError::model(error)),
        };
        match result {
            Ok(result) => match JsonText::of(&result) {
                Ok(result) => (Outcome::Completed(result), Settlement::Ack),
                // It is done, and would not be written another time either.
                Err(error) => {
                    let error = format!("bad_output: the result {error}");
                    (Outcome::Failed(error.clone()), Settlement::DeadLetter { error })
                }
            },
            Err(error) => {
                let settlement = settle::failed(delivery, &error, self.retries);
                (Outcome::Failed(in_words_of_tasks(&error)), settlement)
            }
        }
    }

    /// Tells who asked, if somebody did. The reply is confirmed before the task leaves its queue; where nobody takes it,
    /// there is nobody to tell.
    async fn reply(&self, queue: Option<&ShortText>, correlation_id: &ShortText, outcome: &Outcome) {
        let Some(queue) = queue else { return };
        let encoded = outcome.encode(correlation_id, None);
        let reply = Publication::new(DEFAULT_EXCHANGE, queue.as_str(), encoded.properties, encoded.body);
        let publish = async {
            let mut backoff = Backoff::starting_at(FIRST_PAUSE);
            // Without its client nobody settles the delivery either.
            while let Some(client) = self.client.upgrade() {
                match client.publish(reply.clone()).await {
                    Err(PublishError::Disconnected(_) | PublishError::TimedOut(_)) => {}
                    // A queue that refuses must not hold up the tasks of others.
                    published => return published,
                }
                drop(client);
                tokio::time::sleep(backoff.pause()).await;
            }
            Ok(())
        };
        let published = timeout(self.patience, publish).await;
        if let Err(error) = published.unwrap_or(Err(PublishError::TimedOut(self.patience))) {
            tracing::info!(queue = queue.as_str(), "nobody takes the reply: {error}");
        }
    }

    /// What breaks the contract is answered, too, as far as it says who asks.
    async fn refuse(&self, delivery: RawDelivery, malformed: &Malformed) {
        let settlement = settle::malformed(&self.queue, malformed);
        let reply_to = delivery.properties.reply_to().as_ref().and_then(|queue| ShortText::new(queue.as_str()).ok());
        if let Some(correlation_id) = &malformed.partial.correlation_id {
            let outcome = Outcome::Failed(format!("malformed: {malformed}"));
            self.reply(reply_to.as_ref(), correlation_id, &outcome).await;
        }
        delivery.settle(settlement);
    }
}

/// The contract calls the classes of a task's errors so.
fn in_words_of_tasks(error: &HandlerError) -> String {
    match error {
        HandlerError::Model(reason) => format!("invalid: {reason}"),
        HandlerError::Business(_) | HandlerError::Technical(_) => error.to_string(),
    }
}

impl<T, R, H> worker::Process for Process<T, R, H>
where
    T: DeserializeOwned + Send + 'static,
    R: Serialize + Send + 'static,
    H: Handler<T, R>,
{
    async fn process(&self, delivery: RawDelivery) {
        let decoded = TaskRequest::decode(&delivery.routing_key, &delivery.properties, &delivery.body, self.max_body);
        let request = match decoded {
            Ok(request) => request,
            Err(malformed) => return self.refuse(delivery, &malformed).await,
        };
        let RawDelivery { routing_key, properties, body, redelivered, receipt } = delivery;
        let delivery = Delivery {
            queue: Arc::clone(&self.queue),
            routing_key,
            headers: request.headers(),
            properties,
            task_name: Some(request.task_name.clone()),
            redelivered,
        };
        let (outcome, settlement) = self.execute(&request, &delivery).await;
        if !matches!(settlement, Settlement::Retry { .. }) {
            self.reply(request.reply_to.as_ref(), &request.correlation_id, &outcome).await;
        }
        let Delivery { routing_key, properties, .. } = delivery;
        receipt.settle(Original { routing_key, properties, body }, settlement);
    }
}
