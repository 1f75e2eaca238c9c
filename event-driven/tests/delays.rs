//! A delayed task comes at its time, to whoever executes it, and not before.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]
#![allow(unreachable_pub, reason = "modules that several tests share")]

#[path = "support/service.rs"]
mod service;
#[path = "support/vhost.rs"]
#[allow(clippy::cast_possible_truncation, reason = "a test may cut")]
mod vhost;

use std::time::{Duration, Instant};

use event_driven::{
    client::Client,
    names::{Action, Entity, TaskRoute},
    publisher::{MAX_DELAY, Publisher},
    subscriber::{Delivery, HandlerError},
    topology,
};
use serde_json::{Value, json};
use service::{channel, client, depth, settings, take, within};
use tokio::sync::mpsc;
use vhost::Vhost;

/// Short, where nothing has to be done meanwhile.
const DELAY: Duration = Duration::from_millis(700);

/// Long enough that other things are done meanwhile.
const LONG_DELAY: Duration = Duration::from_secs(4);

fn route() -> TaskRoute {
    TaskRoute { action: Action::new("process").unwrap(), entity: Entity::new("order").unwrap() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_gets_it_after_its_delay() {
    let vhost = Vhost::create();
    let serving = client("orders", &vhost).await;
    let (came, mut comes) = mpsc::unbounded_channel();
    let handler = move |payload: Value, delivery: &Delivery| {
        came.send((payload, Instant::now(), delivery.routing_key.clone(), delivery.headers.attempt.number())).unwrap();
        async { Ok::<u8, HandlerError>(1) }
    };
    serving.serve_task("process", "order", handler).await.unwrap();
    let publisher = Publisher::new(&client("shop", &vhost).await);
    let published = Instant::now();
    publisher.task("t", &json!("late")).route(&route()).delay(LONG_DELAY).await.unwrap();
    publisher.task("t", &json!("now")).route(&route()).await.unwrap();
    assert_eq!(within(comes.recv()).await.unwrap().0, "now");
    let (payload, at, key, attempt) = within(comes.recv()).await.unwrap();
    assert!(at - published >= LONG_DELAY, "{:?}", at - published);
    assert_eq!((payload, key.as_str(), attempt), (json!("late"), "routing.task.process.order", 0));
    // A call that is delayed waits for both.
    let called = Instant::now();
    within(publisher.task("t", &json!(2)).route(&route()).delay(DELAY).call()).await.unwrap();
    assert!(called.elapsed() >= DELAY);
}

#[tokio::test(flavor = "multi_thread")]
async fn warren_gets_it_though_no_queue_is_bound_to_its_key() {
    let vhost = Vhost::create();
    let settings = settings("warren", &vhost.url());
    let plan = topology::plan(&settings.topology);
    let warren = Client::connect_with(settings, plan).await.unwrap();
    let publisher = Publisher::new(&warren);
    let (_connection, channel) = channel(&vhost).await;
    publisher.task("resize_image", &json!({})).message_id("m").delay(LONG_DELAY).await.unwrap();
    assert_eq!(depth(&channel, "delay.4000.routing.task.run.resize_image").await, 1);
    let task = take(&channel, "tasks", 1).await.remove(0);
    assert_eq!(task.routing_key.as_str(), "routing.task.run.resize_image");
    assert_eq!(task.properties.message_id(), &Some("m".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_kept_is_told() {
    let vhost = Vhost::create();
    let publisher = Publisher::new(&client("shop", &vhost).await);
    let task = || publisher.task("t", &1).route(&route());
    for (error, expected) in [
        (task().delay(MAX_DELAY * 2).await, "it is longer than 48 days"),
        (task().delay(DELAY).expiration(DELAY).await, "a task that waits can't expire meanwhile"),
        (task().delay(DELAY).into_publication().map(drop), "it is kept by who publishes the task"),
    ] {
        let error = error.unwrap_err();
        assert!(error.to_string().starts_with(&format!("the delay of the task can't be kept: {expected}")), "{error}");
        assert!(!error.may_pass());
    }
}
