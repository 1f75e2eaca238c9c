//! Handlers run so many at a time, and go on whatever happens to the link.

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
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use event_driven::{
    client::Client,
    lapin::options::QueueDeleteOptions,
    names::EventType,
    publisher::Publisher,
    subscriber::{Delivery, Handler, HandlerError, SubscriberSettings},
};
use held::{User, held, publish_users};
use proxy::Proxy;
use serde_json::json;
use service::{LONG, channel, client, key, settings, within};
use tokio::sync::mpsc;
use vhost::Vhost;

const QUEUE: &str = "event.create.user.to.billing";

#[tokio::test(flavor = "multi_thread")]
async fn as_many_handlers_run_at_once_as_are_allowed() {
    let vhost = Vhost::create();
    let client = client("billing", &vhost).await;
    let (handler, mut begins, let_go) = held();
    let settings = SubscriberSettings { concurrency: 3, ..client.settings().subscriber.clone() };
    client.subscribe_with(key(EventType::Create, "user"), &settings, handler).await.unwrap();
    publish_users(&Publisher::new(&client), 5).await;
    for _ in 0..3 {
        within(begins.recv()).await.unwrap();
    }
    // The one place where time must pass: a fourth must not begin.
    assert!(tokio::time::timeout(Duration::from_millis(300), begins.recv()).await.is_err());
    let_go.add_permits(1);
    within(begins.recv()).await.unwrap();
    let_go.add_permits(10);
    within(begins.recv()).await.unwrap();
    assert!(client.close(LONG).await);
}

/// Handles each user, and tells it to who waits until all were seen.
fn seen() -> (impl Handler<User>, Arc<Mutex<BTreeSet<u64>>>, mpsc::UnboundedReceiver<()>) {
    let (changed, changes) = mpsc::unbounded_channel();
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    let users = Arc::clone(&seen);
    let handler = move |user: User, _: &Delivery| {
        users.lock().unwrap().insert(user.user_id);
        // Nobody counts any more when the test is over.
        let _ = changed.send(());
        async { Ok::<(), HandlerError>(()) }
    };
    (handler, seen, changes)
}

#[tokio::test(flavor = "multi_thread")]
async fn links_cut_while_events_are_handled_lose_none_of_them() {
    let vhost = Vhost::create();
    let proxy = Proxy::start(vhost.server()).await;
    let consumer = Client::connect(settings("billing", &vhost.url_by(proxy.port))).await.unwrap();
    let (handler, seen, mut changes) = seen();
    consumer.subscribe(key(EventType::Create, "user"), handler).await.unwrap();
    let publishing = client("shop", &vhost).await;
    let publisher = Publisher::new(&publishing);
    let publish = tokio::spawn(async move { publish_users(&publisher, 500).await });
    within(async {
        let mut handled = 0;
        while seen.lock().unwrap().len() < 500 {
            changes.recv().await.unwrap();
            handled += 1;
            if handled % 150 == 0 {
                proxy.cut();
            }
        }
    })
    .await;
    publish.await.unwrap();
    assert!(consumer.close(LONG).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_was_deleted_is_declared_again() {
    let vhost = Vhost::create();
    let client = client("billing", &vhost).await;
    let (handler, seen, mut changes) = seen();
    client.subscribe(key(EventType::Create, "user"), handler).await.unwrap();
    let (_connection, channel) = channel(&vhost).await;
    channel.queue_delete(QUEUE.into(), QueueDeleteOptions::default()).await.unwrap();
    let publisher = Publisher::new(&client);
    // What is published before the queue is there again has no subscriber: it is published until it has one.
    let publish = async {
        loop {
            publish_users(&publisher, 1).await;
            tokio::task::yield_now().await;
        }
    };
    within(async {
        tokio::select! { () = publish => {}, change = changes.recv() => change.unwrap() }
    })
    .await;
    assert_eq!(seen.lock().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_handler_publishes_belongs_to_what_it_handles() {
    let vhost = Vhost::create();
    let client = client("billing", &vhost).await;
    let publisher = Publisher::new(&client);
    let answering = publisher.clone();
    let on_create = move |_: User, _: &Delivery| {
        let publisher = answering.clone();
        async move {
            let read = publisher.event_of(&key(EventType::Read, "user"), &json!({ "user_id": 2 }));
            read.await.map_err(HandlerError::technical)
        }
    };
    let (told, mut ids) = mpsc::unbounded_channel();
    let on_read = move |_: User, delivery: &Delivery| {
        told.send(delivery.headers.clone()).unwrap();
        async { Ok::<(), HandlerError>(()) }
    };
    client.subscribe(key(EventType::Read, "user"), on_read).await.unwrap();
    client.subscribe(key(EventType::Create, "user"), on_create).await.unwrap();
    let create = key(EventType::Create, "user");
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let event = publisher.event_of(&create, &json!({ "user_id": 1 })).correlation_id("visit-3");
    event.header("traceparent", parent).await.unwrap();
    let headers = within(ids.recv()).await.unwrap();
    assert_eq!(headers.correlation_id.as_str(), "visit-3");
    assert_eq!(headers.traceparent.as_deref(), Some(parent));
    assert_eq!(headers.producer_app.as_str(), "billing");
}
