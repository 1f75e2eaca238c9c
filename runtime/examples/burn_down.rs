//! Measures the real binary: how long it takes for a heap of tasks, and how long one task takes that comes alone.
//!
//! `cargo build --release -p warren --bin warren && cargo run --release -p warren --example burn_down -- [TASKS]`
//!
//! Uses RABBITMQ_URL and DATABASE_URL, and both must be there for this alone: it starts `warren run` on them, which
//! consumes what is queued there, and counts every row. `make bench` makes a virtual host and a database for it.

#[path = "../tests/support/guest.rs"]
mod guest;

use std::{
    error::Error,
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::Utc;
use event_driven::{
    connection::{self, ConnectionSettings},
    lapin::{
        Connection,
        options::{BasicConsumeOptions, QueueDeclareOptions},
        types::FieldTable,
    },
    message::{Start, TaskRequest},
    names::{Attempt, Priority},
    publisher::{ConnectionPublisher, Publication, PublisherSettings},
    topology::{self, TopologySettings},
};
use futures_util::{StreamExt, TryStreamExt, stream};
use sea_orm::{ConnectionTrait, Statement};
use uuid::Uuid;
use warren::lifecycle::{Database, DatabaseConfig, TaskRow};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> Result<()> {
    let count: usize = std::env::args().nth(1).map_or(Ok(20_000), |count| count.parse())?;
    let (rabbitmq, postgres) = (std::env::var("RABBITMQ_URL")?, std::env::var("DATABASE_URL")?);
    burn_down("RabbitMQ and Postgres, tasks with a message id", count, true, &rabbitmq, &postgres).await?;
    burn_down("RabbitMQ and Postgres, tasks without", count, false, &rabbitmq, &postgres).await?;
    one_at_a_time(200, 0, &rabbitmq, &postgres).await?;
    one_at_a_time(200, 4, &rabbitmq, &postgres).await?;
    burn_down_in_process(count).await
}

/// `warren` of this build.
fn binary() -> Result<PathBuf> {
    let example = std::env::current_exe()?;
    Ok(example.parent().and_then(Path::parent).ok_or("no folder above")?.join("warren"))
}

fn components() -> Result<PathBuf> {
    let target = binary()?.parent().and_then(Path::parent).ok_or("no folder above")?.to_owned();
    Ok(target.join("components").canonicalize()?)
}

/// A running warren, killed if something goes wrong.
struct Warren(Child);

impl Warren {
    fn start(command: &mut Command) -> Result<Self> {
        command.env("WARREN_HTTP_ADDR", "127.0.0.1:0");
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let stderr = child.stderr.take().ok_or("no stderr")?;
        std::thread::spawn(move || {
            BufReader::new(stderr).lines().map_while(|line| line.ok()).for_each(|line| eprintln!("    {line}"));
        });
        Ok(Self(child))
    }

    /// Most memory that it has had, in MiB; user and system time so far, in seconds.
    fn usage(&self) -> Result<(u64, f64)> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
        let kib: u64 = peak.trim().trim_end_matches("kB").trim().parse()?;
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0.id()))?;
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        // Fields 14 and 15 of proc(5), in ticks of 10 ms; two fields stand before the name's end.
        let ticks: u64 = fields.get(11..13).ok_or("no times")?.iter().filter_map(|n| n.parse::<u64>().ok()).sum();
        Ok((kib / 1024, ticks as f64 / 100.0))
    }

    fn stop(mut self) -> Result<()> {
        Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status()?;
        self.0.wait()?;
        Ok(())
    }
}

impl Drop for Warren {
    fn drop(&mut self) {
        // It has ended by itself, as a rule.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn publisher(rabbitmq: &str) -> Result<(Arc<Connection>, ConnectionPublisher)> {
    let settings =
        ConnectionSettings { address: rabbitmq.parse()?, name: "bench".into(), timeout: Duration::from_secs(5) };
    let connection = Arc::new(connection::connect(&settings).await?);
    topology::apply(&connection, &topology::plan(&TopologySettings::default())).await?;
    let publisher = ConnectionPublisher::new(connection.clone(), &PublisherSettings::default()).await?;
    Ok((connection, publisher))
}

fn task(name: &str, n: usize, with_id: bool) -> Result<TaskRequest> {
    Ok(TaskRequest {
        routing_key: format!("routing.task.run.{name}"),
        task_name: name.parse()?,
        payload: format!(r#"{{"n":{n},"text":"a task of some eighty bytes, as one of this kind has"}}"#).parse()?,
        producer_app: "bench".parse()?,
        correlation_id: Uuid::now_v7().to_string().parse()?,
        message_id: if with_id { Some(Uuid::now_v7().to_string().parse()?) } else { None },
        reply_to: None,
        attempt: Attempt::FIRST,
        start: Start::AtOnce,
        priority: Priority::Normal,
        unique_for: None,
        traceparent: None,
        tracestate: None,
    })
}

async fn count(database: &Database, status: &str) -> Result<usize> {
    let sql = format!("SELECT count(*) AS n FROM task_store WHERE status = '{status}'");
    let connection = database.connection();
    let row = connection.query_one_raw(Statement::from_string(connection.get_database_backend(), sql)).await?;
    let n: i64 = row.ok_or("no row")?.try_get("", "n")?;
    Ok(usize::try_from(n)?)
}

/// From the start of the process until all rows are COMPLETED.
async fn wait_until_done(database: &Database, warren: &Warren, count: usize, what: &str) -> Result<()> {
    let (started, mut first) = (Instant::now(), None);
    loop {
        let done = self::count(database, "COMPLETED").await?;
        if done > 0 && first.is_none() {
            first = Some((started.elapsed(), done));
        }
        if done >= count {
            let took = started.elapsed();
            let (peak, cpu) = warren.usage()?;
            let (from, already) = first.unwrap_or((Duration::ZERO, 0));
            let rate = (done - already) as f64 / (took - from).as_secs_f64();
            println!(
                "{what}: {count} tasks COMPLETED {:.2} s after the start of the process ({:.0}/s; {rate:.0}/s from the first \
                 commit on), {peak} MiB at most, {cpu:.2} s of processor time",
                took.as_secs_f64(),
                count as f64 / took.as_secs_f64()
            );
            return Ok(());
        }
        if started.elapsed() > Duration::from_secs(120) {
            return Err(format!("{done} of {count} after 120 s").into());
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}

async fn burn_down(what: &str, count: usize, with_id: bool, rabbitmq: &str, postgres: &str) -> Result<()> {
    let database = Database::connect(&DatabaseConfig::new(postgres)).await?;
    database.migrate().await?;
    database.connection().execute_unprepared("TRUNCATE task_store").await?;
    let (_connection, publisher) = publisher(rabbitmq).await?;
    let started = Instant::now();
    stream::iter(0..count)
        .map(|n| Ok::<_, Box<dyn Error>>((n, publisher.clone())))
        .try_for_each_concurrent(512, |(n, publisher)| async move {
            Ok(publisher.publish(Publication::of_task(&task("echo", n, with_id)?)).await?)
        })
        .await?;
    println!("published with confirms: {:.0}/s", count as f64 / started.elapsed().as_secs_f64());
    let warren = Warren::start(Command::new(binary()?).arg("run").env("WARREN_COMPONENTS_URL", components()?))?;
    wait_until_done(&database, &warren, count, what).await?;
    warren.stop()?;
    database.close().await;
    Ok(())
}

/// From the publish to the answer, which is given after the row is committed; beside so many guests that never end.
async fn one_at_a_time(count: usize, endless: usize, rabbitmq: &str, postgres: &str) -> Result<()> {
    let folder = tempfile::tempdir()?;
    fs::copy(components()?.join("echo.wasm"), folder.path().join("echo.wasm"))?;
    fs::write(folder.path().join("endless.wasm"), guest::guest("(loop (br 0)) (unreachable)"))?;
    fs::write(folder.path().join("endless.toml"), "[limits]\ntimeout = '5m'\ncpu = '5m'\n")?;
    let mut run = Command::new(binary()?);
    let warren = Warren::start(run.arg("run").env("WARREN_COMPONENTS_URL", folder.path()))?;
    let database = Database::connect(&DatabaseConfig::new(postgres)).await?;
    let (connection, publisher) = publisher(rabbitmq).await?;
    for n in 0..endless {
        publisher.publish(Publication::of_task(&task("endless", n, false)?)).await?;
    }
    while self::count(&database, "RUNNING").await? < endless {
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    let mut micros = answers_in(count, &connection, &publisher).await?;
    micros.sort_unstable();
    let at = |share: usize| micros.get((micros.len() - 1) * share / 100).copied().unwrap_or_default();
    println!(
        "one at a time beside {endless} guests that never end, publish to answer after commit: p50 {} µs, p99 {} µs",
        at(50),
        at(99)
    );
    // At once: those that never end would have their grace.
    drop(warren);
    println!(
        "of it, from the delivery until the outcome is known (created_at to finished_at): {}",
        in_runtime(&database).await?
    );
    Ok(())
}

/// Publishes one task after the other, each when the one before is answered; gives how long each took, in microseconds.
async fn answers_in(count: usize, connection: &Connection, publisher: &ConnectionPublisher) -> Result<Vec<u128>> {
    let channel = connection.create_channel().await?;
    let options = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
    let queue = channel.queue_declare("".into(), options, FieldTable::default()).await?;
    let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    let mut answers = channel.basic_consume(queue.name().clone(), "".into(), options, FieldTable::default()).await?;
    let mut micros = Vec::new();
    for n in 0..count + 20 {
        let mut request = task("echo", n, true)?;
        request.reply_to = Some(queue.name().as_str().parse()?);
        let started = Instant::now();
        publisher.publish(Publication::of_task(&request)).await?;
        answers.next().await.ok_or("no answer")??;
        // The first ones find caches cold, and the runtime still starting.
        if n >= 20 {
            micros.push(started.elapsed().as_micros());
        }
    }
    Ok(micros)
}

/// What the newest rows say.
async fn in_runtime(database: &Database) -> Result<String> {
    let sql = "SELECT percentile_disc(array[0.5, 0.99]) WITHIN GROUP (ORDER BY extract(epoch FROM finished_at - created_at) * 1e6) \
               ::text AS p FROM (SELECT * FROM task_store WHERE task_name = 'echo' ORDER BY created_at DESC LIMIT 200) AS newest";
    let connection = database.connection();
    let row = connection.query_one_raw(Statement::from_string(connection.get_database_backend(), sql)).await?;
    let p: String = row.ok_or("no row")?.try_get("", "p")?;
    Ok(format!("p50, p99 = {p} µs"))
}

/// Rows that were accepted before the start, as after a crash: `warren dev` takes them up.
async fn burn_down_in_process(count: usize) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let url = format!("sqlite://{}/warren.db", folder.path().display());
    let database = Database::connect(&DatabaseConfig::new(url)).await?;
    database.migrate().await?;
    let rows = (0..count).map(|n| {
        let request = task("echo", n, true)?;
        let message_id = request.message_id.as_ref().ok_or("has an id")?;
        let mut row = TaskRow::new(warren::service::id_of_message(&request.producer_app, message_id), Utc::now());
        row.task_name = Some("echo".into());
        row.payload = Some(request.payload.shared());
        row.producer_app = Some(request.producer_app.shared());
        row.correlation_id = Some(request.correlation_id.shared());
        row.message_id = Some(message_id.shared());
        row.routing_key = Some(request.routing_key.as_str().into());
        Ok::<_, Box<dyn Error>>(row)
    });
    let recorder = warren::lifecycle::Recorder::start(&database);
    let rows: Vec<_> = rows.collect::<Result<_>>()?;
    futures_util::future::try_join_all(rows.into_iter().map(|row| recorder.record(row))).await?;
    recorder.stop(Duration::from_secs(10)).await;
    let mut dev = Command::new(binary()?);
    let dev = dev.arg("dev").arg("--data").arg(folder.path()).env("WARREN_COMPONENTS_URL", components()?);
    let warren = Warren::start(dev)?;
    wait_until_done(&database, &warren, count, "warren dev: broker in process and SQLite").await?;
    warren.stop()
}
