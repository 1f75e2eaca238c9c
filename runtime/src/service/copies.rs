//! Copies that take a message's place in the queue of its class: of one whose wish that was, and of one that has waited for its
//! place in the sandbox for as long as a delivery may.

use std::time::Duration;

use event_driven::{
    backoff::Backoff,
    lapin::BasicProperties,
    message::{TaskRequest, moved_properties},
    names::Priority,
};

use super::Service;
use crate::broker::{Broker, Delivery, Publish, PublishError, Settlement, Target};

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

    /// What becomes of a message whose task had no place here in time. As a rule it is given back. But a quorum queue takes what was
    /// given back 20 times for poison, and what is delivered again for a copy of what failed: then a copy waits in its place, as if
    /// it had just been published. Not of one that has no id: that would not be known for the task that has its row.
    pub(super) async fn wait_in_queue(
        &self,
        request: TaskRequest,
        may_go_back: bool,
        delivery: &Delivery,
    ) -> Option<Settlement> {
        let counts = matches!(self.parts.broker, Broker::RabbitMq(_));
        if may_go_back || !counts || request.message_id.is_none() || self.is_stopping() || delivery.is_void() {
            return None;
        }
        let properties = moved_properties(&delivery.properties, &delivery.routing_key);
        match self.copy_to_class(request.priority, properties, delivery).await? {
            Ok(()) => {
                let name = request.task_name.as_str();
                tracing::debug!(
                    task.name = name,
                    "there was no place for a task in time: a copy waits for it in its queue"
                );
                Some(Settlement::Ack)
            }
            Err(error) => {
                tracing::warn!(%error, class = %request.priority, "a task that waits for its place can't be published anew: {error}");
                None
            }
        }
    }
}
