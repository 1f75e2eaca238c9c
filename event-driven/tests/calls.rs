//! A task that is called gives its outcome to who called, and to nobody else.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]
#![allow(unreachable_pub, reason = "modules that several tests share")]

#[path = "support/service.rs"]
mod service;
#[path = "support/vhost.rs"]
#[allow(clippy::cast_possible_truncation, reason = "a test may cut")]
mod vhost;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use event_driven::{
    client::Client,
    lapin::{
        BasicProperties, Channel,
        options::BasicConsumeOptions,
        types::{AMQPValue, FieldTable},
    },
    message::Outcome,
    names::{Action, Attempt, Entity, TaskRoute},
    publisher::{Publication, PublishError, Publisher},
    subscriber::{Delivery, HandlerError},
};
use futures_util::{StreamExt, future::join_all};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use service::{bound_queue, channel, client, take, within};
use vhost::Vhost;

#[derive(Deserialize)]
struct Order {
    price: i64,
}

#[derive(Serialize)]
struct Receipt {
    total: i64,
    task: String,
}

async fn process(order: Order, delivery: &Delivery) -> Result<Receipt, HandlerError> {
    match order.price {
        0 => Err(HandlerError::business("nothing to pay")),
        1 => panic!("one is too few"),
        2 if delivery.headers.attempt == Attempt::FIRST => Err(HandlerError::technical("not yet")),
        3 => std::future::pending().await,
        price => Ok(Receipt { total: price * 2, task: delivery.task_name.as_ref().unwrap().to_string() }),
    }
}

fn route() -> TaskRoute {
    TaskRoute { action: Action::new("process").unwrap(), entity: Entity::new("order").unwrap() }
}

/// A service that processes orders, and a publisher of another one.
async fn shop(vhost: &Vhost) -> (Client, Publisher) {
    let serving = client("orders", vhost).await;
    serving.serve_task("process", "order", process).await.unwrap();
    (serving, Publisher::new(&client("shop", vhost).await))
}

fn completed(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Completed(result) => result.as_str(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_of_outcome_comes_back() {
    let vhost = Vhost::create();
    let (_serving, publisher) = shop(&vhost).await;
    let call = |payload: serde_json::Value| {
        let publisher = publisher.clone();
        async move { within(publisher.task("process_order", &payload).route(&route()).call()).await.unwrap() }
    };
    assert_eq!(completed(&call(json!({ "price": 21 })).await), r#"{"total":42,"task":"process_order"}"#);
    assert_eq!(call(json!({ "price": 0 })).await, Outcome::Failed("business: nothing to pay".to_owned()));
    assert_eq!(completed(&call(json!({ "price": 2 })).await), r#"{"total":4,"task":"process_order"}"#, "after a retry");
    let Outcome::Failed(misfit) = call(json!({ "price": "much" })).await else { panic!("it does not fit") };
    assert!(misfit.starts_with("invalid: invalid type: string"), "{misfit}");
    let died = call(json!({ "price": 1 })).await;
    assert_eq!(died, Outcome::Failed("technical: the handler panicked: one is too few".to_owned()));
    let (_connection, channel) = channel(&vhost).await;
    let dead = take(&channel, "dead.task.process.order", 1).await;
    assert_eq!(dead[0].data, br#"{"task_name":"process_order","payload":{"price":1}}"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_at_once_of_one_correlation_id_get_each_its_own_outcome() {
    let vhost = Vhost::create();
    let (_serving, publisher) = shop(&vhost).await;
    for _ in 0..2 {
        let calls = (10..60).map(|price| {
            let publisher = &publisher;
            async move {
                let payload = json!({ "price": price });
                let task = publisher.task("process_order", &payload).route(&route()).correlation_id("the same");
                (price, within(task.call()).await.unwrap())
            }
        });
        for (price, outcome) in join_all(calls).await {
            assert!(completed(&outcome).contains(&format!(r#""total":{}"#, price * 2)), "{price}: {outcome:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_nobody_answers_ends_with_the_reason() {
    let vhost = Vhost::create();
    let (_serving, publisher) = shop(&vhost).await;
    let patience = Duration::from_millis(200);
    let payload = json!({ "price": 3 });
    let late = publisher.task("process_order", &payload).route(&route()).timeout(patience).call().await.unwrap_err();
    assert!(matches!(late, PublishError::NoReply { after } if after == patience), "{late}");
    let nowhere = within(publisher.task("resize_image", &payload).call()).await.unwrap_err();
    assert!(matches!(nowhere, PublishError::Unroutable { .. }), "{nowhere}");
    // Neither spoils the next.
    let outcome = within(publisher.task("process_order", &json!({ "price": 4 })).route(&route()).call()).await.unwrap();
    assert!(completed(&outcome).contains(r#""total":8"#));
}

#[tokio::test(flavor = "multi_thread")]
async fn more_calls_than_there_is_room_for_wait_for_each_other() {
    let vhost = Vhost::create();
    let (_serving, publisher) = shop(&vhost).await;
    let calls =
        (0..600).map(|_| {
            let publisher = &publisher;
            async move {
                within(publisher.task("process_order", &json!({ "price": 5 })).route(&route()).call()).await.unwrap()
            }
        });
    assert!(join_all(calls).await.iter().all(|outcome| completed(outcome).contains(r#""total":10"#)));
}

/// Answers each task of the route as often as asked, with its payload, as programs do that are not this crate.
async fn echo(channel: &Channel, times: usize) {
    bound_queue(channel, "q", "task.exchange", "routing.task.process.order", FieldTable::default()).await;
    let no_ack = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    let mut tasks = channel.basic_consume("q".into(), "".into(), no_ack, FieldTable::default()).await.unwrap();
    let channel = channel.clone();
    tokio::spawn(async move {
        while let Some(Ok(task)) = tasks.next().await {
            let to = task.properties.reply_to().clone().unwrap();
            let body: Value = serde_json::from_slice(&task.data).unwrap();
            let reply = body["payload"].to_string();
            for _ in 0..times {
                let properties = BasicProperties::default();
                channel
                    .basic_publish("".into(), to.clone(), Default::default(), reply.as_bytes(), properties)
                    .await
                    .unwrap();
            }
        }
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_is_answered_twice_does_not_answer_the_next_call() {
    let vhost = Vhost::create();
    let publisher = Publisher::new(&client("shop", &vhost).await);
    let (_connection, channel) = channel(&vhost).await;
    echo(&channel, 2).await;
    for n in 0..20 {
        let task = publisher.task("t", &json!({ "call": n })).route(&route());
        assert_eq!(completed(&within(task.call()).await.unwrap()), format!(r#"{{"call":{n}}}"#));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_refuses_replies_does_not_hold_up_the_tasks_of_others() {
    let vhost = Vhost::create();
    let (_serving, publisher) = shop(&vhost).await;
    let (_connection, channel) = channel(&vhost).await;
    let mut full = FieldTable::default();
    full.insert("x-max-length".into(), AMQPValue::LongInt(0));
    full.insert("x-overflow".into(), AMQPValue::LongString("reject-publish".into()));
    bound_queue(&channel, "full", "task.exchange", "nothing", full).await;
    for _ in 0..32 {
        publisher.task("process_order", &json!({ "price": 4 })).route(&route()).reply_to("full").await.unwrap();
    }
    let task = publisher.task("process_order", &json!({ "price": 4 })).route(&route());
    assert!(completed(&within(task.call()).await.unwrap()).contains(r#""total":8"#));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_breaks_the_contract_is_answered_and_kept() {
    let vhost = Vhost::create();
    let (_serving, publisher) = shop(&vhost).await;
    let task = publisher.task("process_order", &json!({})).route(&route()).into_publication().unwrap();
    let outcome = within(publisher.call(Publication { body: "[".into(), ..task }, Duration::MAX)).await.unwrap();
    let Outcome::Failed(reason) = outcome else { panic!("it is no task") };
    assert!(reason.starts_with("malformed: the body is not JSON"), "{reason}");
    let (_connection, channel) = channel(&vhost).await;
    assert_eq!(take(&channel, "dead.task.process.order", 1).await[0].data, b"[");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_can_not_be_written_is_not_computed_again() {
    let vhost = Vhost::create();
    let serving = client("orders", &vhost).await;
    let executed = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&executed);
    let handler = move |_: Value, _: &Delivery| {
        count.fetch_add(1, SeqCst);
        // JSON has texts for keys only.
        async { Ok::<_, HandlerError>(BTreeMap::from([((1, 2), 3)])) }
    };
    serving.serve_task("process", "order", handler).await.unwrap();
    let publisher = Publisher::new(&client("shop", &vhost).await);
    let outcome = within(publisher.task("t", &json!(1)).route(&route()).call()).await.unwrap();
    let expected = "bad_output: the result can't be written as JSON: key must be a string";
    assert_eq!(outcome, Outcome::Failed(expected.to_owned()));
    let (_connection, channel) = channel(&vhost).await;
    take(&channel, "dead.task.process.order", 1).await;
    assert_eq!(executed.load(SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_waits_too_long_expires_into_the_dead_letters() {
    let vhost = Vhost::create();
    let (serving, publisher) = shop(&vhost).await;
    assert!(serving.close(Duration::from_secs(60)).await);
    let task = publisher.task("process_order", &json!({ "price": 4 })).route(&route());
    task.expiration(Duration::from_millis(1)).message_id("m-1").await.unwrap();
    let (_connection, channel) = channel(&vhost).await;
    let dead = take(&channel, "dead.task.process.order", 1).await;
    assert_eq!(dead[0].properties.message_id(), &Some("m-1".into()));
}
