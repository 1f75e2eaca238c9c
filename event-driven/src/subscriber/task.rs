//! The way of a task that a service executes itself: decode, handle, reply, settle.

use std::{marker::PhantomData, sync::Arc, time::Duration};

use serde::{Serialize, de::DeserializeOwned};

use super::{Delivery, Handler, HandlerError, SubscriberSettings, handler, settle, worker};
use crate::{
    backoff::Backoff,
    client::{Original, RawDelivery, Settlement, Source, WeakClient},
    message::{JsonText, Outcome, TaskRequest},
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
    _types: PhantomData<fn(T) -> R>,
}

impl<T, R, H> Process<T, R, H>
where
    T: DeserializeOwned + Send + 'static,
    R: Serialize + Send + 'static,
    H: Handler<T, R>,
{
    pub(super) fn new(handler: H, client: WeakClient, source: &Source, settings: &SubscriberSettings) -> Self {
        Self {
            handler,
            client,
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
        let written = result.and_then(|result| {
            JsonText::of(&result).map_err(|error| HandlerError::technical(format!("the result {error}")))
        });
        match written {
            Ok(result) => (Outcome::Completed(result), Settlement::Ack),
            Err(error) => (Outcome::Failed(error.to_string()), settle::failed(delivery, &error, self.retries)),
        }
    }

    /// Tells who asked. The reply is confirmed before the task leaves its queue; where nobody listens any more there is
    /// nobody to tell.
    async fn reply(&self, request: &TaskRequest, outcome: &Outcome) {
        let Some(queue) = &request.reply_to else { return };
        let encoded = outcome.encode(&request.correlation_id, None);
        let reply = Publication::new(DEFAULT_EXCHANGE, queue.as_str(), encoded.properties, encoded.body);
        let mut backoff = Backoff::starting_at(FIRST_PAUSE);
        // Without its client nobody settles the delivery either.
        while let Some(client) = self.client.upgrade() {
            match client.publish(reply.clone()).await {
                Ok(()) => return,
                Err(error) if matches!(error, PublishError::Unroutable { .. }) || !error.may_pass() => {
                    tracing::info!(queue = queue.as_str(), "nobody takes the reply: {error}");
                    return;
                }
                Err(error) => tracing::debug!(%error, "the reply is not published yet: {error}"),
            }
            drop(client);
            tokio::time::sleep(backoff.pause()).await;
        }
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
            Err(malformed) => return delivery.settle(settle::malformed(&self.queue, &malformed)),
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
            self.reply(&request, &outcome).await;
        }
        let Delivery { routing_key, properties, .. } = delivery;
        receipt.settle(Original { routing_key, properties, body }, settlement);
    }
}
