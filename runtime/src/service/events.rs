//! The way of an event: decode, record, settle. Executes nothing.

use std::sync::Arc;

use event_driven::message::EventMessage;

use super::{Service, rows};
use crate::{
    broker::{Delivery, Settlement},
    lifecycle::{EventRow, RecordError},
    outcome::{ErrorClass, Failure},
};

impl Service {
    pub(super) async fn process_event(self: Arc<Self>, delivery: Delivery) {
        let decoded =
            EventMessage::decode(&delivery.routing_key, &delivery.properties, &delivery.body, self.max_body());
        let settlement = match decoded {
            Ok(event) => {
                let row = rows::event(&event, delivery.redelivered, self.parts.database.clock().now());
                self.in_time(self.record_event(row), &delivery).await.flatten()
            }
            Err(malformed) => {
                let failure = Failure::new(ErrorClass::Malformed, malformed.to_string());
                tracing::info!("an event breaks the contract: {malformed}");
                Some(Settlement::DeadLetter { error: failure.to_string() })
            }
        };
        self.settle(delivery, settlement);
    }

    async fn record_event(&self, row: EventRow) -> Option<Settlement> {
        match self.parts.recorder.record_event(row.clone()).await {
            Ok(()) => Some(Settlement::Ack),
            Err(RecordError::Stopped) => self.not_recorded(),
            Err(RecordError::Refused { reason }) => {
                let failure = Failure::new(ErrorClass::Unstorable, format!("the database refused the row: {reason}"));
                tracing::warn!(event.id = %row.id, "{failure}");
                match self.parts.recorder.record_event(row.storable(&reason)).await {
                    Err(RecordError::Stopped) => self.not_recorded(),
                    Ok(()) | Err(RecordError::Refused { .. }) => {
                        Some(Settlement::DeadLetter { error: failure.to_string() })
                    }
                }
            }
        }
    }
}
