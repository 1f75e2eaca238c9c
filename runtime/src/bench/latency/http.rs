//! Over HTTP: each request waits for the outcome of its task.

use std::time::Instant;

use serde_json::Value;
use tokio::{
    sync::{Semaphore, mpsc},
    time::timeout_at,
};
use tokio_util::task::AbortOnDropHandle;

use super::{
    super::{
        Arrivals, BenchError, Kept, Watch,
        http::{Http, send_all},
    },
    Load, pace,
};

/// Answers that may wait to be counted.
const ROOM: usize = 1_024;

/// The number of a task, what came of it, and when.
type Answer = (u64, Result<Value, BenchError>, Instant);

/// Sends, and waits for the answers until all are there or the time is over.
pub(super) async fn measure(load: Load, url: &str, watch: &dyn Watch) -> Result<(Kept, Arrivals), BenchError> {
    let (http, workload) = (Http::new(url)?, load.workload.clone());
    // Room for all of them, so that sending never waits for a request.
    let room = usize::try_from(load.timetable.count()).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
    let ((due, to_send), (told, answers)) = (mpsc::channel(room), mpsc::channel(ROOM));
    let request = move |n| {
        let (http, task) = (http.clone(), workload.task(n, None));
        async move {
            let answer = http.task(&task).await;
            (n, answer, Instant::now())
        }
    };
    // Requests that are not answered in time are given up with it.
    let _sending = AbortOnDropHandle::new(tokio::spawn(send_all(to_send, told, request)));
    let until = load.until;
    let send = move |n| due.try_send(n).is_ok() && Instant::now() < until;
    tokio::try_join!(pace(&load, send), arrive(answers, &load, watch))
}

/// Takes answers until all are there or the time is over.
async fn arrive(mut answers: mpsc::Receiver<Answer>, load: &Load, watch: &dyn Watch) -> Result<Arrivals, BenchError> {
    let mut arrivals = Arrivals::new(load.timetable, load.begin);
    while !arrivals.is_complete() {
        let Ok(Some((n, answer, at))) = timeout_at(load.until.into(), answers.recv()).await else { break };
        let task = answer?;
        let text = |field: &str| task.get(field).and_then(Value::as_str);
        match text("status") {
            Some("COMPLETED") => arrivals.record(n, at),
            // The wait for it is over, and it is not.
            Some("PENDING" | "RUNNING") => {}
            status => {
                let error = text("error").or(status).unwrap_or("the answer has no status").to_owned();
                return Err(BenchError::NotCompleted { name: load.workload.task_name.clone(), error });
            }
        }
        watch.at(arrivals.answered());
    }
    Ok(arrivals)
}
