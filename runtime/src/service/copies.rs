//! Copies that take a message's place in the queue of its class: of one whose wish that was, and of one that has waited for its
//! place in the sandbox for as long as a delivery may.

use std::time::Duration;

use event_driven::{backoff::Backoff, lapin::BasicProperties, message::waiting_properties, names::Priority};
use tokio::time::timeout;

use super::{Service, admission::Task};
use crate::broker::{Broker, Delivery, Publish, PublishError, Settlement, Target};

/// For so long it is tried to publish a copy of what waits for its place. Its delivery must not stay until RabbitMQ takes it back.
const PATIENCE: Duration = Duration::from_secs(30);

/// The first pause before a message that no queue has taken yet is published again.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

impl Service {
    /// Publishes a copy of the message into the queue of a class, as often as it takes. `None`: the stop came, or the message can't be
    /// settled any more.
    pub(super) async fn copy_to_class(
        &self,
        class: Priority,
        properties: BasicProperties,
        delivery: &Delivery,
    ) -> Option<Result<(), PublishError>> {
        let publish = Publish { target: Target::Class(class), properties, body: delivery.body.clone() };
        let published = async {
            let mut backoff = Backoff::starting_at(FIRST_PAUSE);
            loop {
                match self.parts.broker.publish(publish.clone()).await {
                    Err(
                        error @ (PublishError::Disconnected(_)
                        | PublishError::TimedOut(_)
                        | PublishError::Nacked { .. }),
                    ) => {
                        tracing::debug!(%error, "a task is not in the queue of its class yet: {error}");
                        tokio::time::sleep(backoff.pause()).await;
                    }
                    published => return published,
                }
            }
        };
        self.in_time(published, delivery).await
    }

    /// What becomes of a message whose task had no place here for as long as it may wait, and that has been given back for that as often as it
    /// may: a quorum queue takes what was given back 20 times for poison. A copy waits on in its place. Where the task had FAILED
    /// and was published again, what is given back would be taken for a copy of what failed: this one is as if it had just been published.
    ///
    /// `None`: it is given back even so. One without an id would not be known for the task that has its row; and the queue may be full.
    pub(super) async fn wait_in_queue(&self, task: Box<Task>, delivery: &Delivery) -> Option<Settlement> {
        let counts = matches!(self.parts.broker, Broker::RabbitMq(_));
        if !counts || task.request.message_id.is_none() || self.is_stopping() || delivery.is_void() {
            return None;
        }
        let returns = task.may_go_back.then(|| delivery.other_returns());
        let id = task.row.id;
        // Its claim is given up first, or the copy would wait for it.
        drop(task);
        let properties = waiting_properties(&delivery.properties, &delivery.routing_key, returns);
        let class = delivery.queue.class().unwrap_or_default();
        match timeout(PATIENCE, self.copy_to_class(class, properties, delivery)).await.ok()?? {
            Ok(()) => {
                tracing::debug!(task.id = %id, "there was no place for a task in time: a copy waits for it in its queue");
                Some(Settlement::Ack)
            }
            Err(error) => {
                tracing::warn!(task.id = %id, %error, %class, "a task that waits for its place can't be put back as a copy: {error}");
                None
            }
        }
    }
}
