//! How long single tasks take at a fixed rate: from when each is due to its answer, which comes after the commit.
//!
//! Sending never waits for answers, so that a stall counts for all tasks that were due meanwhile.

mod amqp;
mod http;

use std::{
    num::NonZeroU32,
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;

pub(super) use self::amqp::Answers;
use super::{Arrivals, BenchError, Grounds, Kept, Latency, Subject, Timetable, Watch, Workload};

/// The first tasks find caches cold.
const WARM_UP: Duration = Duration::from_secs(1);

/// Between the moment that all is ready and the first task.
const LEAD: Duration = Duration::from_millis(50);

/// How long answers are waited for at least, after the last task was due.
const PATIENCE: Duration = Duration::from_secs(5);

/// One load and when it begins.
#[derive(Debug, Clone)]
struct Load {
    workload: Workload,
    timetable: Timetable,
    begin: Instant,
    /// When no answer is waited for any longer.
    until: Instant,
}

/// Measures one rate, on a runtime of its own: what one rate has left behind does not burden the next.
pub(super) async fn latency(
    grounds: &Grounds,
    workload: &Workload,
    per_second: NonZeroU32,
    measured: Duration,
    watch: &dyn Watch,
) -> Result<Latency, BenchError> {
    grounds.clear().await?;
    let mut subject = Subject::start(grounds.command())?;
    let url = subject.ready().await?;
    let timetable = Timetable::new(per_second, WARM_UP, measured);
    watch.begin(&format!("{per_second} tasks a second"), timetable.count());
    let begin = Instant::now() + LEAD;
    let until = begin + timetable.end() + PATIENCE.max(measured);
    let load = Load { workload: workload.clone(), timetable, begin, until };
    let measured = match grounds.is_dev() {
        true => http::measure(load, &url, watch).await,
        false => amqp::measure(load, grounds, watch).await,
    };
    watch.end();
    subject.ensure_runs().await?;
    let (kept, arrivals) = measured?;
    subject.stop().await?;
    Ok(figures(&timetable, &kept, &arrivals, until))
}

fn figures(timetable: &Timetable, kept: &Kept, arrivals: &Arrivals, until: Instant) -> Latency {
    let spread = arrivals.spread(until);
    let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    Latency {
        per_second: timetable.per_second().get(),
        sent: timetable.measured(),
        answered: arrivals.measured(),
        unanswered: timetable.measured() - arrivals.measured(),
        answered_per_second: arrivals.per_second(),
        p50_us: spread.per_mille(500).map(micros),
        p99_us: spread.per_mille(990).map(micros),
        p99_9_us: spread.per_mille(999).map(micros),
        max_us: spread.longest().map(micros),
        late: kept.late,
        latest_us: micros(kept.longest),
    }
}

/// Keeps the timetable on a thread that may block, until this is dropped.
async fn pace(load: &Load, send: impl FnMut(u64) -> bool + Send + 'static) -> Result<Kept, BenchError> {
    let stop = CancellationToken::new();
    let _dropped = stop.clone().drop_guard();
    let (timetable, begin) = (load.timetable, load.begin);
    let kept = tokio::task::spawn_blocking(move || super::keep(&timetable, begin, &stop, send)).await;
    kept.map_err(|error| BenchError::System {
        what: "the thread that sends has ended early".to_owned(),
        source: std::io::Error::other(error),
    })
}
