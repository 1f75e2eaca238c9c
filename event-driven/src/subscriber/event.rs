//! The way of an event: decode, handle, settle.

use std::{marker::PhantomData, sync::Arc};

use serde::de::DeserializeOwned;
use serde_json::error::Category;

use super::{Delivery, Handler, HandlerError, SubscriberSettings, handler, settle, worker};
use crate::{
    client::{Original, RawDelivery, Settlement, Source},
    message::MessageHeaders,
};

/// How events of one queue are handled.
pub(super) struct Process<T, H> {
    handler: Arc<H>,
    queue: Arc<str>,
    retries: u32,
    max_body: usize,
    _value: PhantomData<fn(T)>,
}

impl<T, H> Process<T, H> {
    pub(super) fn new(handler: Arc<H>, source: &Source, settings: &SubscriberSettings) -> Self {
        Self {
            handler,
            queue: source.queue.as_str().into(),
            retries: source.retries(),
            max_body: settings.max_body,
            _value: PhantomData,
        }
    }
}

impl<T, H> worker::Process for Process<T, H>
where
    T: DeserializeOwned + Send + 'static,
    H: Handler<T>,
{
    async fn process(&self, delivery: RawDelivery) {
        let headers = match self.readable(&delivery) {
            Ok(headers) => headers,
            Err(reason) => return delivery.settle(settle::malformed(&self.queue, &reason)),
        };
        let RawDelivery { routing_key, properties, body, redelivered, receipt } = delivery;
        let queue = Arc::clone(&self.queue);
        let delivery = Delivery { queue, routing_key, headers, properties, task_name: None, redelivered };
        let settlement = match serde_json::from_slice(&body) {
            Ok(value) => match handler::run(&*self.handler, value, &delivery).await {
                Ok(()) => Settlement::Ack,
                Err(error) => settle::failed(&delivery, &error, self.retries),
            },
            Err(error) => match error.classify() {
                Category::Data => settle::failed(&delivery, &HandlerError::model(error), self.retries),
                Category::Syntax | Category::Eof | Category::Io => {
                    settle::malformed(&self.queue, &format!("the body is not JSON: {error}"))
                }
            },
        };
        let Delivery { routing_key, properties, .. } = delivery;
        receipt.settle(Original { routing_key, properties, body }, settlement);
    }
}

impl<T, H> Process<T, H> {
    fn readable(&self, delivery: &RawDelivery) -> Result<MessageHeaders, String> {
        if delivery.body.len() > self.max_body {
            return Err(format!("the body has {} bytes, at most {} are allowed", delivery.body.len(), self.max_body));
        }
        // Serde would take an array for a struct too.
        if delivery.body.trim_ascii_start().first() != Some(&b'{') {
            return Err("the body is no JSON object".to_owned());
        }
        MessageHeaders::of_event(&delivery.properties).map_err(|error| error.to_string())
    }
}
