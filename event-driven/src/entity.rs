//! Entities: the types of a service whose changes other services want to know.
//!
//! `#[derive(EventObject)]` makes an entity of a struct, and with `crud` the four events of its life: what stands in each
//! is a type of its own that implements [`Event`]. `#[on_notify]` makes a method tell what it returned.
//!
//! ```
//! use event_driven::{
//!     EventObject,
//!     client::{Client, StartError},
//!     entity::Event,
//!     on_notify,
//!     publisher::{PublishError, Publisher},
//!     subscriber::{Delivery, HandlerError},
//! };
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize, EventObject)]
//! #[event(entity = "user", crud)]
//! struct User {
//!     #[event(key)]
//!     user_id: i64,
//!     username: String,
//!     #[event(disable_update)]
//!     email: String,
//! }
//!
//! #[derive(Serialize, Deserialize)]
//! struct Renamed {
//!     from: String,
//! }
//!
//! impl User {
//!     #[on_notify("renamed")]
//!     async fn rename(&mut self, to: String, publisher: &Publisher) -> Result<Renamed, PublishError> {
//!         Ok(Renamed { from: std::mem::replace(&mut self.username, to) })
//!     }
//! }
//!
//! async fn welcome(user: UserCreate, delivery: &Delivery) -> Result<(), HandlerError> {
//!     println!("{} writes to {}", delivery.queue, user.email);
//!     Ok(())
//! }
//!
//! async fn serve(client: &Client) -> Result<(), StartError> {
//!     UserCreate::subscribe(client, welcome).await?;
//!     Ok(())
//! }
//!
//! async fn sign_up(mut user: User, publisher: &Publisher) -> Result<(), PublishError> {
//!     user.on_create(publisher).await?;
//!     user.rename("countess".to_owned(), publisher).await?;
//!     Ok(())
//! }
//! ```

pub(crate) mod notify;

use std::{future::Future, sync::Arc};

use schemars::{JsonSchema, Schema};
use serde::{Serialize, de::DeserializeOwned};

pub use notify::Notify;

use crate::{
    client::{Client, StartError},
    names::{Entity, EventKey, EventType, Subscription},
    subscriber::{Handler, Subscriber},
    topology,
};

/// A type whose values other services want to know of. Derived, not written by hand.
pub trait EventObject: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Its name in routing keys: snake_case, checked when the macro is expanded.
    const ENTITY: &'static str;

    /// Its name in routing keys.
    fn entity() -> Entity {
        Entity::new(Self::ENTITY).expect("the derive macro has checked the name")
    }

    /// The key of one kind of event about it.
    fn event_key(event_type: EventType) -> EventKey {
        EventKey { event_type, entity: Self::entity() }
    }

    /// Handles events of these types whose payload is the whole entity. For those that hold less (`update`, `delete`),
    /// subscribe with the type of the [`Event`].
    ///
    /// # Errors
    /// As [`Client::subscribe`].
    fn subscribe<H: Handler<Self>>(
        client: &Client,
        types: impl IntoIterator<Item = EventType, IntoIter: Send> + Send,
        handler: H,
    ) -> impl Future<Output = Result<Subscriber, StartError>> + Send {
        async move {
            let handler = Arc::new(handler);
            let settings = &client.settings().subscriber;
            let mut subscriber = Subscriber::default();
            for event_type in types {
                let key = Self::event_key(event_type);
                match client.subscribe_shared(key, settings, Arc::clone(&handler)).await {
                    Ok(queue) => subscriber = subscriber.and(queue),
                    // All or none.
                    Err(error) => {
                        subscriber.stop().await;
                        return Err(error);
                    }
                }
            }
            Ok(subscriber)
        }
    }

    /// Declares the queues of this service for events of these types, without consuming them: what is published from now
    /// on waits in them.
    ///
    /// # Errors
    /// As [`Client::declare`].
    fn sync_schema(
        client: &Client,
        types: impl IntoIterator<Item = EventType>,
    ) -> impl Future<Output = Result<(), StartError>> + Send {
        let settings = client.settings();
        let plan: Vec<_> = types
            .into_iter()
            .map(|event_type| Subscription { event: Self::event_key(event_type), service: settings.service.clone() })
            .flat_map(|subscription| topology::subscription(&subscription, &settings.topology))
            .collect();
        async move { client.declare(&plan).await }
    }
}

/// One kind of event about an entity, as the payload that it has. Derived with the entity.
pub trait Event: Serialize + DeserializeOwned + JsonSchema + Send + Sync + 'static {
    /// The entity that it is about.
    type Of: EventObject;

    /// What happened.
    const TYPE: EventType;

    /// The key with which it is published.
    fn key() -> EventKey {
        Self::Of::event_key(Self::TYPE)
    }

    /// Which of the entities it is about, as a text: events of one are published in order by the outbox. `None` if that is
    /// not known yet.
    fn entity_key(&self) -> Option<String>;

    /// Handles events of this kind.
    ///
    /// # Errors
    /// As [`Client::subscribe`].
    fn subscribe<H: Handler<Self>>(
        client: &Client,
        handler: H,
    ) -> impl Future<Output = Result<Subscriber, StartError>> + Send {
        client.subscribe(Self::key(), handler)
    }

    /// What its payload looks like: a JSON schema, draft 2020-12.
    fn schema() -> Schema {
        schemars::schema_for!(Self)
    }
}
