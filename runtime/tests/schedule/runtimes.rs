//! Several runtimes on one schedule: each tick is executed once, also when one of them is killed.

use std::{collections::BTreeMap, time::Duration};

use bytesize::ByteSize;
use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::ConnectionTrait;
use warren::{
    lifecycle::{AttemptOutcome, TaskFilter, TaskStatus, TaskSummary},
    schedule::{Draft, Schedule},
};

use crate::{
    process::{PATIENCE, Process},
    proxy::Proxy,
    stack::Stack,
};

fn each_second() -> Schedule {
    let draft = Draft { name: "pulse", cron: "* * * * * *", time_zone: None, task_name: "echo", payload: r#"{"n":1}"# };
    Schedule::new(draft, ByteSize::mib(1)).unwrap()
}

fn time(task: &TaskSummary) -> DateTime<Utc> {
    task.message_id.as_deref().unwrap().strip_prefix("schedule.pulse.").unwrap().parse().unwrap()
}

fn filter(status: TaskStatus) -> TaskFilter {
    TaskFilter { status: Some(status), producer_app: Some("warren.schedule".into()), ..TaskFilter::default() }
}

/// Removes the schedule, and gives its tasks when all are over, by the times of their ticks.
async fn ticks(stack: &Stack) -> BTreeMap<DateTime<Utc>, TaskSummary> {
    assert!(stack.database.remove_schedule("pulse").await.unwrap());
    let tasks = stack.ended_all("echo").await;
    let count = tasks.len();
    let by_time: BTreeMap<_, _> = tasks.into_iter().map(|task| (time(&task), task)).collect();
    assert_eq!(by_time.len(), count, "each once");
    by_time
}

#[tokio::test(flavor = "multi_thread")]
async fn two_runtimes_execute_each_tick_once() {
    let stack = Stack::new().await;
    let (publisher, _both) = (stack.publisher().await, (stack.start(&[]), stack.start(&[])));
    stack.database.add_schedule(&each_second(), false).await.unwrap();
    stack.wait_for_tasks(&filter(TaskStatus::Completed), |tasks| tasks.len() >= 6).await;
    for (tick, task) in ticks(&stack).await {
        assert_eq!((task.status, task.attempt), (TaskStatus::Completed, 0), "{task:?}");
        assert!(task.created_at >= tick, "not before its time: {task:?}");
        let attempts = stack.database.attempts_of(task.id).await.unwrap();
        assert_eq!(attempts.iter().map(|attempt| attempt.outcome).collect::<Vec<_>>(), [AttemptOutcome::Completed]);
    }
    assert_eq!((publisher.depth("tasks").await, publisher.depth("dead.tasks").await), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn ticks_go_on_when_one_of_two_runtimes_is_killed() {
    let stack = Stack::new().await;
    let _publisher = stack.publisher().await;
    let (first, _second) = (stack.start(&[]), stack.start(&[]));
    stack.database.add_schedule(&each_second(), false).await.unwrap();
    stack.wait_for_tasks(&filter(TaskStatus::Completed), |tasks| tasks.len() >= 2).await;
    first.signal("KILL");
    drop(first);
    let killed_at = stack.database.clock().now();
    let after = |tasks: &[TaskSummary]| tasks.iter().filter(|task| time(task) > killed_at).count() >= 3;
    stack.wait_for_tasks(&filter(TaskStatus::Completed), after).await;
    // What the killed one had claimed and not published is the other one's after a minute; now, that is.
    let free = "UPDATE delayed_task SET claimed_until = NULL";
    stack.database.connection().execute_unprepared(free).await.unwrap();
    let ticks = ticks(&stack).await;
    assert!(ticks.values().all(|task| task.status == TaskStatus::Completed), "{ticks:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_ticks_that_came_while_no_runtime_was_there_the_latest_is_executed() {
    let stack = Stack::new().await;
    let _publisher = stack.publisher().await;
    stack.database.add_schedule(&each_second(), false).await.unwrap();
    let away = Duration::from_secs(3);
    let added_at = stack.database.clock().now();
    // Nobody is there who could tell that a tick was missed.
    tokio::time::sleep(away).await;
    let _warren = stack.start(&[]);
    stack.wait_for_tasks(&filter(TaskStatus::Completed), |tasks| !tasks.is_empty()).await;
    let ticks = ticks(&stack).await;
    let first = ticks.keys().next().unwrap();
    assert!((*first - added_at).to_std().unwrap() >= away - Duration::from_secs(1), "{first} {added_at}");
}

#[tokio::test(flavor = "multi_thread")]
async fn ticks_do_not_pile_up_while_the_broker_is_away() {
    let stack = Stack::new().await;
    let _publisher = stack.publisher().await;
    let proxy = Proxy::start(stack.vhost.server()).await;
    let mut command = stack.command(&[]);
    command.env("RABBITMQ_URL", stack.vhost.url_by(proxy.port));
    let warren = Process::start(command);
    stack.database.add_schedule(&each_second(), false).await.unwrap();
    stack.wait_for_tasks(&filter(TaskStatus::Completed), |tasks| !tasks.is_empty()).await;
    proxy.refuse();
    tokio::time::timeout(PATIENCE, noticed(&warren)).await.expect("readiness tells that the broker is away");
    let away_since = stack.database.clock().now();
    // So many ticks are missed. Nothing tells of one.
    tokio::time::sleep(Duration::from_secs(4)).await;
    let back_at = stack.database.clock().now();
    proxy.restore();
    let after = |tasks: &[TaskSummary]| tasks.iter().any(|task| time(task) > back_at);
    stack.wait_for_tasks(&filter(TaskStatus::Completed), after).await;
    let ticks = ticks(&stack).await;
    let missed = ticks.keys().filter(|tick| (away_since..back_at - TimeDelta::seconds(1)).contains(*tick));
    assert_eq!(missed.count(), 0, "{away_since} {back_at} {ticks:?}");
}

/// Waits until the runtime tells that it is not ready.
async fn noticed(warren: &Process) {
    warren::tls::install_ring();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    while http.get(format!("{}/readyz", warren.url)).send().await.unwrap().status().is_success() {
        // Readiness can only be asked for.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tick_for_a_component_that_is_not_there_fails_as_any_other_task() {
    let stack = Stack::new().await;
    let _warren = stack.start(&[("WARREN_RETRY_RETRIES", "1")]);
    let draft = Draft { name: "pulse", cron: "* * * * * *", time_zone: None, task_name: "nobody", payload: "null" };
    stack.database.add_schedule(&Schedule::new(draft, ByteSize::mib(1)).unwrap(), false).await.unwrap();
    let failed = stack.wait_for_tasks(&filter(TaskStatus::Failed), |tasks| !tasks.is_empty()).await;
    assert!(failed[0].error.as_deref().unwrap().starts_with("no_such_component: "), "{failed:?}");
}
