//! The cases of the conformance suite.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use event_driven::{lapin::BasicProperties, names::Attempt};
use warren::broker::{Publish, Queue, Settlement, Target};

use crate::fixture::{Fixture, Kind, LONG, PREFETCH, RETRY_DELAY, body, header, next, nothing, properties, within};

fn retry(attempt: u32) -> Settlement {
    Settlement::Retry { attempt: Attempt::new(attempt), error: "technical: no luck".to_owned() }
}

fn dead() -> Settlement {
    Settlement::DeadLetter { error: "malformed: no task_name".to_owned() }
}

pub async fn a_task_with_any_key_is_delivered_as_it_was_published(kind: Kind) {
    let fixture = Fixture::start(kind).await;
    let mut tasks = fixture.broker.consume(Queue::Tasks);
    fixture.publish_task("routing.task.process.order", "1").await;
    let delivery = next(&mut tasks).await;
    assert_eq!((delivery.routing_key.as_str(), body(&delivery)), ("routing.task.process.order", "1"));
    assert_eq!((delivery.queue, delivery.redelivered), (Queue::Tasks, false));
    assert_eq!(delivery.properties, properties());
    fixture.publish_task("a key that nobody knows", "2").await;
    assert_eq!(next(&mut tasks).await.routing_key, "a key that nobody knows");
}

pub async fn what_is_acked_does_not_come_back(kind: Kind) {
    let fixture = Fixture::start(kind).await;
    let mut tasks = fixture.broker.consume(Queue::Tasks);
    fixture.publish_task("k", "1").await;
    let delivery = next(&mut tasks).await;
    fixture.broker.settle(delivery, Settlement::Ack);
    assert!(fixture.broker.close(LONG).await);
    if fixture.vhost.is_some() {
        assert_eq!(fixture.messages("tasks").await, 0);
    } else {
        assert_eq!(fixture.broker.depth(Queue::Tasks).await.unwrap(), 0);
    }
}

pub async fn a_retry_comes_back_after_its_delay_with_its_properties(kind: Kind) {
    let fixture = Fixture::start(kind).await;
    let mut tasks = fixture.broker.consume(Queue::Tasks);
    fixture.publish_task("routing.task.process.order", "1").await;
    for attempt in 1..=3 {
        let delivery = next(&mut tasks).await;
        let failed = Instant::now();
        fixture.broker.settle(delivery, retry(attempt));
        let delivery = next(&mut tasks).await;
        // The third waits in the last queue there is.
        let delay = RETRY_DELAY * 2_u32.pow(attempt.min(2) - 1);
        assert!(failed.elapsed() >= delay, "attempt {attempt} after {:?}", failed.elapsed());
        assert_eq!((delivery.routing_key.as_str(), body(&delivery)), ("routing.task.process.order", "1"));
        assert_eq!(header(&delivery.properties, "x-attempt"), attempt.to_string());
        assert_eq!(header(&delivery.properties, "x-error"), "technical: no luck");
        assert_eq!(
            (header(&delivery.properties, "tenant"), header(&delivery.properties, "n")),
            ("acme".into(), "7".into())
        );
        assert_eq!(delivery.properties.message_id(), properties().message_id());
        assert_eq!(delivery.properties.app_id(), properties().app_id());
        assert_eq!(delivery.properties.delivery_mode(), &Some(2));
        fixture.broker.settle(delivery, Settlement::Release);
    }
}

pub async fn a_retry_does_not_expire_and_is_not_an_event(kind: Kind) {
    let fixture = Fixture::start(kind).await;
    let mut tasks = fixture.broker.consume(Queue::Tasks);
    let mut events = fixture.broker.consume(Queue::EventStore);
    let expiring = properties().with_expiration("30000".into());
    fixture.publish(Target::Task("k".to_owned()), expiring, "1").await;
    let delivery = next(&mut tasks).await;
    fixture.broker.settle(delivery, retry(1));
    let delivery = next(&mut tasks).await;
    assert_eq!(delivery.properties.expiration(), &None);
    assert_eq!(header(&delivery.properties, "x-expiration"), "30000");
    nothing(&mut events).await;
}

pub async fn a_dead_letter_keeps_its_properties_and_says_why(kind: Kind) {
    let fixture = Fixture::start(kind).await;
    for (queue, target) in
        [(Queue::Tasks, Target::Task("k".to_owned())), (Queue::EventStore, Target::Event("k".to_owned()))]
    {
        let mut deliveries = fixture.broker.consume(queue);
        fixture.publish(target, properties(), "1").await;
        let delivery = next(&mut deliveries).await;
        fixture.broker.settle(delivery, dead());
        let letters = fixture.dead_letters(queue, 1).await;
        let (letter, body) = &letters[0];
        assert_eq!(&body[..], b"1");
        assert_eq!(header(letter, "x-error"), "malformed: no task_name");
        assert_eq!((header(letter, "tenant"), header(letter, "x-routing-key")), ("acme".into(), "k".into()));
        assert_eq!((letter.app_id(), letter.message_id()), (properties().app_id(), properties().message_id()));
    }
    assert!(fixture.broker.close(LONG).await);
}

pub async fn what_expires_in_the_queue_is_a_dead_letter(kind: Kind) {
    let fixture = Fixture::start(kind).await;
    let expiring = properties().with_expiration("1".into());
    fixture.publish(Target::Task("k".to_owned()), expiring, "1").await;
    fixture.publish_task("k", "2").await;
    tokio::time::sleep(Duration::from_millis(5)).await;
    let mut tasks = fixture.broker.consume(Queue::Tasks);
    assert_eq!(body(&next(&mut tasks).await), "2");
    assert_eq!(&fixture.dead_letters(Queue::Tasks, 1).await[0].1[..], b"1");
}

pub async fn what_is_released_or_forgotten_is_delivered_again(kind: Kind) {
    let fixture = Fixture::start(kind).await;
    let mut tasks = fixture.broker.consume(Queue::Tasks);
    fixture.publish_task("k", "1").await;
    let delivery = next(&mut tasks).await;
    fixture.broker.settle(delivery, Settlement::Release);
    let delivery = next(&mut tasks).await;
    assert!(delivery.redelivered);
    drop(delivery);
    let delivery = next(&mut tasks).await;
    assert_eq!((delivery.redelivered, body(&delivery)), (true, "1"));
    assert_eq!(header(&delivery.properties, "x-attempt"), "-");
}

pub async fn no_more_is_delivered_than_the_prefetch_allows(kind: Kind) {
    let fixture = Fixture::start(kind).await;
    let mut tasks = fixture.broker.consume(Queue::Tasks);
    for n in 0..20 {
        fixture.publish_task("k", &n.to_string()).await;
    }
    let mut held = Vec::new();
    for _ in 0..PREFETCH.get() {
        held.push(next(&mut tasks).await);
    }
    nothing(&mut tasks).await;
    fixture.broker.settle(held.remove(3), Settlement::Ack);
    // Acked alone only once half of a channel's share is done; the second makes it sure.
    fixture.broker.settle(held.remove(3), Settlement::Ack);
    fixture.broker.settle(held.remove(0), Settlement::Ack);
    fixture.broker.settle(held.remove(0), Settlement::Ack);
    held.push(next(&mut tasks).await);
}

pub async fn stopping_gives_back_what_was_not_handed_out(kind: Kind) {
    let fixture = Fixture::start(kind).await;
    let mut tasks = fixture.broker.consume(Queue::Tasks);
    for n in 0..20 {
        fixture.publish_task("k", &n.to_string()).await;
    }
    let held = next(&mut tasks).await;
    let acked = next(&mut tasks).await;
    within(fixture.broker.stop_consuming()).await;
    assert!(tasks.recv().await.is_none());
    within(fixture.broker.stop_consuming()).await;
    fixture.broker.settle(acked, Settlement::Ack);
    // Nobody settles this one: closing gives it up.
    assert!(!fixture.broker.close(Duration::from_secs(2)).await);
    assert!(held.is_void());
    if fixture.vhost.is_some() {
        within(async { while fixture.messages("tasks").await != 19 {} }).await;
    } else {
        assert_eq!(fixture.broker.depth(Queue::Tasks).await.unwrap(), 19);
    }
}

pub async fn closing_waits_for_what_is_being_settled(kind: Kind) {
    let fixture = Fixture::start(kind).await;
    let mut tasks = fixture.broker.consume(Queue::Tasks);
    for n in 0..4 {
        fixture.publish_task("k", &n.to_string()).await;
    }
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(next(&mut tasks).await);
    }
    within(fixture.broker.stop_consuming()).await;
    let settle = [Settlement::Ack, dead(), retry(2), Settlement::Release];
    for (delivery, settlement) in held.into_iter().zip(settle) {
        fixture.broker.settle(delivery, settlement);
    }
    assert!(fixture.broker.close(LONG).await);
    assert!(fixture.broker.close(LONG).await, "a second call");
    assert_eq!(fixture.dead_letters(Queue::Tasks, 1).await.len(), 1);
    if fixture.vhost.is_some() {
        // The released one at once, the retry after its delay.
        within(async { while fixture.messages("tasks").await != 2 {} }).await;
    }
}

pub async fn every_event_is_delivered_once(kind: Kind) {
    let fixture = Fixture::start(kind).await;
    let mut events = fixture.broker.consume(Queue::EventStore);
    for key in ["routing.event.create.user", "anything", "a.b.c.d.e"] {
        fixture.publish(Target::Event(key.to_owned()), properties(), key).await;
        let delivery = next(&mut events).await;
        assert_eq!((delivery.routing_key.as_str(), body(&delivery)), (key, key));
        fixture.broker.settle(delivery, Settlement::Ack);
    }
    nothing(&mut events).await;
}

pub async fn a_thousand_tasks_settled_in_any_order_leave_an_empty_queue(kind: Kind) {
    let fixture = Fixture::start(kind).await;
    let publishes = (0..1_000).map(|n: u32| {
        let body = n.to_string().into();
        fixture.broker.publish(Publish {
            target: Target::Task("k".to_owned()),
            properties: BasicProperties::default(),
            body,
        })
    });
    for published in within(futures_util::future::join_all(publishes)).await {
        published.unwrap();
    }
    let mut tasks = fixture.broker.consume(Queue::Tasks);
    let (mut seen, mut held) = (BTreeSet::new(), Vec::new());
    while seen.len() < 1_000 {
        let delivery = next(&mut tasks).await;
        assert!(seen.insert(body(&delivery).to_owned()), "{} came twice", body(&delivery));
        held.push(delivery);
        // Keeps the oldest as long as it can, and settles the newest first.
        if held.len() == usize::from(PREFETCH.get()) {
            held.drain(1..).rev().for_each(|delivery| fixture.broker.settle(delivery, Settlement::Ack));
        }
    }
    held.into_iter().for_each(|delivery| fixture.broker.settle(delivery, Settlement::Ack));
    assert!(fixture.broker.close(LONG).await);
    if fixture.vhost.is_some() {
        assert_eq!(fixture.messages("tasks").await, 0);
    }
}
