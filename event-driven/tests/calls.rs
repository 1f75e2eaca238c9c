//! A task that is called gives its outcome to who called, and to nobody else.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]
#![allow(unreachable_pub, reason = "modules that several tests share")]

#[path = "support/service.rs"]
mod service;
#[path = "support/vhost.rs"]
#[allow(clippy::cast_possible_truncation, reason = "a test may cut")]
mod vhost;

use std::time::Duration;

use event_driven::{
    client::Client,
    message::Outcome,
    names::{Action, Attempt, Entity, TaskRoute},
    publisher::{PublishError, Publisher},
    subscriber::{Delivery, HandlerError},
};
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use serde_json::json;
use service::{channel, client, take, within};
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
    assert!(misfit.starts_with("model: invalid type: string"), "{misfit}");
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
async fn a_task_that_waits_too_long_expires_into_the_dead_letters() {
    let vhost = Vhost::create();
    let (serving, publisher) = shop(&vhost).await;
    assert!(serving.close(Duration::from_secs(5)).await);
    let task = publisher.task("process_order", &json!({ "price": 4 })).route(&route());
    task.expiration(Duration::from_millis(1)).message_id("m-1").await.unwrap();
    let (_connection, channel) = channel(&vhost).await;
    let dead = take(&channel, "dead.task.process.order", 1).await;
    assert_eq!(dead[0].properties.message_id(), &Some("m-1".into()));
}
