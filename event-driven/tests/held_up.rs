//! A queue that takes its time with its confirms holds up nothing that goes to others.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]
#![allow(unreachable_pub, reason = "modules that several tests share")]

#[path = "support/service.rs"]
mod service;
#[path = "support/suspended.rs"]
mod suspended;
#[path = "support/vhost.rs"]
#[allow(clippy::cast_possible_truncation, reason = "a test may cut")]
mod vhost;

use std::time::{Duration, Instant};

use event_driven::{
    client::Client,
    lapin::{
        options::QueueDeclareOptions,
        types::{AMQPValue, FieldTable},
    },
    publisher::{Publication, PublishError, Publisher},
};
use futures_util::future::join_all;
use service::{channel, client, depth, within};
use suspended::Suspended;
use tokio::task::JoinHandle;
use vhost::Vhost;

/// Queues `hung`, which does not confirm until the guard is dropped, and `q`.
async fn queues(vhost: &Vhost) -> Suspended {
    let (_connection, channel) = channel(vhost).await;
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    for queue in ["hung", "q"] {
        let mut classic = FieldTable::default();
        classic.insert("x-queue-type".into(), AMQPValue::LongString("classic".into()));
        channel.queue_declare(queue.into(), durable, classic).await.unwrap();
    }
    Suspended::new(vhost, "hung")
}

/// Publishes messages to that queue in the background.
fn publish(client: &Client, queue: &'static str, count: usize) -> JoinHandle<Vec<Result<(), PublishError>>> {
    let publisher = Publisher::new(client);
    let message = move |n: usize| {
        // Persistent: a transient one is confirmed as soon as it is on its way to a classic queue.
        let properties = event_driven::lapin::BasicProperties::default().with_delivery_mode(2);
        Publication::new("", queue, properties, n.to_string().into())
    };
    tokio::spawn(async move { publisher.publish_all((0..count).map(message)).await })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_does_not_confirm_holds_up_no_other() {
    let vhost = Vhost::create();
    let hung = queues(&vhost).await;
    let client = client("shop", &vhost).await;
    // More than all lanes take at once.
    let waiting = publish(&client, "hung", 1_100);
    tokio::task::yield_now().await;
    let began = Instant::now();
    for published in within(publish(&client, "q", 1_000)).await.unwrap() {
        published.unwrap();
    }
    let took = began.elapsed();
    eprintln!("a thousand messages beside a queue that does not confirm: {took:?}");
    assert!(took < Duration::from_secs(25), "{took:?}");
    assert!(!waiting.is_finished());
    drop(hung);
    for published in within(waiting).await.unwrap() {
        published.unwrap();
    }
    let (_connection, channel) = channel(&vhost).await;
    assert_eq!(depth(&channel, "hung").await, 1_100);
    assert_eq!(depth(&channel, "q").await, 1_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_answered_of_a_round_is_told_while_the_rest_waits() {
    let vhost = Vhost::create();
    let hung = queues(&vhost).await;
    let client = client("shop", &vhost).await;
    let publisher = Publisher::new(&client);
    // All in the same rounds: what waits, what no queue gets, and what arrives. Neither is taken for another.
    let (mut waiting, mut others) = (Vec::new(), Vec::new());
    for n in 0..300 {
        let queue = ["hung", "nobody", "q"][n % 3];
        let properties = event_driven::lapin::BasicProperties::default().with_delivery_mode(2);
        let message = Publication::new("", queue, properties, n.to_string().into());
        let publisher = publisher.clone();
        let published = tokio::spawn(async move { publisher.publish(message).await });
        if queue == "hung" { waiting.push(published) } else { others.push((queue, published)) }
    }
    for (queue, published) in others {
        let published =
            tokio::time::timeout(Duration::from_secs(25), published).await.expect("it is answered").unwrap();
        match published {
            Ok(()) => assert_eq!(queue, "q"),
            Err(error) => {
                assert!(matches!(error, PublishError::Unroutable { .. }), "{error}");
                assert_eq!(queue, "nobody");
            }
        }
    }
    assert!(waiting.iter().all(|published| !published.is_finished()));
    drop(hung);
    for published in within(join_all(waiting)).await {
        published.unwrap().unwrap();
    }
}
