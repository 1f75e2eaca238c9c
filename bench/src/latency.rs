//! How long single tasks take at a fixed rate: from when each is due to its answer, which a worker gives after the commit. The
//! load and its figures are those of `warren bench`, for workers that are not warren.

use std::{
    num::NonZeroU32,
    time::{Duration, Instant},
};

use futures_util::StreamExt;
use lapin::{
    Consumer,
    options::{BasicConsumeOptions, QueueDeclareOptions},
    types::FieldTable,
};
use serde_json::json;
use tokio::{task::spawn_blocking, time::timeout_at};
use tokio_util::sync::CancellationToken;
use warren::bench::{Arrivals, Timetable, Unwaited, keep};

use crate::{Places, Result, publish};

/// The first tasks find caches cold.
const WARM_UP: Duration = Duration::from_secs(1);

/// Between the moment that all is ready and the first task.
const LEAD: Duration = Duration::from_millis(50);

/// What the answer to a task that was executed has in it, whatever its form.
const ECHOED: &[u8] = b"a task of some eighty bytes";

/// How long answers are waited for, after the last task was due.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Tasks a second
    #[arg(long)]
    rate: NonZeroU32,
    /// For so long
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
}

/// Prints one JSON object. A percentile for which there are too few tasks is null.
pub(crate) async fn execute(places: &Places, args: &Args) -> Result<()> {
    let timetable = Timetable::new(args.rate, WARM_UP, Duration::try_from_secs_f64(args.seconds)?);
    // Two connections: RabbitMQ may hold up the one that publishes.
    let (publishing, answering) =
        (publish::connect(&places.rabbitmq).await?, publish::connect(&places.rabbitmq).await?);
    let (unwaited, mut confirms) = Unwaited::open(&publishing, timetable.count()).await?;
    let answers = answering.create_channel().await?;
    let own = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
    let queue = answers.queue_declare("".into(), own, FieldTable::default()).await?.name().clone();
    let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    let consumer = answers.basic_consume(queue.clone(), "".into(), options, FieldTable::default()).await?;
    let begin = Instant::now() + LEAD;
    let until = begin + timetable.end() + PATIENCE;
    let send = unwaited.sender(publish::workload(true)?, queue.as_str().parse()?);
    let pace = spawn_blocking(move || keep(&timetable, begin, &CancellationToken::new(), send));
    let arrivals = arrive(consumer, Arrivals::new(timetable, begin), until);
    // Nothing that the broker does not have can be answered.
    let (arrivals, confirmed) = tokio::join!(arrivals, timeout_at(until.into(), confirms.all()));
    let kept = pace.await?;
    let confirmed = confirmed.map_err(|_| "RabbitMQ has not confirmed all tasks in time")??;
    let spread = arrivals.spread(until);
    let micros = |per_mille| spread.per_mille(per_mille).map(|time| time.as_micros());
    let told = json!({
        "rate": args.rate,
        "sent": timetable.measured(),
        "confirmed_with_warm_up": confirmed,
        "answered_with_warm_up": arrivals.answered(),
        "answered": arrivals.measured(),
        "late": kept.late,
        "p50_us": micros(500),
        "p99_us": micros(990),
        "p999_us": micros(999),
    });
    println!("{told}");
    Ok(())
}

/// Until all are there or the time is over.
async fn arrive(mut answers: Consumer, mut arrivals: Arrivals, until: Instant) -> Arrivals {
    while !arrivals.is_complete()
        && let Ok(Some(Ok(answer))) = timeout_at(until.into(), answers.next()).await
    {
        // A failure would be answered fast, too.
        if !answer.data.windows(ECHOED.len()).any(|part| part == ECHOED) {
            continue;
        }
        if let Some(n) = answer.properties.correlation_id().as_ref().and_then(|id| id.as_str().parse().ok()) {
            arrivals.record(n, Instant::now());
        }
    }
    arrivals
}
