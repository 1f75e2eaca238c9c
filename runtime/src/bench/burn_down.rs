//! How fast a heap of work is done that is there when the runtime starts.

use std::{
    convert::identity,
    time::{Duration, Instant},
};

use event_driven::publisher::{ConnectionPublisher, Publication, PublisherSettings};
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::{sync::mpsc, time::sleep};
use tokio_util::task::AbortOnDropHandle;

use super::{
    BenchError, BurnDown, Cpu, Grounds, Memory, Share, Subject, Watch, Workload, fill,
    http::{Http, send_all},
    rows::{Counted, Rows, error_of_a_task},
    usage::{cpu_of, cpu_of_all, memory_of},
};
use crate::lifecycle::Recorder;

/// How long nothing may be committed.
const PATIENCE: Duration = Duration::from_secs(60);

/// Pauses between two looks. Each costs the database something, so there are few in the middle and many where it matters: before
/// the first commit, and shortly before the last.
const SHORTEST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// Rows that are on their way to the database at once.
const WINDOW: usize = 10_000;

/// So many `rows` of work that wait in their queue, or as rows, when the runtime starts. Events that can't wait, because the
/// broker is in its process, are published while it runs.
pub(super) async fn burn_down(
    grounds: &Grounds,
    workload: &Workload,
    rows: Rows,
    count: u64,
    watch: &dyn Watch,
) -> Result<BurnDown, BenchError> {
    grounds.clear().await?;
    let published = match (grounds.is_dev(), rows) {
        (false, _) => Some(publish(grounds, workload, rows, count, watch).await?),
        (true, Rows::Tasks) => accept(grounds, workload, count, watch).await.map(|()| None)?,
        (true, Rows::Events) => None,
    };
    let mut subject = Subject::start(grounds.command())?;
    let (mut begin, mut sending) = (subject.begin(), None);
    if grounds.is_dev() && rows == Rows::Events {
        let http = Http::new(&subject.ready().await?)?;
        begin = Instant::now();
        sending = Some(AbortOnDropHandle::new(tokio::spawn(send_events(http, workload.clone(), count))));
    }
    watch.begin(&format!("{count} {} to the database", rows.as_str()), count);
    let burnt = Burning { grounds, workload, rows, count, begin }.watch(&mut subject, watch).await;
    watch.end();
    let burnt = burnt?;
    drop(sending);
    subject.stop().await?;
    let published_per_second = published.and_then(|took| rate(count, took));
    Ok(BurnDown { published_per_second, ..burnt })
}

/// Fills the queue.
async fn publish(
    grounds: &Grounds,
    workload: &Workload,
    rows: Rows,
    count: u64,
    watch: &dyn Watch,
) -> Result<Duration, BenchError> {
    let publisher = ConnectionPublisher::new(grounds.connect().await?.into(), &PublisherSettings::default()).await?;
    let message = |n| -> Result<Publication, BenchError> {
        match rows {
            Rows::Tasks => Ok(Publication::of_task(&workload.task(n, None))),
            Rows::Events => Ok(Publication::of_event(&workload.event(n))?),
        }
    };
    watch.begin(&format!("{count} {} to their queue", rows.as_str()), count);
    let took = fill(&publisher, count, message, watch).await;
    watch.end();
    took
}

/// Writes rows of tasks that were accepted, as after a crash: `warren dev` takes them up.
async fn accept(grounds: &Grounds, workload: &Workload, count: u64, watch: &dyn Watch) -> Result<(), BenchError> {
    let database = grounds.database()?;
    let (recorder, mut written) = (Recorder::start(database), 0);
    watch.begin(&format!("{count} tasks as rows"), count);
    let record = |n| recorder.record(workload.row(n, database.clock().now()));
    let all = stream::iter(0..count).map(record).buffer_unordered(WINDOW).try_for_each(|()| {
        written += 1;
        watch.at(written);
        std::future::ready(Ok(()))
    });
    let recorded = all.await;
    watch.end();
    let stopped = recorder.stop(PATIENCE).await;
    let failed = |what: &str| BenchError::System {
        what: "the tasks can't be written as rows".to_owned(),
        source: std::io::Error::other(what),
    };
    recorded.map_err(|error| failed(&error.to_string()))?;
    if stopped { Ok(()) } else { Err(failed("the recorder did not end")) }
}

/// Publishes events over HTTP, many at once. One that is refused is one that is missing in the end.
async fn send_events(http: Http, workload: Workload, count: u64) {
    let ((due, to_send), (told, mut answers)) = (mpsc::channel(1), mpsc::channel(1));
    let request = move |n| {
        let (http, event) = (http.clone(), workload.event(n));
        async move { http.event(&event).await.is_ok() }
    };
    let feed = async move {
        for n in 0..count {
            if due.send(n).await.is_err() {
                break;
            }
        }
    };
    let count = async { while answers.recv().await.is_some_and(identity) {} };
    tokio::join!(send_all(to_send, told, request), feed, count);
}

/// A heap of work, while it is done.
struct Burning<'a> {
    grounds: &'a Grounds,
    workload: &'a Workload,
    rows: Rows,
    count: u64,
    begin: Instant,
}

/// What was seen at one moment.
struct Look {
    at: Instant,
    done: u64,
    times: Times,
}

/// Processor time so far.
#[derive(Clone, Copy)]
struct Times {
    runtime: Option<Duration>,
    broker: Option<Duration>,
    database: Option<Duration>,
}

impl Burning<'_> {
    /// Looks at it until all is done.
    async fn watch(&self, subject: &mut Subject, watch: &dyn Watch) -> Result<BurnDown, BenchError> {
        let neighbours = self.grounds.neighbours().await;
        let (mut first, mut newest, mut changed): (Option<Look>, u64, _) = (None, 0, Instant::now());
        loop {
            let counted = self.rows.count(self.grounds.database()?).await?;
            let at = Instant::now();
            if counted.failed > 0 {
                let error = error_of_a_task(self.grounds.database()?).await?.unwrap_or_default();
                return Err(BenchError::NotCompleted { name: self.workload.task_name.clone(), error });
            }
            if counted.done > newest {
                (newest, changed) = (counted.done, at);
                watch.at(newest);
            }
            if first.is_none() && newest > 0 {
                first = Some(Look { at, done: newest, times: Times::read(subject, neighbours) });
            }
            if let Some(first) = first.as_ref().filter(|_| newest >= self.count) {
                let last = Look { at, done: newest, times: Times::read(subject, neighbours) };
                let memory = subject.id().and_then(memory_of);
                let memory = memory.map(|(after_bytes, peak_bytes)| Memory { peak_bytes, after_bytes });
                return Ok(self.figures(first, &last, counted, memory));
            }
            subject.ensure_runs().await?;
            if at.duration_since(changed) > PATIENCE {
                let (count, what) = (self.count, self.rows.as_str());
                let seconds = PATIENCE.as_secs();
                return Err(subject.error(format!("has done {newest} of {count} {what}, and none for {seconds} s")));
            }
            sleep(self.pause(first.as_ref(), newest, at)).await;
        }
    }

    /// A quarter of what it will take by the rate so far.
    fn pause(&self, first: Option<&Look>, done: u64, at: Instant) -> Duration {
        let Some(first) = first.filter(|first| done > first.done) else { return SHORTEST_PAUSE };
        let each = at.duration_since(first.at).as_secs_f64() / (done - first.done) as f64;
        let left = self.count.saturating_sub(done) as f64 * each;
        Duration::try_from_secs_f64(left / 4.0).unwrap_or(LONGEST_PAUSE).clamp(SHORTEST_PAUSE, LONGEST_PAUSE)
    }

    fn figures(&self, first: &Look, last: &Look, counted: Counted, memory: Option<Memory>) -> BurnDown {
        let (took, done) = (last.at.duration_since(first.at), last.done - first.done);
        let until_first = first.at.duration_since(self.begin).as_millis();
        BurnDown {
            done: counted.done,
            rows: counted.all,
            published_per_second: None,
            first_commit_ms: u64::try_from(until_first).unwrap_or(u64::MAX),
            seconds: took.as_secs_f64(),
            per_second: rate(done, took),
            cpu: Cpu::between(&first.times, &last.times, done),
            memory,
        }
    }
}

fn rate(count: u64, took: Duration) -> Option<f64> {
    (count > 0 && !took.is_zero()).then(|| count as f64 / took.as_secs_f64())
}

impl Times {
    fn read(subject: &Subject, (broker, database): (bool, bool)) -> Self {
        Self {
            runtime: subject.id().and_then(cpu_of),
            broker: broker.then(|| cpu_of_all("beam.smp")).flatten(),
            database: database.then(|| cpu_of_all("postgres")).flatten(),
        }
    }
}

impl Cpu {
    fn between(first: &Times, last: &Times, done: u64) -> Option<Self> {
        let used = |first: Option<Duration>, last: Option<Duration>| Some(last?.saturating_sub(first?));
        let runtime = used(first.runtime, last.runtime)?;
        let (broker, database) = (used(first.broker, last.broker), used(first.database, last.database));
        let all = [Some(runtime), broker, database].into_iter().flatten().sum::<Duration>().as_secs_f64();
        if done == 0 || all == 0.0 {
            return None;
        }
        let share = |used: Duration| Share {
            us_each: used.as_secs_f64() * 1e6 / done as f64,
            percent: used.as_secs_f64() * 100.0 / all,
        };
        Some(Self { runtime: share(runtime), broker: broker.map(share), database: database.map(share) })
    }
}
