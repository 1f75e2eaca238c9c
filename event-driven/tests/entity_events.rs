//! Entities on a real RabbitMQ: their events are published by the derived methods and handled by their types.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

#[path = "support/vhost.rs"]
mod vhost;

use std::{future::Future, time::Duration};

use event_driven::{
    EventObject,
    client::{Client, ClientSettings},
    entity::{Event, Notify},
    names::{EventType, Service, Subscription},
    on_notify,
    publisher::{PublishError, Publisher},
    subscriber::{Delivery, Handler, HandlerError},
};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use vhost::Vhost;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, EventObject)]
#[event(crud)]
struct User {
    #[event(key)]
    user_id: i64,
    username: String,
    #[event(disable_update)]
    email: String,
    full_name: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct PasswordChanged {
    user_id: i64,
    length: usize,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Counted {
    value: usize,
}

#[derive(Debug, thiserror::Error)]
enum UserError {
    #[error("too short")]
    TooShort,
    #[error(transparent)]
    Publish(#[from] PublishError),
}

impl User {
    #[on_notify("password_changed")]
    async fn change_password(&mut self, new: String, publisher: &Publisher) -> Result<PasswordChanged, UserError> {
        if new.is_empty() {
            return Err(UserError::TooShort);
        }
        checked(&new)?;
        self.username.push('!');
        Ok(PasswordChanged { user_id: self.user_id, length: new.len() })
    }

    /// What the body may do in any async method it may do here: destructure, coerce an error, return early.
    #[on_notify("counted")]
    async fn count(
        events: &event_driven::publisher::Publisher,
        (a, b): (&str, &str),
    ) -> Result<usize, Box<dyn std::error::Error + Send + Sync>> {
        let _ = events;
        if a.is_empty() {
            return Ok(b.len());
        }
        if b.is_empty() {
            return Err(Box::new(UserError::TooShort));
        }
        let (a, b): (usize, usize) = (a.parse()?, b.parse()?);
        tokio::task::yield_now().await;
        Ok(a + b)
    }
}

fn checked(new: &str) -> Result<(), UserError> {
    if new.len() < 3 { Err(UserError::TooShort) } else { Ok(()) }
}

fn ada() -> User {
    User { user_id: 7, username: "ada".to_owned(), email: "ada@example.org".to_owned(), full_name: None }
}

/// Passes on what it handles, with the routing key by which it came.
struct Inbox<T>(UnboundedSender<(String, T)>);

impl<T: Send + 'static> Handler<T> for Inbox<T> {
    async fn handle(&self, value: T, delivery: &Delivery) -> Result<(), HandlerError> {
        self.0.send((delivery.routing_key.clone(), value)).map_err(HandlerError::technical)
    }
}

fn inbox<T>() -> (Inbox<T>, UnboundedReceiver<(String, T)>) {
    let (sender, receiver) = unbounded_channel();
    (Inbox(sender), receiver)
}

async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("in time")
}

async fn next<T>(receiver: &mut UnboundedReceiver<(String, T)>) -> (String, T) {
    in_time(receiver.recv()).await.expect("a message")
}

async fn client(vhost: &Vhost) -> Client {
    let mut settings = ClientSettings::new(Service::new("billing").unwrap(), vhost.address());
    settings.connect_timeout = Duration::from_secs(30);
    Client::connect(settings).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_event_reaches_who_subscribed_to_its_type() {
    let vhost = Vhost::create();
    let client = client(&vhost).await;
    let publisher = Publisher::new(&client);
    let ((create, mut created), (update, mut updated)) = (inbox(), inbox());
    let ((delete, mut deleted), (read, mut was_read)) = (inbox(), inbox());
    let subscriber = UserCreate::subscribe(&client, create).await.unwrap();
    let subscriber = subscriber.and(UserUpdate::subscribe(&client, update).await.unwrap());
    let subscriber = subscriber.and(UserDelete::subscribe(&client, delete).await.unwrap());
    let subscriber = subscriber.and(User::subscribe(&client, [EventType::Read], read).await.unwrap());

    // In tasks of their own, as a service calls them: the futures have to be `Send`.
    let publish = async move {
        let user = ada();
        user.on_create(&publisher).await?;
        user.on_update(&publisher).await?;
        user.on_delete(&publisher).await?;
        user.on_read(&publisher).await
    };
    tokio::spawn(publish).await.unwrap().unwrap();

    let (key, event) = next(&mut created).await;
    assert_eq!((key.as_str(), event.user_id, event.email), ("routing.event.create.user", Some(7), ada().email));
    let (key, event) = next(&mut updated).await;
    assert_eq!((key.as_str(), event.user_id, event.username), ("routing.event.update.user", 7, Some(ada().username)));
    let (key, event) = next(&mut deleted).await;
    assert_eq!((key.as_str(), event.user_id, event.full_name), ("routing.event.delete.user", 7, None));
    assert_eq!(next(&mut was_read).await, ("routing.event.read.user".to_owned(), ada()));

    in_time(subscriber.stop()).await;
    for event_type in [EventType::Create, EventType::Update, EventType::Delete, EventType::Read] {
        let subscription =
            Subscription { event: User::event_key(event_type), service: client.settings().service.clone() };
        assert_eq!(client.depth(&subscription.queue()).await.unwrap(), 0, "{event_type}");
        assert_eq!(client.depth(&subscription.dead_queue()).await.unwrap(), 0, "{event_type}");
    }
    assert!(in_time(client.close(Duration::from_secs(60))).await);
}

/// Borrows the delivery while it waits.
async fn never_twice(_: UserUpdate, delivery: &Delivery) -> Result<(), HandlerError> {
    tokio::task::yield_now().await;
    if delivery.redelivered { Err(HandlerError::business("again")) } else { Ok(()) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_and_a_closure_are_handlers() {
    let vhost = Vhost::create();
    let client = client(&vhost).await;
    // In a task: the future that subscribes has to be `Send`, too.
    let by = client.clone();
    let subscribe = async move { UserUpdate::subscribe(&by, never_twice).await };
    tokio::spawn(subscribe).await.unwrap().unwrap();
    let (sender, mut receiver) = unbounded_channel();
    let handler = move |event: UserCreate, _: &Delivery| {
        let sent = sender.send((String::new(), event.username)).map_err(HandlerError::technical);
        async move { sent }
    };
    UserCreate::subscribe(&client, handler).await.unwrap();
    ada().on_create(&Publisher::new(&client)).await.unwrap();
    assert_eq!(next(&mut receiver).await.1, "ada");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_synced_waits_until_somebody_subscribes() {
    let vhost = Vhost::create();
    let client = client(&vhost).await;
    let publisher = Publisher::new(&client);
    let nobody = ada().on_update(&publisher).await.unwrap_err();
    assert!(matches!(nobody, PublishError::Unroutable { .. }), "{nobody}");

    User::sync_schema(&client, [EventType::Update, EventType::Delete]).await.unwrap();
    ada().on_update(&publisher).await.unwrap();
    ada().on_delete(&publisher).await.unwrap();
    assert_eq!(client.depth("event.update.user.to.billing").await.unwrap(), 1);
    let (handler, mut events) = inbox::<UserUpdate>();
    UserUpdate::subscribe(&client, handler).await.unwrap();
    assert_eq!(next(&mut events).await.1.user_id, 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_handler_for_several_types() {
    let vhost = Vhost::create();
    let client = client(&vhost).await;
    let publisher = Publisher::new(&client);
    let (handler, mut events) = inbox::<User>();
    User::subscribe(&client, [EventType::Create, EventType::Read], handler).await.unwrap();
    ada().on_create(&publisher).await.unwrap();
    ada().on_read(&publisher).await.unwrap();
    let mut keys = [next(&mut events).await, next(&mut events).await].map(|(key, user)| {
        assert_eq!(user, ada());
        key
    });
    keys.sort();
    assert_eq!(keys, ["routing.event.create.user", "routing.event.read.user"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_method_tells_what_it_returned() {
    let vhost = Vhost::create();
    let client = client(&vhost).await;
    let publisher = Publisher::new(&client);
    let (handler, mut events) = inbox::<Notify<PasswordChanged>>();
    client.subscribe(User::event_key(EventType::Notify), handler).await.unwrap();

    let (mut user, by) = (ada(), publisher.clone());
    let change = async move {
        let refused =
            [user.change_password(String::new(), &by).await, user.change_password("ab".to_owned(), &by).await];
        assert!(refused.iter().all(|refused| matches!(refused, Err(UserError::TooShort))), "{refused:?}");
        let changed = user.change_password("secret".to_owned(), &by).await;
        assert_eq!(user.username, "ada!", "only the one that went well has changed it");
        changed
    };
    let payload = PasswordChanged { user_id: 7, length: 6 };
    assert_eq!(tokio::spawn(change).await.unwrap().unwrap(), payload);
    // The first one that comes is that of the call that went well: the refused ones have published nothing.
    let (key, notification) = next(&mut events).await;
    assert_eq!(key, "routing.event.notify.user");
    assert_eq!(notification, Notify { event_name: "password_changed".to_owned(), payload });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_is_no_object_stands_in_a_member() {
    let vhost = Vhost::create();
    let client = client(&vhost).await;
    let publisher = Publisher::new(&client);
    let (handler, mut events) = inbox::<Notify<Counted>>();
    client.subscribe(User::event_key(EventType::Notify), handler).await.unwrap();
    assert!(User::count(&publisher, ("1", "")).await.is_err());
    assert!(User::count(&publisher, ("1", "x")).await.is_err());
    for (of, value) in [(("", "four"), 4), (("1", "2"), 3)] {
        assert_eq!(User::count(&publisher, of).await.unwrap(), value);
        let expected = Notify { event_name: "counted".to_owned(), payload: Counted { value } };
        assert_eq!(next(&mut events).await.1, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_told_is_the_methods_error() {
    let vhost = Vhost::create();
    let client = client(&vhost).await;
    let told = ada().change_password("secret".to_owned(), &Publisher::new(&client)).await;
    assert!(matches!(told, Err(UserError::Publish(PublishError::Unroutable { .. }))), "{told:?}");
}
