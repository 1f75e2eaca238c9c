//! The way of events: decode, record, settle. Executes nothing.
//!
//! Events that came together go it together: as a rule one statement has them all, and one wakes for it. None waits for another one that
//! the database refuses or that takes it long.

use std::sync::Arc;

use event_driven::message::EventMessage;

use super::{Service, rows, together::requeue};
use crate::{
    broker::{Delivery, Settlement},
    lifecycle::{EventRow, RecordError},
    outcome::{ErrorClass, Failure},
};

/// So many bytes are decoded before others have their turn: a millisecond of work at most.
const BYTES_IN_A_TURN: usize = 256 << 10;

impl Service {
    pub(super) async fn process_events(self: Arc<Self>, deliveries: Vec<Delivery>) {
        let (mut events, mut bytes) = (Vec::with_capacity(deliveries.len()), 0);
        for delivery in deliveries {
            bytes += delivery.body.len();
            if bytes > BYTES_IN_A_TURN {
                bytes = 0;
                requeue().await;
            }
            match EventMessage::decode(&delivery.routing_key, &delivery.properties, &delivery.body, self.max_body()) {
                Ok(event) => {
                    let row = rows::event(&event, delivery.redelivered, self.parts.database.clock().now());
                    events.push((Arc::new(row), delivery));
                }
                Err(malformed) => {
                    let failure = Failure::new(ErrorClass::Malformed, malformed.to_string());
                    tracing::info!("an event breaks the contract: {malformed}");
                    self.settle(delivery, Some(Settlement::DeadLetter { error: failure.to_string() }));
                }
            }
        }
        self.record_events(events).await;
    }

    /// Settles each as soon as it is committed. What is not known to be committed when it is to be waited for no longer goes back to its
    /// queue.
    async fn record_events(self: &Arc<Self>, events: Vec<(Arc<EventRow>, Delivery)>) {
        let rows = events.iter().map(|(row, _)| row.clone()).collect();
        // All came by one connection, or those before the last by one that is gone.
        let Some((_, last)) = events.last() else { return };
        let Some(mut answers) = self.in_time(self.parts.recorder.record_events(rows), last).await else { return };
        let mut open: Vec<_> = events.into_iter().map(Some).collect();
        while let Some((_, last)) = open.iter().flatten().next_back() {
            let Some(next) = self.in_time(answers.next(), last).await else { return };
            if next.is_empty() {
                return self.recorder_stopped();
            }
            for (place, answer) in next {
                let Some((row, delivery)) = open.get_mut(place).and_then(Option::take) else { continue };
                match answer {
                    Ok(()) | Err(RecordError::Stands) => self.settle(delivery, Some(Settlement::Ack)),
                    Err(RecordError::Stopped) => self.settle(delivery, self.not_recorded()),
                    Err(RecordError::Refused { reason }) => {
                        self.deliveries.spawn(self.clone().bury_event(row, delivery, reason));
                    }
                }
            }
        }
    }

    /// An event that the database refuses is stored without what it refuses, and its message is kept for a person to see.
    async fn bury_event(self: Arc<Self>, row: Arc<EventRow>, delivery: Delivery, reason: String) {
        let failure = Failure::unstorable(&reason);
        tracing::warn!(event.id = %row.id, "{failure}");
        let recorded = self
            .in_time(self.parts.recorder.record_event(Arc::unwrap_or_clone(row).storable(&reason)), &delivery)
            .await;
        let settlement = match recorded {
            None => None,
            Some(Err(RecordError::Stopped)) => self.not_recorded(),
            Some(Ok(()) | Err(RecordError::Stands | RecordError::Refused { .. })) => {
                Some(Settlement::DeadLetter { error: failure.to_string() })
            }
        };
        self.settle(delivery, settlement);
    }
}
