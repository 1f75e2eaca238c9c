//! Reads events: one, and a page of them.

use chrono::{DateTime, Utc};
use entity::{event_store, event_store::Column};
use sea_orm::{
    ColumnTrait, DerivePartialModel, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select,
    sea_query::{Expr, ExprTrait, Func},
};
use uuid::Uuid;

use super::{
    super::{Database, EventRow, QueryError},
    Cursor,
};

/// Which events to list; what is `None` does not restrict.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Those published with such a key.
    pub routing_key: Option<RoutingKeyFilter>,
    /// Those of this producer.
    pub producer_app: Option<String>,
    /// Those of this correlation id.
    pub correlation_id: Option<String>,
}

/// Which routing keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoutingKeyFilter {
    /// This one.
    Exact(String),
    /// Those that begin so, letter by letter.
    Prefix(String),
}

/// An event without its headers and payload; the fields are those of [`EventRow`].
#[derive(Debug, Clone, PartialEq, Eq, DerivePartialModel)]
#[sea_orm(entity = "event_store::Entity")]
#[allow(missing_docs)]
pub struct EventSummary {
    #[sea_orm(from_col = "id_event_store")]
    pub id: Uuid,
    pub correlation_id: Option<String>,
    pub producer_app: Option<String>,
    pub created_at: DateTime<Utc>,
    pub routing_key: String,
    pub message_id: Option<String>,
}

impl EventSummary {
    /// Where the page goes on if this is its last row.
    pub fn cursor(&self) -> Cursor {
        Cursor { created_at: self.created_at, id: self.id }
    }
}

impl Database {
    /// The event `id` with everything that is stored of it.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn find_event(&self, id: Uuid) -> Result<Option<EventRow>, QueryError> {
        let found = event_store::Entity::find_by_id(id).one(&self.reader).await?;
        Ok(found.map(EventRow::from))
    }

    /// The newest `limit` events that `filter` lets through, newest first; those older than `after` if that is given.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn list_events(
        &self,
        filter: &EventFilter,
        limit: u64,
        after: Option<Cursor>,
    ) -> Result<Vec<EventSummary>, QueryError> {
        let mut events =
            filtered(filter).order_by_desc(Column::CreatedAt).order_by_desc(Column::IdEventStore).limit(limit);
        if let Some(after) = after {
            let place = Expr::tuple([Expr::col(Column::CreatedAt), Expr::col(Column::IdEventStore)]);
            let last = Expr::tuple([Expr::value(after.created_at), Expr::value(after.id)]);
            events = events.filter(place.lt(last));
        }
        Ok(events.into_partial_model().all(&self.reader).await?)
    }
}

fn filtered(filter: &EventFilter) -> Select<event_store::Entity> {
    let mut events = event_store::Entity::find();
    match &filter.routing_key {
        None => {}
        Some(RoutingKeyFilter::Exact(key)) => events = events.filter(Column::RoutingKey.eq(key.as_str())),
        Some(RoutingKeyFilter::Prefix(prefix)) => {
            // Not LIKE: it has wildcards, and SQLite's does not tell capitals apart.
            let length = i32::try_from(prefix.chars().count()).unwrap_or(i32::MAX);
            let beginning = Func::cust("substr").arg(Expr::col(Column::RoutingKey)).arg(1_i32).arg(length);
            events = events.filter(Expr::expr(beginning).eq(prefix.as_str()));
        }
    }
    let texts = [(Column::ProducerApp, &filter.producer_app), (Column::CorrelationId, &filter.correlation_id)];
    for (column, text) in texts {
        if let Some(text) = text {
            events = events.filter(column.eq(text.as_str()));
        }
    }
    events
}
