//! The yardstick for events: consume, insert the row of each in batches, ack in groups, and nothing else.

use chrono::Utc;
use futures_util::{StreamExt, TryStreamExt, stream};
use lapin::{message::Delivery, options::BasicAckOptions};
use sea_orm::sqlx::{self, PgPool};
use uuid::Uuid;

use crate::{
    Places, Result,
    database::{self, column, text},
    the_loop::FLUSH,
    worker::Worker,
};

/// What is delivered and not acked.
const PREFETCH: u16 = 6000;

/// The columns that the wire contract promises, and no index but the key.
const TABLE: &str = "CREATE TABLE event_store (id_event_store uuid PRIMARY KEY, correlation_id text, producer_app text, \
                     created_at timestamptz NOT NULL, headers jsonb, payload jsonb, routing_key text NOT NULL, \
                     message_id text)";

const INSERT: &str = "INSERT INTO event_store (id_event_store, correlation_id, producer_app, created_at, headers, payload, \
                      routing_key, message_id) SELECT id, correlation_id, producer_app, $7, '{}', payload::jsonb, \
                      routing_key, message_id FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], \
                      $6::text[]) AS new(id, correlation_id, producer_app, payload, routing_key, message_id) \
                      ON CONFLICT (id_event_store) DO NOTHING";

pub(crate) async fn execute(places: &Places) -> Result<()> {
    let pool = database::connect(&places.database, 1).await?;
    sqlx::query(TABLE).execute(&pool).await?;
    let worker = Worker::start(places, "event.store", PREFETCH).await?;
    let mut chunks = worker.deliveries.clone().ready_chunks(FLUSH);
    while let Some(chunk) = chunks.next().await {
        let events: Vec<_> = stream::iter(chunk).try_collect().await?;
        insert(&pool, &events).await?;
        if let Some(last) = events.last() {
            worker.channel.basic_ack(last.delivery_tag, BasicAckOptions { multiple: true }).await?;
        }
    }
    Ok(())
}

async fn insert(pool: &PgPool, events: &[Delivery]) -> Result<()> {
    let payloads = events.iter().map(|event| std::str::from_utf8(&event.data)).collect::<Result<Vec<_>, _>>()?;
    let id = |event: &Delivery| event.properties.message_id().as_ref().and_then(|id| id.as_str().parse().ok());
    sqlx::query(INSERT)
        .bind(column(events, |event| id(event).unwrap_or_else(Uuid::now_v7)))
        .bind(column(events, |event| text(event.properties.correlation_id())))
        .bind(column(events, |event| text(event.properties.app_id())))
        .bind(payloads)
        .bind(column(events, |event| event.routing_key.as_str()))
        .bind(column(events, |event| text(event.properties.message_id())))
        .bind(Utc::now())
        .execute(pool)
        .await?;
    Ok(())
}
