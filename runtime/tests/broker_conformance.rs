//! What every broker does: one suite, on RabbitMQ with quorum queues, with classic queues, and in process.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]
#![allow(unreachable_pub, reason = "modules that several tests share")]

#[path = "support/broker_cases.rs"]
mod cases;
#[path = "support/broker_fixture.rs"]
mod fixture;
#[path = "../../event-driven/tests/support/vhost.rs"]
#[allow(clippy::cast_possible_truncation, reason = "a test may cut")]
mod vhost;

macro_rules! conformance {
    ($($case:ident)*) => {
        mod quorum {
            $(#[tokio::test] async fn $case() { crate::cases::$case(crate::fixture::Kind::Quorum).await; })*
        }
        mod classic {
            $(#[tokio::test] async fn $case() { crate::cases::$case(crate::fixture::Kind::Classic).await; })*
        }
        mod in_process {
            $(#[tokio::test] async fn $case() { crate::cases::$case(crate::fixture::Kind::InProcess).await; })*
        }
    };
}

conformance! {
    a_task_with_any_key_is_delivered_as_it_was_published
    what_is_acked_does_not_come_back
    a_retry_comes_back_after_its_delay_with_its_properties
    a_retry_does_not_expire_and_is_not_an_event
    a_dead_letter_keeps_its_properties_and_says_why
    what_expires_in_the_queue_is_a_dead_letter
    what_is_released_or_forgotten_is_delivered_again
    no_more_is_delivered_than_the_prefetch_allows
    stopping_gives_back_what_was_not_handed_out
    closing_waits_for_what_is_being_settled
    every_event_is_delivered_once
    a_thousand_tasks_settled_in_any_order_leave_an_empty_queue
}

/// In memory alone: RabbitMQ's queues have a limit only where somebody has set one.
#[tokio::test]
async fn who_publishes_in_turn_leaves_half_of_the_queue_to_others() {
    use event_driven::client::Settlement;
    use warren::broker::{Broker, InProcessLimits, Publish, PublishError, Queue, Target};

    let broker = Broker::in_process(InProcessLimits { queue: 4, ..InProcessLimits::default() });
    let Broker::InProcess(in_process) = &broker else { unreachable!("it is in process") };
    let task = |body: &'static str| Publish {
        target: Target::Task("routing.task.run.echo".into()),
        properties: fixture::properties(),
        body: body.into(),
    };
    let mut deliveries = broker.consume(Queue::Tasks);
    for body in ["1", "2"] {
        in_process.publish_in_turn(task(body)).await.unwrap();
    }
    let mut waits = std::pin::pin!(in_process.publish_in_turn(task("5")));
    assert!(futures_util::poll!(waits.as_mut()).is_pending(), "half of it is taken");
    for body in ["3", "4"] {
        broker.publish(task(body)).await.unwrap();
    }
    assert!(matches!(broker.publish(task("refused")).await, Err(PublishError::Nacked { .. })));
    for body in ["1", "2", "3"] {
        assert!(
            futures_util::poll!(waits.as_mut()).is_pending(),
            "what is delivered has its place until it is settled"
        );
        let delivery = fixture::next(&mut deliveries).await;
        assert_eq!(fixture::body(&delivery), body);
        broker.settle(delivery, Settlement::Ack);
    }
    fixture::within(waits).await.unwrap();
    for body in ["4", "5"] {
        let delivery = fixture::next(&mut deliveries).await;
        assert_eq!(fixture::body(&delivery), body);
        broker.settle(delivery, Settlement::Ack);
    }
}
