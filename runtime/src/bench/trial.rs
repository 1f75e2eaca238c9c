//! One task before anything is measured: whether it completes at all, and what a runtime takes that has done nothing yet.
//!
//! It also has its component compiled, so that no measurement waits for that.

use std::time::Duration;

use event_driven::{
    message::{Outcome, ShortText},
    publisher::{ConnectionPublisher, Publication, PublisherSettings},
};
use futures_util::StreamExt;
use tokio::time::timeout;

use super::{BenchError, Grounds, Subject, Workload, http::Http, latency::Answers, rows, usage::memory_of};

/// How long the task may take. One that fails is tried again by a runtime for about that long.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs one task; gives the memory of the runtime before it, in bytes, where that is told.
pub(super) async fn trial(grounds: &Grounds, workload: &Workload) -> Result<Option<u64>, BenchError> {
    grounds.clear().await?;
    let mut subject = Subject::start(grounds.command())?;
    let url = subject.ready().await?;
    let idle = subject.id().and_then(memory_of).map(|(resident, _)| resident);
    let ended = match grounds.is_dev() {
        true => timeout(PATIENCE, over_http(&url, workload)).await,
        false => timeout(PATIENCE, over_amqp(grounds, workload)).await,
    };
    subject.ensure_runs().await?;
    let error = match ended {
        Ok(Ok(None)) => return subject.stop().await.map(|()| idle),
        Ok(Err(error)) => return Err(error),
        Ok(Ok(Some(error))) => error,
        Err(_) => match rows::error_of_a_task(grounds.database()?).await? {
            Some(error) => error,
            None => format!("it is not over after {} s", PATIENCE.as_secs()),
        },
    };
    Err(BenchError::NotCompleted { name: workload.task_name.clone(), error })
}

/// What became of the task, unless it completed.
async fn over_http(url: &str, workload: &Workload) -> Result<Option<String>, BenchError> {
    let task = Http::new(url)?.task(&workload.task(0, None)).await?;
    let text = |field: &str| task.get(field).and_then(serde_json::Value::as_str);
    Ok(match text("status") {
        Some("COMPLETED") => None,
        status => Some(text("error").or(status).unwrap_or("the answer has no status").to_owned()),
    })
}

async fn over_amqp(grounds: &Grounds, workload: &Workload) -> Result<Option<String>, BenchError> {
    let mut answers = Answers::open(grounds).await?;
    let publisher = ConnectionPublisher::new(grounds.connect().await?.into(), &PublisherSettings::default()).await?;
    let reply_to: ShortText = answers.queue().clone();
    publisher.publish(Publication::of_task(&workload.task(0, Some(&reply_to)))).await?;
    let answer = answers.consumer().next().await.transpose().map_err(BenchError::broker("the answer"))?;
    let outcome = answer.map(|answer| Outcome::decode(&answer.properties, &answer.data));
    Ok(match outcome {
        Some(Outcome::Completed(_)) => None,
        Some(Outcome::Failed(error) | Outcome::Cancelled(error)) => Some(error),
        None => Some("no answer comes any more".to_owned()),
    })
}
