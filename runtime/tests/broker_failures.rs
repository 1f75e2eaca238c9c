//! RabbitMQ goes away, comes back, loses queues: consuming goes on, and nothing is lost.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]
#![allow(unreachable_pub, reason = "modules that several tests share")]

#[path = "support/broker_fixture.rs"]
mod fixture;
#[path = "../../event-driven/tests/support/proxy.rs"]
mod proxy;
#[path = "../../event-driven/tests/support/vhost.rs"]
#[allow(clippy::cast_possible_truncation, reason = "a test may cut")]
mod vhost;

use std::{collections::BTreeSet, time::Duration};

use event_driven::{
    lapin::{
        options::QueueDeleteOptions,
        types::{AMQPValue, FieldTable},
    },
    names::Attempt,
};
use fixture::{Fixture, Kind, LONG, body, config, header, headers, next, nothing, properties, until_health, within};
use proxy::Proxy;
use vhost::{Vhost, rabbitmqctl};
use warren::broker::{Broker, Deliveries, Health, Publish, PublishError, Queue, Settlement, Target};

/// A broker that reaches RabbitMQ through a proxy.
async fn behind_proxy() -> (Fixture, Proxy) {
    let vhost = Vhost::create();
    let proxy = Proxy::start(vhost.server()).await;
    let broker = Broker::connect(config(Kind::Quorum, &vhost.url_by(proxy.port))).await.unwrap();
    (Fixture { broker, vhost: Some(vhost) }, proxy)
}

/// A producer that RabbitMQ is reached by directly.
async fn producer(fixture: &Fixture) -> Broker {
    Broker::connect(config(Kind::Quorum, &fixture.vhost.as_ref().unwrap().url())).await.unwrap()
}

fn task(body: &str) -> Publish {
    Publish { target: Target::Task("k".to_owned()), properties: properties(), body: body.to_owned().into() }
}

/// Acks whatever comes until all of `count` were seen, and some time to come twice.
async fn ack_all(broker: &Broker, deliveries: &mut Deliveries, count: usize) {
    let mut seen = BTreeSet::new();
    while seen.len() < count {
        let delivery = next(deliveries).await;
        seen.insert(body(&delivery).to_owned());
        broker.settle(delivery, Settlement::Ack);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn links_cut_during_load_lose_nothing() {
    let (fixture, proxy) = behind_proxy().await;
    let producer = producer(&fixture).await;
    let mut tasks = fixture.broker.consume(Queue::Tasks);
    let load = async {
        for n in 0..300 {
            producer.publish(task(&n.to_string())).await.unwrap();
            if n % 60 == 30 {
                proxy.cut();
            }
        }
    };
    within(async { tokio::join!(load, ack_all(&fixture.broker, &mut tasks, 300)) }).await;
    // What came twice, since its ack was cut off.
    until_health(&fixture.broker, true).await;
    within(async {
        loop {
            match tokio::time::timeout(Duration::from_secs(2), tasks.recv()).await {
                Ok(delivery) => fixture.broker.settle(delivery.unwrap(), Settlement::Ack),
                Err(_) if fixture.messages("tasks").await == 0 => break,
                Err(_) => {}
            }
        }
    })
    .await;
    assert!(fixture.broker.close(LONG).await);
    assert_eq!(fixture.messages("tasks").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn health_is_red_while_rabbitmq_is_away_and_green_after() {
    let (fixture, proxy) = behind_proxy().await;
    let mut tasks = fixture.broker.consume(Queue::Tasks);
    proxy.refuse();
    let red = until_health(&fixture.broker, false).await;
    assert!(format!("{red:?}").starts_with("Disconnected"), "{red:?}");
    let refused = fixture.broker.publish(task("1")).await;
    assert!(matches!(refused, Err(PublishError::Disconnected(_))), "{refused:?}");
    proxy.restore();
    until_health(&fixture.broker, true).await;
    fixture.publish_task("k", "2").await;
    assert_eq!(body(&next(&mut tasks).await), "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_delivered_before_a_cut_is_void_and_comes_back() {
    let (fixture, proxy) = behind_proxy().await;
    let mut tasks = fixture.broker.consume(Queue::Tasks);
    for n in 0..3 {
        fixture.publish_task("k", &n.to_string()).await;
    }
    let held = [next(&mut tasks).await, next(&mut tasks).await, next(&mut tasks).await];
    proxy.refuse();
    until_health(&fixture.broker, false).await;
    within(async {
        while !held.iter().all(warren::broker::Delivery::is_void) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let dead = Settlement::DeadLetter { error: "e".to_owned() };
    let retry = Settlement::Retry { attempt: Attempt::new(1), error: "e".to_owned() };
    for (delivery, settlement) in held.into_iter().zip([Settlement::Ack, dead, retry]) {
        fixture.broker.settle(delivery, settlement);
    }
    proxy.restore();
    let mut back = BTreeSet::new();
    for _ in 0..3 {
        let delivery = next(&mut tasks).await;
        assert!(delivery.redelivered);
        assert_eq!(header(&delivery.properties, "x-error"), "-");
        back.insert(body(&delivery).to_owned());
        fixture.broker.settle(delivery, Settlement::Ack);
    }
    assert_eq!(back.len(), 3);
    nothing(&mut tasks).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_closed_by_the_operator_are_made_again() {
    let fixture = Fixture::start(Kind::Quorum).await;
    let mut tasks = fixture.broker.consume(Queue::Tasks);
    let name = fixture.vhost.as_ref().unwrap().name.clone();
    // Before: it may be connected again when the command returns.
    let mut health = fixture.broker.health();
    let red =
        tokio::spawn(
            async move { health.wait_for(|health| *health != Health::Connected).await.map(|told| told.clone()) },
        );
    tokio::task::spawn_blocking(move || rabbitmqctl(&["close_all_connections", "-p", &name, "maintenance"]))
        .await
        .unwrap();
    let red = within(red).await.unwrap().unwrap();
    assert!(format!("{red:?}").contains("maintenance"), "{red:?}");
    until_health(&fixture.broker, true).await;
    fixture.publish_task("k", "1").await;
    assert_eq!(body(&next(&mut tasks).await), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_deleted_under_its_consumer_is_declared_again() {
    let fixture = Fixture::start(Kind::Quorum).await;
    let mut tasks = fixture.broker.consume(Queue::Tasks);
    fixture.publish_task("k", "1").await;
    fixture.broker.settle(next(&mut tasks).await, Settlement::Ack);
    let (_connection, channel) = fixture.channel().await;
    channel.queue_delete("tasks".into(), QueueDeleteOptions::default()).await.unwrap();
    within(async {
        while let Err(error) = fixture.broker.publish(task("2")).await {
            // A quorum queue refuses while it is being deleted.
            assert!(matches!(error, PublishError::Unroutable { .. } | PublishError::Nacked { .. }), "{error}");
        }
    })
    .await;
    assert_eq!(body(&next(&mut tasks).await), "2");
    until_health(&fixture.broker, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_whose_queue_is_gone_is_not_lost() {
    let fixture = Fixture::start(Kind::Quorum).await;
    let mut tasks = fixture.broker.consume(Queue::Tasks);
    let (_connection, channel) = fixture.channel().await;
    channel.queue_delete("attempt.0.tasks".into(), QueueDeleteOptions::default()).await.unwrap();
    let (queue, exchange) = ("dead.tasks", "dead.task.exchange");
    channel.queue_unbind(queue.into(), exchange.into(), queue.into(), FieldTable::default()).await.unwrap();
    fixture.publish_task("k", "1").await;
    let retry = Settlement::Retry { attempt: Attempt::new(1), error: "e".to_owned() };
    fixture.broker.settle(next(&mut tasks).await, retry);
    let delivery = next(&mut tasks).await;
    assert_eq!(header(&delivery.properties, "x-attempt"), "1");
    fixture.broker.settle(delivery, Settlement::DeadLetter { error: "e".to_owned() });
    assert_eq!(fixture.dead_letters(Queue::Tasks, 1).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn unroutable_messages_are_told_from_their_neighbours() {
    let fixture = Fixture::start(Kind::Quorum).await;
    let reply = |n: usize| {
        let queue = if n % 7 == 3 { "nobody" } else { "tasks" };
        let body = n.to_string().into();
        fixture.broker.publish(Publish { target: Target::Reply(queue.to_owned()), properties: properties(), body })
    };
    let results = within(futures_util::future::join_all((0..500).map(reply))).await;
    for (n, result) in results.into_iter().enumerate() {
        match result {
            Ok(()) => assert_ne!(n % 7, 3, "message {n} was lost"),
            Err(error) => {
                assert!(matches!(error, PublishError::Unroutable { .. }), "{error}");
                assert_eq!(n % 7, 3, "message {n} reached its queue");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_rabbitmq_refuses_takes_no_other_with_it() {
    let fixture = Fixture::start(Kind::Quorum).await;
    let publish = |n: usize| {
        let properties = if n == 50 { properties().with_user_id("somebody else".into()) } else { properties() };
        let body = n.to_string().into();
        fixture.broker.publish(Publish { target: Target::Task("k".to_owned()), properties, body })
    };
    let results = within(futures_util::future::join_all((0..100).map(publish))).await;
    for (n, result) in results.into_iter().enumerate() {
        assert_eq!(result.is_ok(), n != 50, "message {n}: {result:?}");
        if let Err(error) = result {
            assert!(matches!(error, PublishError::Refused(_)), "{error}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_a_message_whose_headers_fill_a_frame_arrives() {
    let fixture = Fixture::start(Kind::Quorum).await;
    let mut tasks = fixture.broker.consume(Queue::Tasks);
    let text = |n: usize| AMQPValue::LongString("x".repeat(n).into());
    let full = properties().with_headers(headers(&[("huge", text(100_000)), ("large", text(30_000)), ("s", text(1))]));
    fixture.publish(Target::Task("k".to_owned()), full, "1").await;
    let error = "é".repeat(50_000);
    fixture.broker.settle(next(&mut tasks).await, Settlement::DeadLetter { error });
    let letters = fixture.dead_letters(Queue::Tasks, 1).await;
    assert_eq!((header(&letters[0].0, "huge"), header(&letters[0].0, "s")), ("-".into(), "x".into()));
    assert_eq!(header(&letters[0].0, "x-error").len(), 4096);
}
