//! The way of events: decode, record, settle. Executes nothing.
//!
//! Events that came together go it together: as a rule one statement has them all, and one wakes for it.

use std::sync::Arc;

use event_driven::message::EventMessage;

use super::{Service, rows};
use crate::{
    broker::{Delivery, Settlement},
    lifecycle::{EventRow, RecordError},
    outcome::{ErrorClass, Failure},
};

/// An event, and the delivery that it came by.
type Delivered = (EventMessage, Delivery);

impl Service {
    pub(super) async fn process_events(self: Arc<Self>, deliveries: Vec<Delivery>) {
        let mut events = Vec::with_capacity(deliveries.len());
        for delivery in deliveries {
            match EventMessage::decode(&delivery.routing_key, &delivery.properties, &delivery.body, self.max_body()) {
                Ok(event) => events.push((event, delivery)),
                Err(malformed) => {
                    let failure = Failure::new(ErrorClass::Malformed, malformed.to_string());
                    tracing::info!("an event breaks the contract: {malformed}");
                    self.settle(delivery, Some(Settlement::DeadLetter { error: failure.to_string() }));
                }
            }
        }
        let rows = events.iter().map(|event| self.row(event)).collect();
        let Some(recorded) = self.recorded(rows, events.iter().map(|(_, delivery)| delivery)).await else { return };
        let mut refused = Vec::new();
        for (event, recorded) in events.into_iter().zip(recorded) {
            match recorded {
                Ok(()) => self.settle(event.1, Some(Settlement::Ack)),
                Err(RecordError::Stopped) => self.settle(event.1, self.not_recorded()),
                Err(RecordError::Refused { reason }) => refused.push((event, reason)),
            }
        }
        if !refused.is_empty() {
            Box::pin(self.bury_events(refused)).await;
        }
    }

    /// Events that the database refuses are stored without what it refuses, and their messages are kept for a person to see.
    async fn bury_events(&self, refused: Vec<(Delivered, String)>) {
        let (mut rows, mut buried) = (Vec::new(), Vec::new());
        for (event, reason) in refused {
            let row = self.row(&event);
            let failure = Failure::new(ErrorClass::Unstorable, format!("the database refused the row: {reason}"));
            tracing::warn!(event.id = %row.id, "{failure}");
            rows.push(row.storable(&reason));
            buried.push((event.1, failure));
        }
        let Some(recorded) = self.recorded(rows, buried.iter().map(|(delivery, _)| delivery)).await else { return };
        for ((delivery, failure), recorded) in buried.into_iter().zip(recorded) {
            let settlement = match recorded {
                Err(RecordError::Stopped) => self.not_recorded(),
                Ok(()) | Err(RecordError::Refused { .. }) => {
                    Some(Settlement::DeadLetter { error: failure.to_string() })
                }
            };
            self.settle(delivery, settlement);
        }
    }

    /// Records the rows, in time for the deliveries that they came by: of one connection, or those before the last are void already.
    async fn recorded<'d>(
        &self,
        rows: Vec<EventRow>,
        mut deliveries: impl DoubleEndedIterator<Item = &'d Delivery>,
    ) -> Option<Vec<Result<(), RecordError>>> {
        self.in_time(self.parts.recorder.record_events(rows), deliveries.next_back()?).await
    }

    fn row(&self, (event, delivery): &Delivered) -> EventRow {
        rows::event(event, delivery.redelivered, self.parts.database.clock().now())
    }
}
