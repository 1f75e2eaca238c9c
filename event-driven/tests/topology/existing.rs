//! What others declared first.

use event_driven::{
    lapin::{
        Connection, ExchangeKind,
        options::{ExchangeDeclareOptions, QueueDeclareOptions},
        types::{AMQPValue, FieldTable},
    },
    names::EVENT_STORE_QUEUE,
    publisher::Publisher,
    subscriber::{Delivery, HandlerError},
    topology::{Declaration, QueueType, TopologySettings, apply, exchanges, plan, subscription},
};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::{
    channel, classic, client, connection, durable, exchange, found, messages, queue, subscription_of, text,
    user_created, vhost::Vhost, within,
};

#[tokio::test(flavor = "multi_thread")]
async fn applied_twice_it_is_the_same() {
    for queue_type in [QueueType::Quorum, QueueType::Classic] {
        let vhost = Vhost::create();
        let connection = connection(&vhost).await;
        let settings = TopologySettings { queue_type, ..TopologySettings::default() };
        let mut plan = plan(&settings);
        plan.extend(subscription(&subscription_of("billing"), &settings));
        for _ in 0..2 {
            assert_eq!(within(apply(&connection, &plan)).await.unwrap(), Vec::<String>::new());
        }
        for (thing, (state, differences)) in found(&connection, &plan).await {
            let expected = if thing.starts_with("binding") { "untold: AMQP can't ask for bindings" } else { "right" };
            assert_eq!((state.as_str(), differences), (expected, Vec::new()), "{thing}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_receives_from_a_queue_that_exists_with_other_arguments() {
    let vhost = Vhost::create();
    let connection = connection(&vhost).await;
    let own = [("x-max-retries", AMQPValue::LongInt(5)), ("x-message-ttl", AMQPValue::LongInt(60_000))];
    queue(&connection, "event.create.user.to.billing", &own).await;

    let settings = TopologySettings { retries: 1, ..TopologySettings::default() };
    let plan = subscription(&subscription_of("billing"), &settings);
    let expected = [
        "x-dead-letter-exchange is none instead of 'dead.event.exchange'",
        "x-dead-letter-routing-key is none instead of 'dead.routing.create.user.to.billing'",
        "x-max-length is none instead of '10000'",
        "x-max-length-bytes is none instead of '104857600'",
        "x-message-ttl is '60000' instead of '86400000'",
        "x-overflow is none instead of 'reject-publish'",
        "x-queue-type is none instead of 'quorum'",
    ];
    let found = found(&connection, &plan).await;
    let (state, mut differences) = found["queue event.create.user.to.billing"].clone();
    differences.sort();
    assert_eq!((state.as_str(), &differences[..]), ("usable", &expected.map(str::to_owned)[..]));
    assert_eq!(found["queue attempt.0.create.user.to.billing"].0, "missing");

    let client = client("billing", &vhost, &settings).await;
    let mut lines = within(apply(&connection, &plan)).await.unwrap();
    lines.sort();
    let prefix = "queue event.create.user.to.billing exists already, but ";
    assert_eq!(lines, expected.map(|difference| format!("{prefix}{difference}")));

    let (sender, mut received) = mpsc::unbounded_channel();
    let handler = move |user: Value, _: &Delivery| {
        let sent = sender.send(user).map_err(HandlerError::technical);
        async move { sent }
    };
    client.subscribe(user_created(), handler).await.unwrap();
    Publisher::new(&client).event_of(&user_created(), &json!({ "id": 7 })).await.unwrap();
    assert_eq!(within(received.recv()).await, Some(json!({ "id": 7 })));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_difference_is_named() {
    let vhost = Vhost::create();
    let connection = connection(&vhost).await;
    let channel = channel(&connection).await;
    let internal = ExchangeDeclareOptions { internal: true, auto_delete: true, ..ExchangeDeclareOptions::default() };
    exchange(&connection, "event.exchange", ExchangeKind::Headers, internal).await;
    let own = crate::table(&[
        ("x-expires", AMQPValue::LongInt(60_000)),
        ("x-max-priority", AMQPValue::ShortShortUInt(5)),
        ("x-single-active-consumer", AMQPValue::Boolean(true)),
        ("x-overflow", text("drop-head")),
        ("x-dead-letter-exchange", text("it's elsewhere")),
        ("x-queue-mode", text("lazy")),
    ]);
    let options = QueueDeclareOptions { auto_delete: true, ..QueueDeclareOptions::default() };
    channel.queue_declare("tasks".into(), options, own).await.unwrap();

    let found = found(&connection, &plan(&classic())).await;
    let (state, mut differences) = found["exchange event.exchange"].clone();
    differences.sort();
    assert!(state.starts_with("unusable: exchange event.exchange exists already, but type is 'headers'"), "{state}");
    assert_eq!(
        differences,
        [
            "auto_delete is 'true' instead of 'false'",
            "durable is 'false' instead of 'true'",
            "internal is 'true' instead of 'false'",
            "type is 'headers' instead of 'topic'",
        ]
    );
    let (state, mut differences) = found["queue tasks"].clone();
    differences.sort();
    assert!(state.contains("it would vanish with its messages when its last consumer goes"), "{state}");
    assert_eq!(
        differences,
        [
            "auto_delete is 'true' instead of 'false'",
            "durable is 'false' instead of 'true'",
            "x-dead-letter-exchange is 'it's elsewhere' instead of 'dead.task.exchange'",
            "x-dead-letter-routing-key is none instead of 'dead.tasks'",
            "x-expires is '60000' instead of none",
            "x-max-priority is '5' instead of none",
            "x-overflow is 'drop-head' instead of none",
            "x-queue-mode is 'lazy' instead of none",
            "x-single-active-consumer is 'true' instead of none",
        ]
    );
}

/// Declares what `with` says, and gives the error of what is then applied.
async fn refused(plan: Vec<Declaration>, with: impl AsyncFnOnce(&Connection)) -> String {
    let vhost = Vhost::create();
    let connection = connection(&vhost).await;
    with(&connection).await;
    let error = within(apply(&connection, &plan)).await.unwrap_err().to_string();
    let wrong = found(&connection, &plan).await.into_values().filter(|(state, _)| state.starts_with("unusable"));
    assert_eq!(wrong.map(|(state, _)| state).collect::<Vec<_>>(), [format!("unusable: {error}")]);
    error
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exchange_of_another_type_is_refused() {
    let error = refused(plan(&classic()), async |connection| {
        exchange(connection, "dead.task.exchange", ExchangeKind::Topic, durable()).await;
    });
    assert_eq!(
        error.await,
        "exchange dead.task.exchange exists already, but type is 'topic' instead of 'direct', and so it can't be used: it \
         would route messages to other queues than they are meant for; delete or rename it, or change who declares it"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_queue_that_leads_nowhere_is_refused() {
    let error = refused(plan(&classic()), async |connection| {
        queue(connection, "attempt.0.tasks", &[("x-message-ttl", AMQPValue::LongInt(3_000))]).await;
    });
    let error = error.await;
    assert!(error.contains("messages would not come back from it into the queue"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_queue_that_leads_to_all_subscribers_is_refused() {
    let plan = subscription(&subscription_of("billing"), &classic());
    let plan = [exchanges(&classic()), plan].concat();
    let error = refused(plan, async |connection| {
        let own = [
            ("x-message-ttl", AMQPValue::LongInt(3_000)),
            ("x-dead-letter-exchange", text("event.exchange")),
            ("x-dead-letter-routing-key", text("routing.event.create.user")),
        ];
        queue(connection, "attempt.0.create.user.to.billing", &own).await;
    });
    let error = error.await;
    assert!(error.contains("x-dead-letter-exchange is 'event.exchange' instead of ''"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_of_work_that_drops_messages_is_refused() {
    let limit = ("x-max-length", AMQPValue::LongInt(10));
    for queue_name in ["tasks", "event.store", "attempt.0.tasks"] {
        let error = refused(plan(&classic()), async |connection| {
            queue(connection, queue_name, std::slice::from_ref(&limit)).await
        });
        let error = error.await;
        assert!(error.starts_with(&format!("queue {queue_name} exists already, but ")), "{error}");
    }
    let error = refused(plan(&classic()), async |connection| {
        queue(
            connection,
            "tasks",
            &[("x-max-length-bytes", AMQPValue::LongInt(10)), ("x-overflow", text("drop-head"))],
        )
        .await;
    });
    assert_eq!(
        error.await,
        "queue tasks exists already, but x-max-length-bytes is '10' instead of none, and so it can't be used: it would drop \
         its oldest messages when it is full (x-overflow is not reject-publish); delete or rename it, or change who declares it"
    );
    // A subscriber's, with the limit that it should have.
    let subscription = subscription(&subscription_of("billing"), &classic());
    let error = refused([exchanges(&classic()), subscription].concat(), async |connection| {
        queue(connection, "event.create.user.to.billing", &[("x-max-length", AMQPValue::LongInt(10_000))]).await;
    });
    let error = error.await;
    assert!(error.contains("it would drop its oldest messages"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_that_refuses_and_limited_dead_letters_are_used() {
    let vhost = Vhost::create();
    let connection = connection(&vhost).await;
    let limit = ("x-max-length", AMQPValue::LongInt(10));
    queue(&connection, "tasks", &[limit.clone(), ("x-overflow", text("reject-publish"))]).await;
    queue(&connection, "dead.tasks", &[limit, ("x-message-ttl", AMQPValue::LongInt(60_000))]).await;
    let found = found(&connection, &plan(&classic())).await;
    for queue in ["tasks", "dead.tasks"] {
        let (state, differences) = &found[format!("queue {queue}").as_str()];
        assert_eq!(state, "usable", "{queue}");
        assert!(differences.contains(&"x-max-length is '10' instead of none".to_owned()), "{differences:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_refused() {
    let error = refused(plan(&classic()), async |connection| {
        queue(connection, "event.store", &[("x-queue-type", text("stream")), ("x-max-age", text("1h"))]).await;
    });
    let error = error.await;
    assert!(error.contains("messages can't be taken out of a stream"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exclusive_queue_is_refused() {
    let vhost = Vhost::create();
    let (owner, connection) = (connection(&vhost).await, connection(&vhost).await);
    let options = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
    channel(&owner).await.queue_declare("dead.tasks".into(), options, FieldTable::default()).await.unwrap();
    let error = within(apply(&connection, &plan(&classic()))).await.unwrap_err().to_string();
    assert!(
        error.contains("exclusive is 'true' instead of 'false'") && error.contains("another connection"),
        "{error}"
    );
    assert_eq!(found(&connection, &plan(&classic())).await["queue dead.tasks"].0, format!("unusable: {error}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn transient_exchanges_of_others_are_used() {
    let vhost = Vhost::create();
    let connection = connection(&vhost).await;
    let transient = TopologySettings { durable_exchanges: false, ..classic() };
    within(apply(&connection, &exchanges(&transient))).await.unwrap();

    let durable = plan(&classic());
    let lines = within(apply(&connection, &durable)).await.unwrap();
    let names =
        ["event.exchange", "dead.event.exchange", "task.unrouted.exchange", "task.exchange", "dead.task.exchange"];
    assert_eq!(
        lines,
        names.map(|name| format!("exchange {name} exists already, but durable is 'false' instead of 'true'"))
    );
    assert_eq!(found(&connection, &durable).await["exchange task.exchange"].0, "usable");
    // Who knows of it is told nothing.
    assert_eq!(within(apply(&connection, &plan(&transient))).await.unwrap(), Vec::<String>::new());
    assert_eq!(found(&connection, &plan(&transient)).await["exchange task.exchange"].0, "right");

    let client = client("shop", &vhost, &transient).await;
    Publisher::new(&client).event_of(&user_created(), &json!({})).await.unwrap();
    assert_eq!(messages(&connection, EVENT_STORE_QUEUE).await, Some(1));
    Publisher::new(&client).task("echo", &json!({})).await.unwrap();
    assert_eq!(messages(&connection, "tasks").await, Some(1));
}
