//! A consumer as one writes it by hand: one insert, one update and one ack for each message, many at once.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
};

use futures_util::StreamExt;
use lapin::{Channel, message::Delivery, options::BasicAckOptions};
use sea_orm::sqlx::{self, PgPool};
use serde::{Deserialize, Serialize};
use tokio::{io::AsyncWriteExt, process::Command, sync::Semaphore};
use uuid::Uuid;

use crate::{
    Places, Result, database, one,
    worker::{self, Worker},
};

/// Messages that are worked on at once.
const PREFETCH: u16 = 100;

/// Connections to the database: what a pool has by default.
const CONNECTIONS: u32 = 10;

/// How a task is kept from the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Isolation {
    /// Not at all: native code, in this process.
    None,
    /// A process for each, with the component in it.
    Process,
}

/// The code that a task runs.
enum Work {
    Native,
    Processes { binary: PathBuf, code: PathBuf, places: Semaphore },
}

/// What the task is about, as far as it looks.
#[derive(Debug, Serialize, Deserialize)]
struct Payload(serde_json::Value);

pub(crate) async fn execute(places: &Places, isolation: Isolation) -> Result<()> {
    let pool = database::connect(&places.database, CONNECTIONS).await?;
    sqlx::query(
        "CREATE TABLE IF NOT EXISTS task (id uuid PRIMARY KEY, payload jsonb NOT NULL, status text NOT NULL, result jsonb, \
         started_at timestamptz NOT NULL DEFAULT now(), finished_at timestamptz)",
    )
    .execute(&pool)
    .await?;
    let work = Arc::new(work(&places.components, isolation)?);
    let mut worker = Worker::start(places, "tasks", PREFETCH).await?;
    while let Some(delivery) = worker.deliveries.next().await {
        let (delivery, pool, channel, work) = (delivery?, pool.clone(), worker.channel.clone(), work.clone());
        tokio::spawn(async move {
            if let Err(error) = handle(delivery, &pool, &channel, &work).await {
                eprintln!("{error}");
            }
        });
    }
    Ok(())
}

fn work(components: &Path, isolation: Isolation) -> Result<Work> {
    if isolation == Isolation::None {
        return Ok(Work::Native);
    }
    let code = std::env::temp_dir().join(format!("warren-bench-{}.cwasm", std::process::id()));
    one::compile(&components.join("echo.wasm"), &code)?;
    let places = Semaphore::new(std::thread::available_parallelism().map_or(1, usize::from));
    Ok(Work::Processes { binary: std::env::current_exe()?, code, places })
}

async fn handle(delivery: Delivery, pool: &PgPool, channel: &Channel, work: &Work) -> Result<()> {
    let payload = worker::payload(&delivery)?;
    let id = Uuid::now_v7();
    sqlx::query("INSERT INTO task (id, payload, status) VALUES ($1, $2::jsonb, 'RUNNING')")
        .bind(id)
        .bind(payload)
        .execute(pool)
        .await?;
    let result = work.execute(payload).await?;
    sqlx::query("UPDATE task SET status = 'COMPLETED', result = $2::jsonb, finished_at = now() WHERE id = $1")
        .bind(id)
        .bind(&result)
        .execute(pool)
        .await?;
    worker::answer(channel, &delivery, &result).await?;
    delivery.acker.ack(BasicAckOptions::default()).await?;
    Ok(())
}

impl Work {
    async fn execute(&self, payload: &str) -> Result<String> {
        let Self::Processes { binary, code, places } = self else {
            let payload: Payload = serde_json::from_str(payload)?;
            return Ok(serde_json::to_string(&payload)?);
        };
        let _place = places.acquire().await?;
        let mut command = Command::new(binary);
        let mut child = command.arg("one").arg(code).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut stdin = child.stdin.take().ok_or("no stdin")?;
        stdin.write_all(payload.as_bytes()).await?;
        drop(stdin);
        let output = child.wait_with_output().await?;
        if !output.status.success() {
            return Err(format!("the process ended with {}", output.status).into());
        }
        Ok(String::from_utf8(output.stdout)?)
    }
}
