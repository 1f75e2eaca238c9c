//! Describes what a service says and hears over RabbitMQ, as an AsyncAPI 3.0 document.
//!
//! Made from the same types, names and topology that the service uses, so it can't say anything else than what the service
//! does. Whoever wants to talk to the service reads it, or generates code from it.
//!
//! ```
//! use event_driven::{EventObject, asyncapi::AsyncApi, names::Service};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize, EventObject)]
//! #[event(crud)]
//! struct User {
//!     #[event(key)]
//!     user_id: i64,
//!     username: String,
//! }
//!
//! # fn main() -> Result<(), event_driven::names::WordError> {
//! let api = AsyncApi::new(Service::new("user-service")?, "1.0.0").publishes::<UserCreate>().publishes::<UserUpdate>();
//! assert_eq!(api.document()["channels"]["event.create.user"]["address"], "routing.event.create.user");
//! println!("{api}");
//! # Ok(())
//! # }
//! ```

mod binding;
mod message;

use std::fmt;

use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use crate::{
    entity::{Event, EventObject},
    names::{DEFAULT_EXCHANGE, EVENT_EXCHANGE, EventKey, EventType, Service, Subscription, TaskRoute},
    topology::{self, TopologySettings},
};

/// Where schemas refer to each other, in a document.
const SCHEMAS: &str = "/components/schemas";

/// What a service publishes, subscribes to and executes. The same thing said twice stands in the document once.
#[derive(Debug, Clone)]
pub struct AsyncApi {
    service: Service,
    version: String,
    topology: TopologySettings,
    generator: SchemaGenerator,
    channels: Map<String, Value>,
    operations: Map<String, Value>,
    messages: Map<String, Value>,
    headers: Map<String, Value>,
}

impl AsyncApi {
    /// Of a service that says nothing yet, on the topology by its defaults. `version` is that of the service.
    pub fn new(service: Service, version: impl Into<String>) -> Self {
        // Draft 7 is what AsyncAPI takes without another word about it.
        let settings = SchemaSettings::draft07().with(|settings| {
            settings.definitions_path = SCHEMAS.into();
            settings.meta_schema = None;
        });
        Self {
            service,
            version: version.into(),
            topology: TopologySettings::default(),
            generator: settings.into_generator(),
            channels: Map::new(),
            operations: Map::new(),
            messages: Map::new(),
            headers: Map::new(),
        }
    }

    /// How exchanges are declared, for what is said after this.
    #[must_use]
    pub fn topology(mut self, settings: TopologySettings) -> Self {
        self.topology = settings;
        self
    }

    /// The service publishes events of this kind.
    #[must_use]
    pub fn publishes<E: Event>(mut self) -> Self {
        let (key, message) = (E::key(), self.event::<E>());
        let name = format!("publish_{}_{}", key.entity, key.event_type);
        self.sends(&key, name, &message)
    }

    /// The service publishes the notification of this name about the entity `E`, as `#[on_notify]` does: a `T`, which is an
    /// object.
    #[must_use]
    pub fn notifies<E: EventObject, T: JsonSchema>(mut self, event_name: &str) -> Self {
        let (key, message) = (E::event_key(EventType::Notify), self.notification::<E, T>(event_name));
        let name = format!("publish_{}_{}_{event_name}", key.entity, key.event_type);
        self.sends(&key, name, &message)
    }

    /// The service handles events of this kind.
    #[must_use]
    pub fn subscribes<E: Event>(mut self) -> Self {
        let (key, message) = (E::key(), self.event::<E>());
        let name = format!("subscribe_{}_{}", key.entity, key.event_type);
        self.receives(key, name, &message)
    }

    /// The service handles the notification of this name about the entity `E`: a `T`, which is an object.
    #[must_use]
    pub fn subscribes_to_notification<E: EventObject, T: JsonSchema>(mut self, event_name: &str) -> Self {
        let (key, message) = (E::event_key(EventType::Notify), self.notification::<E, T>(event_name));
        let name = format!("subscribe_{}_{}_{event_name}", key.entity, key.event_type);
        self.receives(key, name, &message)
    }

    /// The service executes tasks of this route: their payload is a `T`, their result an `R`.
    #[must_use]
    pub fn serves_task<T: JsonSchema, R: JsonSchema>(mut self, route: &TaskRoute) -> Self {
        let (payload, result) = (self.schema_of::<T>(), self.schema_of::<R>());
        let channel = route.queue();
        self.messages.insert(channel.clone(), message::task(payload));
        self.headers.extend([message::task_headers()]);
        let plan = topology::route(route, &self.topology);
        self.channel(&channel, Some(route.routing_key()), &[&channel], &binding::queue(&channel, &plan));
        let mut operation = operation("receive", &channel, &channel, &binding::received());
        operation.insert("reply".to_owned(), self.reply(&channel, result));
        self.operations.insert(format!("serve_{}_{}", route.action, route.entity), operation.into());
        self
    }

    /// The document, an object.
    pub fn document(&self) -> Value {
        let mut schemas = self.generator.clone().take_definitions(true);
        schemas.extend(self.headers.clone());
        json!({
            "asyncapi": "3.0.0",
            "info": { "title": self.service.as_str(), "version": self.version },
            "defaultContentType": "application/json",
            "channels": self.channels,
            "operations": self.operations,
            "components": { "messages": self.messages, "schemas": schemas },
        })
    }

    fn sends(mut self, key: &EventKey, operation_name: String, message: &String) -> Self {
        let channel = format!("event.{}.{}", key.event_type, key.entity);
        let binding = binding::exchange(EVENT_EXCHANGE, &topology::exchanges(&self.topology));
        self.channel(&channel, Some(key.routing_key()), &[message], &binding);
        self.operations.insert(operation_name, operation("send", &channel, message, &binding::sent()).into());
        self
    }

    fn receives(mut self, key: EventKey, operation_name: String, message: &String) -> Self {
        let address = key.routing_key();
        let subscription = Subscription { event: key, service: self.service.clone() };
        let channel = subscription.queue();
        let plan = topology::subscription(&subscription, &self.topology);
        self.channel(&channel, Some(address), &[message], &binding::queue(&channel, &plan));
        self.operations.insert(operation_name, operation("receive", &channel, message, &binding::received()).into());
        self
    }

    /// The message that is this notification; gives its name.
    fn notification<E: EventObject, T: JsonSchema>(&mut self, event_name: &str) -> String {
        let name = format!("event.{}.{}.{event_name}", EventType::Notify, E::ENTITY);
        let message = message::notification(event_name, self.schema_of::<T>());
        self.messages.insert(name.clone(), message);
        self.headers.extend([message::event_headers()]);
        name
    }

    /// The message that is an event of this kind; gives its name.
    fn event<E: Event>(&mut self) -> String {
        let key = E::key();
        let name = format!("event.{}.{}", key.event_type, key.entity);
        let message = message::event(&E::schema_name(), self.schema_of::<E>());
        self.messages.insert(name.clone(), message);
        self.headers.extend([message::event_headers()]);
        name
    }

    /// The schema of a type, or a reference to where it stands.
    fn schema_of<T: JsonSchema>(&mut self) -> Value {
        let mut schema = self.generator.subschema_for::<T>();
        // What stands in the components is transformed when it is taken; this may stand in none.
        self.generator.transforms_mut().for_each(|transform| transform.transform(&mut schema));
        schema.to_value()
    }

    fn channel(&mut self, name: &str, address: Option<String>, messages: &[&String], binding: &Value) {
        let messages: Map<_, _> = messages
            .iter()
            .map(|message| ((*message).clone(), json!({ "$ref": format!("#/components/messages/{message}") })))
            .collect();
        // Notifications of one entity share a channel.
        if let Some(Value::Object(known)) = self.channels.get_mut(name).and_then(|channel| channel.get_mut("messages"))
        {
            return known.extend(messages);
        }
        let channel = json!({ "address": address, "messages": messages, "bindings": { "amqp": binding } });
        self.channels.insert(name.to_owned(), channel);
    }

    /// What comes back to who asked for it: by the queue that the task names.
    fn reply(&mut self, task: &str, result: Value) -> Value {
        let (channel, completed, failed) =
            (format!("{task}.reply"), format!("{task}.completed"), format!("{task}.failed"));
        self.messages.insert(completed.clone(), message::completed(result));
        self.messages.insert(failed.clone(), message::failed());
        self.channel(&channel, None, &[&completed, &failed], &binding::exchange(DEFAULT_EXCHANGE, &[]));
        json!({
            "address": { "location": "$message.header#/reply_to" },
            "channel": { "$ref": format!("#/channels/{channel}") },
            "messages": [of_channel(&channel, &completed), of_channel(&channel, &failed)],
        })
    }
}

fn operation(action: &str, channel: &str, message: &str, binding: &Value) -> Map<String, Value> {
    Map::from_iter([
        ("action".to_owned(), action.into()),
        ("channel".to_owned(), json!({ "$ref": format!("#/channels/{channel}") })),
        ("messages".to_owned(), json!([of_channel(channel, message)])),
        ("bindings".to_owned(), json!({ "amqp": binding })),
    ])
}

/// A message, as an operation refers to it.
fn of_channel(channel: &str, message: &str) -> Value {
    json!({ "$ref": format!("#/channels/{channel}/messages/{message}") })
}

/// The document as JSON, for people.
impl fmt::Display for AsyncApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.document())
    }
}
