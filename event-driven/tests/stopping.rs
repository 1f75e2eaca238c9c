//! A stop waits for what runs, gives back what does not, and leaves nothing behind, whatever the link is doing.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]
#![allow(unreachable_pub, reason = "modules that several tests share")]

#[path = "support/held.rs"]
mod held;
#[path = "support/proxy.rs"]
mod proxy;
#[path = "support/service.rs"]
mod service;
#[path = "support/vhost.rs"]
#[allow(clippy::cast_possible_truncation, reason = "a test may cut")]
mod vhost;

use std::{
    num::NonZeroU16,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use event_driven::{
    client::{Client, Health, Settlement, Source, StartError},
    lapin::{
        options::{QueueDeclareOptions, QueueDeleteOptions},
        types::FieldTable,
    },
    names::{EventType, Priority},
    publisher::{Publication, Publisher},
    subscriber::{Delivery, HandlerError, SubscriberSettings},
    topology::{self, TopologySettings},
};
use held::{held, publish_users};
use proxy::Proxy;
use serde_json::{Value, json};
use service::{LONG, channel, client, depth, key, settings, within};
use tokio::sync::Notify;
use vhost::{Vhost, rabbitmqctl};

const QUEUE: &str = "event.create.user.to.billing";

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_waits_for_the_handlers_that_run_and_gives_back_the_rest() {
    let vhost = Vhost::create();
    let client = client("billing", &vhost).await;
    let (handler, mut begins, let_go) = held();
    let settings = SubscriberSettings { concurrency: 1, ..client.settings().subscriber.clone() };
    let subscriber = client.subscribe_with(key(EventType::Create, "user"), &settings, handler).await.unwrap();
    publish_users(&Publisher::new(&client), 3).await;
    within(begins.recv()).await.unwrap();
    let mut stopping = tokio::spawn(subscriber.stop());
    // The one place where time must pass: the stop must wait.
    assert!(tokio::time::timeout(Duration::from_millis(300), &mut stopping).await.is_err());
    let_go.add_permits(10);
    within(stopping).await.unwrap();
    let (_connection, channel) = channel(&vhost).await;
    // The client goes on, and what was not begun is there for another instance.
    within(async { while depth(&channel, QUEUE).await != 2 {} }).await;
    assert!(begins.try_recv().is_err());
    assert!(client.close(LONG).await);
    assert_eq!(depth(&channel, QUEUE).await, 2);
}

/// It would be done twice if the process did not live to see the slow one's end.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_when_a_stop_begins_is_acked_while_another_one_goes_on() {
    let vhost = Vhost::create();
    let plan = topology::plan(&TopologySettings::default());
    let client = Client::connect_with(settings("warren", &vhost.url()), plan).await.unwrap();
    let message = |n: usize| Publication::new("", "tasks", Default::default(), n.to_string().into());
    for published in Publisher::new(&client).publish_all((0..3).map(message)).await {
        published.unwrap();
    }
    let prefetch = NonZeroU16::new(100).unwrap();
    let mut deliveries = client.consume(Source::tasks(Priority::Normal, 3, prefetch, NonZeroU16::MIN));
    let slow = within(deliveries.recv()).await.unwrap();
    for _ in 0..2 {
        within(deliveries.recv()).await.unwrap().settle(Settlement::Ack);
    }
    // So long that they were taken note of, as a rule, and less than until they are acked one by one.
    tokio::time::sleep(Duration::from_millis(5)).await;
    drop(deliveries);
    let unsettled = || {
        let told = rabbitmqctl(&["-q", "list_queues", "-p", &vhost.name, "name", "messages_unacknowledged"]);
        told.lines().find_map(|line| line.strip_prefix("tasks\t")?.parse::<u32>().ok())
    };
    within(async {
        while unsettled() != Some(1) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await;
    slow.settle(Settlement::Ack);
    assert!(client.close(LONG).await);
    let (_connection, channel) = channel(&vhost).await;
    assert_eq!(depth(&channel, "tasks").await, 0);
}

/// In the middle of a flood there are always deliveries on their way; none may be kept by who stopped.
#[tokio::test(flavor = "multi_thread")]
async fn stops_in_the_middle_of_a_flood_keep_nothing_back() {
    let vhost = Vhost::create();
    let client = client("billing", &vhost).await;
    let publisher = Publisher::new(&client);
    let user = key(EventType::Create, "user");
    let (_connection, channel) = channel(&vhost).await;
    let settings = SubscriberSettings { concurrency: 4, ..client.settings().subscriber.clone() };
    let handled = Arc::new(AtomicUsize::new(0));
    let mut published = 0;
    for round in 0..10 {
        let (count, first) = (Arc::clone(&handled), Arc::new(Notify::new()));
        let begun = Arc::clone(&first);
        let handler = move |_: Value, _: &Delivery| {
            count.fetch_add(1, SeqCst);
            begun.notify_one();
            async { Ok::<(), HandlerError>(()) }
        };
        let subscriber = client.subscribe_with(user.clone(), &settings, handler).await.unwrap();
        let flood = futures_util::future::join_all((0..600).map(|n| {
            let (publisher, user) = (&publisher, &user);
            async move { publisher.event_of(user, &json!({ "n": n })).await.unwrap() }
        }));
        let stop = async {
            within(first.notified()).await;
            // At another moment of the flood each time.
            tokio::time::sleep(Duration::from_millis(round)).await;
            within(subscriber.stop()).await;
        };
        tokio::join!(flood, stop);
        published += 600;
        within(async {
            while usize::try_from(depth(&channel, QUEUE).await).unwrap() + handled.load(SeqCst) != published {}
        })
        .await;
    }
    assert!(client.close(LONG).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_close_that_can_not_wait_gives_back_what_is_not_handled() {
    let vhost = Vhost::create();
    let client = client("billing", &vhost).await;
    let (handler, mut begins, _let_go) = held();
    client.subscribe(key(EventType::Create, "user"), handler).await.unwrap();
    publish_users(&Publisher::new(&client), 2).await;
    within(begins.recv()).await.unwrap();
    within(begins.recv()).await.unwrap();
    assert!(!within(client.close(Duration::from_millis(50))).await, "two handlers never end");
    let (_connection, channel) = channel(&vhost).await;
    within(async { while depth(&channel, QUEUE).await != 2 {} }).await;
    // The handler was dropped with the client.
    assert_eq!(within(begins.recv()).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_close_without_a_link_waits_for_the_handlers_that_run() {
    let vhost = Vhost::create();
    let proxy = Proxy::start(vhost.server()).await;
    let client = Client::connect(settings("billing", &vhost.url_by(proxy.port))).await.unwrap();
    let (handler, mut begins, let_go) = held();
    client.subscribe(key(EventType::Create, "user"), handler).await.unwrap();
    publish_users(&Publisher::new(&client), 1).await;
    within(begins.recv()).await.unwrap();
    proxy.refuse();
    within(client.health().wait_for(|health| *health != Health::Connected)).await.unwrap();
    let closing = client.clone();
    let mut closing = tokio::spawn(async move { closing.close(LONG).await });
    // The one place where time must pass: the close must wait.
    assert!(tokio::time::timeout(Duration::from_millis(300), &mut closing).await.is_err());
    let_go.add_permits(1);
    assert!(within(closing).await.unwrap(), "the handler has ended");
    let (_connection, channel) = channel(&vhost).await;
    // Its ack was lost with the link.
    within(async { while depth(&channel, QUEUE).await != 1 {} }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_closes_at_once_both_wait() {
    let vhost = Vhost::create();
    let client = client("billing", &vhost).await;
    let (handler, mut begins, let_go) = held();
    client.subscribe(key(EventType::Create, "user"), handler).await.unwrap();
    publish_users(&Publisher::new(&client), 1).await;
    within(begins.recv()).await.unwrap();
    let close = || {
        let client = client.clone();
        tokio::spawn(async move { client.close(LONG).await })
    };
    let (first, mut second) = (close(), close());
    // The one place where time must pass: the close must wait.
    assert!(tokio::time::timeout(Duration::from_millis(300), &mut second).await.is_err());
    let_go.add_permits(1);
    assert!(within(first).await.unwrap() && within(second).await.unwrap());
    let (_connection, channel) = channel(&vhost).await;
    assert_eq!(depth(&channel, QUEUE).await, 0, "it was handled and acked");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_event_has_one_handler_until_that_is_stopped() {
    let vhost = Vhost::create();
    let client = client("billing", &vhost).await;
    let handler = || |_: Value, _: &Delivery| async { Ok::<(), HandlerError>(()) };
    let user = key(EventType::Create, "user");
    let subscriber = client.subscribe(user.clone(), handler()).await.unwrap();
    let second = client.subscribe(user.clone(), handler()).await.unwrap_err();
    assert!(matches!(&second, StartError::Handled { queue } if queue == QUEUE), "{second}");
    within(subscriber.stop()).await;
    client.subscribe(user.clone(), handler()).await.unwrap();
    assert!(within(client.close(LONG)).await);
    let late = client.subscribe(key(EventType::Read, "user"), handler()).await.unwrap_err();
    assert_eq!(late.to_string(), "the client has stopped consuming");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_that_was_stopped_is_nobodys_trouble() {
    let vhost = Vhost::create();
    let client = client("billing", &vhost).await;
    let handler = |_: Value, _: &Delivery| async { Ok::<(), HandlerError>(()) };
    let subscriber = client.subscribe(key(EventType::Create, "user"), handler).await.unwrap();
    let (_connection, channel) = channel(&vhost).await;
    channel.queue_delete(QUEUE.into(), QueueDeleteOptions::default()).await.unwrap();
    // Of another connection: it can't be declared again.
    let mine = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(QUEUE.into(), mine, FieldTable::default()).await.unwrap();
    within(client.health().wait_for(|health| *health != Health::Connected)).await.unwrap();
    within(subscriber.stop()).await;
    within(client.health().wait_for(|health| *health == Health::Connected)).await.unwrap();
}
