//! What is published with `Ok` is in a queue; and every way in which it is not has an error of its own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]
#![allow(unreachable_pub, reason = "modules that several tests share")]

#[path = "support/proxy.rs"]
mod proxy;
#[path = "support/service.rs"]
mod service;
#[path = "support/vhost.rs"]
#[allow(clippy::cast_possible_truncation, reason = "a test may cut")]
mod vhost;

use std::{collections::BTreeSet, time::Duration};

use event_driven::{
    client::{Client, ClientSettings, Health},
    lapin::types::{AMQPValue, FieldTable},
    names::EventType,
    publisher::{Publication, PublishError, Publisher, PublisherSettings},
    trace,
};
use proxy::Proxy;
use serde_json::{Value, json};
use service::{LONG, bound_queue, channel, client, depth, key, settings, take, within};
use tracing::Instrument;
use tracing_subscriber::layer::SubscriberExt;
use vhost::Vhost;

fn table(arguments: &[(&str, AMQPValue)]) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in arguments {
        table.insert((*name).into(), value.clone());
    }
    table
}

fn to_queue(queue: &str, body: &'static str) -> Publication {
    Publication::new("", queue, Default::default(), body.into())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_says_who_what_and_which_attempt() {
    let vhost = Vhost::create();
    let publisher = Publisher::new(&client("shop", &vhost).await);
    let (_connection, channel) = channel(&vhost).await;
    bound_queue(&channel, "q", "event.exchange", "routing.event.update.user.#", FieldTable::default()).await;
    let user = key(EventType::Update, "user");
    publisher.event_of(&user, &json!({ "user_id": 1 })).header("tenant", "acme").await.unwrap();
    publisher.event_of(&user, &json!({})).correlation_id("c").message_id("m").await.unwrap();
    let found = take(&channel, "q", 2).await;
    let (first, second) = (&found[0].properties, &found[1].properties);
    assert_eq!(found[0].routing_key.as_str(), "routing.event.update.user");
    assert_eq!(found[0].data, br#"{"user_id":1}"#);
    assert_eq!(first.app_id(), &Some("shop".into()));
    assert_eq!(first.content_type(), &Some("application/json".into()));
    assert_eq!(first.delivery_mode(), &Some(2));
    assert!(first.correlation_id().is_some() && first.message_id().is_some() && first.timestamp().is_some());
    let headers = first.headers().as_ref().unwrap().inner();
    assert_eq!(headers.get("x-attempt"), Some(&AMQPValue::LongLongInt(0)));
    assert_eq!(headers.get("tenant"), Some(&AMQPValue::LongString("acme".into())));
    assert_eq!((second.correlation_id(), second.message_id()), (&Some("c".into()), &Some("m".into())));
}

#[tokio::test(flavor = "multi_thread")]
async fn returned_nacked_and_refused_are_told_apart() {
    let vhost = Vhost::create();
    let strict = PublisherSettings { mandatory_events: true, ..PublisherSettings::default() };
    let client = Client::connect(ClientSettings { publisher: strict, ..settings("shop", &vhost.url()) }).await.unwrap();
    let publisher = Publisher::new(&client);
    let user = key(EventType::Update, "user");
    let returned = publisher.event_of(&user, &json!({})).await.unwrap_err();
    assert!(matches!(returned, PublishError::Unroutable { .. }), "{returned}");
    let (_connection, channel) = channel(&vhost).await;
    let full = table(&[
        ("x-max-length", AMQPValue::LongInt(0)),
        ("x-overflow", AMQPValue::LongString("reject-publish".into())),
    ]);
    bound_queue(&channel, "full", "event.exchange", "routing.event.update.user.#", full).await;
    let nacked = publisher.event_of(&user, &json!({})).await.unwrap_err();
    assert!(matches!(nacked, PublishError::Nacked { .. }), "{nacked}");
    let missing = Publication::new("no.such.exchange", "k", Default::default(), "1".into());
    let refused = publisher.publish(missing).await.unwrap_err();
    assert!(matches!(&refused, PublishError::Refused(reason) if reason.contains("no.such.exchange")), "{refused}");
    assert!(nacked.may_pass() && returned.may_pass() && !refused.may_pass());
    // Neither harms what follows.
    bound_queue(&channel, "q", "event.exchange", "routing.event.read.user.#", FieldTable::default()).await;
    publisher.event_of(&key(EventType::Read, "user"), &json!({})).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_never_be_published_is_told_before_it_is_sent() {
    let vhost = Vhost::create();
    let publisher = Publisher::new(&client("shop", &vhost).await);
    let user = key(EventType::Update, "user");
    for (error, expected) in [
        (publisher.event_of(&user, &[1]).await, "the payload can't be published: it is no object"),
        (publisher.event_of(&user, &json!({})).correlation_id("").await, "the correlation id is empty"),
        (publisher.task("a/b", &1).await, "a task's name consists of a-z A-Z 0-9 _ - . and can't hold '/'"),
        (
            publisher.task("a", &1).message_id("x".repeat(256)).await,
            "the message id has 256 bytes, at most 255 are allowed",
        ),
    ] {
        let error = error.unwrap_err();
        assert_eq!(error.to_string(), expected);
        assert!(!error.may_pass());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_do_not_fit_into_a_frame_are_refused_and_the_link_stays() {
    let vhost = Vhost::create();
    let publisher = Publisher::new(&client("shop", &vhost).await);
    let user = key(EventType::Update, "user");
    let error = publisher.event_of(&user, &json!({})).header("big", "x".repeat(200_000)).await.unwrap_err();
    assert!(
        matches!(&error, PublishError::Refused(reason) if reason.contains("its headers and properties need 200")),
        "{error}"
    );
    let task = publisher.task("t", &1).into_publication().unwrap();
    let mut headers = FieldTable::default();
    headers.insert("big".into(), AMQPValue::LongString("x".repeat(200_000).into()));
    let large = Publication { properties: task.properties.clone().with_headers(headers), ..task };
    let error = publisher.call(large, LONG).await.unwrap_err();
    assert!(matches!(&error, PublishError::Refused(_)), "{error}");
    assert_eq!(*publisher.client().health().borrow(), Health::Connected);
    publisher.event_of(&user, &json!({})).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_equal_messages_the_mandatory_one_is_returned() {
    let vhost = Vhost::create();
    let publisher = Publisher::new(&client("shop", &vhost).await);
    let nowhere = |mandatory| Publication {
        mandatory,
        ..Publication::new("event.exchange", "k", Default::default(), "1".into())
    };
    for _ in 0..20 {
        let results = publisher.publish_all([nowhere(false), nowhere(true)]).await;
        assert!(matches!(results.as_slice(), [Ok(()), Err(PublishError::Unroutable { .. })]), "{results:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_has_a_result_for_each_in_its_order() {
    let vhost = Vhost::create();
    let publisher = Publisher::new(&client("shop", &vhost).await);
    let (_connection, channel) = channel(&vhost).await;
    bound_queue(&channel, "q", "event.exchange", "nothing", FieldTable::default()).await;
    let batch = ["1", "2", "3"].map(|body| to_queue(if body == "2" { "missing" } else { "q" }, body));
    let results = publisher.publish_all(batch).await;
    assert!(matches!(results.as_slice(), [Ok(()), Err(PublishError::Unroutable { .. }), Ok(())]), "{results:?}");
    assert_eq!(depth(&channel, "q").await, 2);
}

/// A client behind a proxy, and a publisher with that much patience and room.
async fn behind_proxy(vhost: &Vhost, publisher: PublisherSettings) -> (Publisher, Proxy) {
    let proxy = Proxy::start(vhost.server()).await;
    let settings = ClientSettings { publisher, ..settings("shop", &vhost.url_by(proxy.port)) };
    (Publisher::new(&Client::connect(settings).await.unwrap()), proxy)
}

#[tokio::test(flavor = "multi_thread")]
async fn links_cut_while_events_are_published_lose_none_of_them() {
    const COUNT: usize = 3_000;
    let vhost = Vhost::create();
    let (publisher, proxy) = behind_proxy(&vhost, PublisherSettings::default()).await;
    let (_connection, channel) = channel(&vhost).await;
    bound_queue(&channel, "q", "event.exchange", "routing.event.create.user.#", FieldTable::default()).await;
    let user = key(EventType::Create, "user");
    let mut publishing = tokio::task::JoinSet::new();
    for n in 0..COUNT {
        if n % 400 == 200 {
            proxy.cut();
        }
        if publishing.len() >= 64 {
            publishing.join_next().await.unwrap().unwrap();
        }
        let (publisher, user) = (publisher.clone(), user.clone());
        publishing.spawn(async move { publisher.event_of(&user, &json!({ "n": n })).await.unwrap() });
    }
    within(publishing.join_all()).await;
    let mut arrived = BTreeSet::new();
    while depth(&channel, "q").await > 0 {
        let message = take(&channel, "q", 1).await.remove(0);
        let body: Value = serde_json::from_slice(&message.data).unwrap();
        arrived.insert(body["n"].as_u64().unwrap());
    }
    assert_eq!(arrived.len(), COUNT, "every one that was confirmed is there");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_rabbitmq_is_away_publishers_wait_and_go_on() {
    let vhost = Vhost::create();
    // Less room than publishers: some wait for room, some for the connection.
    let (publisher, proxy) = behind_proxy(&vhost, PublisherSettings { buffer: 2, ..Default::default() }).await;
    let (_connection, channel) = channel(&vhost).await;
    bound_queue(&channel, "q", "event.exchange", "nothing", FieldTable::default()).await;
    proxy.refuse();
    within(publisher.client().health().wait_for(|health| *health != Health::Connected)).await.unwrap();
    let waiting: Vec<_> = (0..8)
        .map(|_| {
            let publisher = publisher.clone();
            tokio::spawn(async move { publisher.publish(to_queue("q", "1")).await })
        })
        .collect();
    proxy.restore();
    for waited in waiting {
        within(waited).await.unwrap().unwrap();
    }
    assert!(depth(&channel, "q").await >= 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn patience_ends_with_the_reason() {
    let vhost = Vhost::create();
    let patience = Duration::from_millis(300);
    let (publisher, proxy) = behind_proxy(&vhost, PublisherSettings { patience, ..Default::default() }).await;
    // A link that is silent without being cut.
    proxy.stall();
    let error = within(publisher.publish(to_queue("q", "1"))).await.unwrap_err();
    assert!(matches!(error, PublishError::TimedOut(after) if after == patience), "{error}");
    proxy.refuse();
    within(publisher.client().health().wait_for(|health| *health != Health::Connected)).await.unwrap();
    let error = within(publisher.publish(to_queue("q", "1"))).await.unwrap_err();
    assert!(matches!(&error, PublishError::Disconnected(_)), "{error}");
    assert!(publisher.client().close(LONG).await);
    let error = within(publisher.publish(to_queue("q", "1"))).await.unwrap_err();
    assert_eq!(error.to_string(), "the connection to RabbitMQ is gone: it was closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_current_span_says_what_an_event_belongs_to() {
    let vhost = Vhost::create();
    let publisher = Publisher::new(&client("shop", &vhost).await);
    let (_connection, channel) = channel(&vhost).await;
    bound_queue(&channel, "q", "event.exchange", "routing.event.create.user.#", FieldTable::default()).await;
    let subscriber = tracing_subscriber::registry().with(trace::layer());
    let _installed = tracing::subscriber::set_default(subscriber);
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let span = tracing::info_span!("order", correlation_id = "order-17", traceparent = parent);
    let user = key(EventType::Create, "user");
    async { publisher.event_of(&user, &json!({})).await.unwrap() }.instrument(span).await;
    let found = take(&channel, "q", 1).await.remove(0);
    assert_eq!(found.properties.correlation_id(), &Some("order-17".into()));
    let headers = found.properties.headers().as_ref().unwrap().inner();
    assert_eq!(headers.get("traceparent"), Some(&AMQPValue::LongString(parent.into())));
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_just_fit_into_a_frame_are_published_and_one_byte_more_is_not() {
    let vhost = Vhost::create();
    let publisher = Publisher::new(&client("shop", &vhost).await);
    let (_connection, channel) = channel(&vhost).await;
    bound_queue(&channel, "q", "event.exchange", "nothing", FieldTable::default()).await;
    // RabbitMQ's frames have 131,072 bytes. Around the text: 22 of the frame, 4 of the table, 2 + 3 + 4 of the header; and
    // all properties that there are.
    let message = |length: usize| {
        let headers = table(&[("big", AMQPValue::LongString("x".repeat(length).into()))]);
        let properties = event_driven::lapin::BasicProperties::default()
            .with_app_id("a".into())
            .with_priority(1)
            .with_timestamp(1)
            .with_headers(headers);
        Publication::new("", "q", properties, "1".into())
    };
    let room = 131_072 - (22 + 4 + 9) - (2 + 1 + 8);
    publisher.publish(message(room)).await.unwrap();
    let error = publisher.publish(message(room + 1)).await.unwrap_err();
    assert!(error.to_string().ends_with("need 131073 bytes, a frame of this connection has 131072"), "{error}");
    assert_eq!(take(&channel, "q", 1).await.len(), 1);
}
