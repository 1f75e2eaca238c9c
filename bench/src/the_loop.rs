//! The yardstick: consume, instantiate and execute, upsert in batches, ack in groups, and nothing else. No limits, no
//! check of the envelope, no retry, no deduplication, no attempts, no reconnect: what a service that does all that is
//! measured against.

pub(crate) mod sandbox;

use std::{collections::BTreeSet, sync::Arc};

use chrono::{DateTime, Utc};
use futures_util::StreamExt;
use lapin::{Channel, message::Delivery, options::BasicAckOptions};
use sea_orm::sqlx::{self, PgPool};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use uuid::Uuid;

use self::sandbox::Sandbox;
use crate::{
    Places, Result,
    database::{self, column, text},
    worker::{self, Worker},
};

/// What is delivered and not acked: more made it no faster.
const PREFETCH: u16 = 2000;

/// Most deliveries that are executed one after the other, as one unit for the scheduler.
const CHUNK: usize = 64;

/// The most rows of a statement.
pub(crate) const FLUSH: usize = 1000;

/// The columns that the wire contract promises, and no index but the key.
const TABLE: &str = "CREATE TABLE task_store (id_task uuid PRIMARY KEY, correlation_id text, producer_app text, \
                     created_at timestamptz NOT NULL, task_name text, payload jsonb, status text NOT NULL, result jsonb, \
                     error text, message_id text, routing_key text, attempt int NOT NULL, component_digest text, \
                     runtime_id text, started_at timestamptz, finished_at timestamptz)";

const UPSERT: &str = "INSERT INTO task_store (id_task, correlation_id, producer_app, created_at, task_name, payload, status, \
                      result, error, message_id, routing_key, attempt, component_digest, runtime_id, started_at, finished_at) \
                      SELECT id, correlation_id, producer_app, created_at, 'echo', payload::jsonb, status, result::jsonb, \
                      error, message_id, routing_key, 0, $11, $12, created_at, finished_at \
                      FROM unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[], $5::text[], $6::text[], $7::text[], \
                      $8::text[], $9::text[], $10::text[], $13::timestamptz[]) AS new(id, correlation_id, producer_app, \
                      created_at, payload, status, result, error, message_id, routing_key, finished_at) \
                      ON CONFLICT (id_task) DO UPDATE SET status = excluded.status, result = excluded.result, \
                      error = excluded.error, finished_at = excluded.finished_at WHERE task_store.status <> 'COMPLETED'";

/// As long as those of warren are.
const DIGEST: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
const RUNTIME: &str = "00000000-0000-0000-0000-000000000000";

/// A task that was executed.
struct Done {
    delivery: Delivery,
    id: Uuid,
    payload: String,
    answer: std::result::Result<String, String>,
    created_at: DateTime<Utc>,
    finished_at: DateTime<Utc>,
}

pub(crate) async fn execute(places: &Places) -> Result<()> {
    let pool = database::connect(&places.database, 1).await?;
    sqlx::query(TABLE).execute(&pool).await?;
    let sandbox = Arc::new(Sandbox::of_component(&places.components.join("echo.wasm"))?);
    let worker = Worker::start(places, "tasks", PREFETCH).await?;
    let (done, recording) = unbounded_channel();
    tokio::spawn(consume(worker.deliveries.clone(), sandbox, done));
    record(recording, &pool, &worker.channel).await
}

async fn consume(deliveries: lapin::Consumer, sandbox: Arc<Sandbox>, done: UnboundedSender<Done>) {
    let mut chunks = deliveries.ready_chunks(CHUNK);
    while let Some(chunk) = chunks.next().await {
        let (sandbox, done) = (sandbox.clone(), done.clone());
        tokio::spawn(async move {
            for delivery in chunk {
                match execute_one(&sandbox, delivery).await {
                    Ok(task) => drop(done.send(task)),
                    Err(error) => eprintln!("{error}"),
                }
            }
        });
    }
}

async fn execute_one(sandbox: &Sandbox, delivery: lapin::Result<Delivery>) -> Result<Done> {
    let (delivery, created_at) = (delivery?, Utc::now());
    let payload = worker::payload(&delivery)?.to_owned();
    let id = delivery.properties.message_id().as_ref().and_then(|id| id.as_str().parse().ok());
    Ok(Done {
        id: id.unwrap_or_else(Uuid::now_v7),
        answer: sandbox.execute(&payload).await?,
        payload,
        created_at,
        finished_at: Utc::now(),
        delivery,
    })
}

/// One statement after the other, with all that came meanwhile; after each, one ack up to the first that is not done.
async fn record(mut recording: UnboundedReceiver<Done>, pool: &PgPool, channel: &Channel) -> Result<()> {
    let (mut acked, mut ahead, mut rows) = (0, BTreeSet::new(), Vec::with_capacity(FLUSH));
    while recording.recv_many(&mut rows, FLUSH).await > 0 {
        upsert(pool, &rows).await?;
        for row in rows.drain(..) {
            ahead.insert(row.delivery.delivery_tag);
            worker::answer(channel, &row.delivery, &row.answer.unwrap_or_else(|error| error)).await?;
        }
        let before = acked;
        while ahead.remove(&(acked + 1)) {
            acked += 1;
        }
        if acked > before {
            channel.basic_ack(acked, BasicAckOptions { multiple: true }).await?;
        }
    }
    Ok(())
}

async fn upsert(pool: &PgPool, rows: &[Done]) -> Result<()> {
    sqlx::query(UPSERT)
        .bind(column(rows, |row| row.id))
        .bind(column(rows, |row| text(row.delivery.properties.correlation_id())))
        .bind(column(rows, |row| text(row.delivery.properties.app_id())))
        .bind(column(rows, |row| row.created_at))
        .bind(column(rows, |row| row.payload.as_str()))
        .bind(column(rows, |row| if row.answer.is_ok() { "COMPLETED" } else { "FAILED" }))
        .bind(column(rows, |row| row.answer.as_deref().ok()))
        .bind(column(rows, |row| row.answer.as_deref().err()))
        .bind(column(rows, |row| text(row.delivery.properties.message_id())))
        .bind(column(rows, |row| row.delivery.routing_key.as_str()))
        .bind(DIGEST)
        .bind(RUNTIME)
        .bind(column(rows, |row| row.finished_at))
        .execute(pool)
        .await?;
    Ok(())
}
