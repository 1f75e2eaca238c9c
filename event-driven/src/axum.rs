//! For services on axum: an answer that is an event goes out only after the event is published.
//!
//! [`SendEventLayer`] stands around the handlers. A handler that returns [`Event`] answers with the event as JSON, and the
//! layer publishes it. Whatever else a handler has to tell, it publishes by a [`Publisher`], which it takes as an argument.
//! All of it belongs to the request's correlation id.
//!
//! ```
//! use axum::{Router, http::StatusCode, routing::post};
//! use event_driven::{
//!     axum::{Event, SendEventLayer},
//!     publisher::{PublishError, Publisher},
//! };
//! # use event_driven::names::EventType;
//! # use serde::{Deserialize, Serialize};
//! # #[derive(Serialize, Deserialize)]
//! # struct User { id: u64 }
//! # impl event_driven::entity::EventObject for User { const ENTITY: &'static str = "user"; }
//! # #[derive(Serialize, Deserialize, schemars::JsonSchema)]
//! # struct UserCreated { id: u64 }
//! # impl event_driven::entity::Event for UserCreated {
//! #     type Of = User;
//! #     const TYPE: EventType = EventType::Create;
//! #     fn entity_key(&self) -> Option<String> { Some(self.id.to_string()) }
//! # }
//!
//! async fn create(publisher: Publisher) -> Result<(StatusCode, Event<UserCreated>), StatusCode> {
//!     // Here the user is stored.
//!     let greet = publisher.task("greet", &serde_json::json!({ "user": 1 })).await;
//!     greet.map_err(|_: PublishError| StatusCode::SERVICE_UNAVAILABLE)?;
//!     Ok((StatusCode::CREATED, Event(UserCreated { id: 1 })))
//! }
//!
//! fn router(publisher: Publisher) -> Router {
//!     Router::new().route("/users", post(create)).layer(SendEventLayer::new(publisher))
//! }
//! ```
//!
//! # When publishing fails
//!
//! The handler has made its change before the layer publishes, so the two can come apart: RabbitMQ refuses the event or
//! stays away for longer than [`patience`](crate::publisher::PublisherSettings::patience), or the process dies in between.
//! In the first two cases the client gets 503 with a problem (RFC 9457) that says so, and the log has an error; in the
//! last nobody is told. Where no change may stay without its event, write the event into the outbox in the transaction of
//! the change, and do not answer with [`Event`].
//!
//! A client that goes away while its handler still works cancels the handler, as ever with axum. Once the handler has
//! answered, the event is published whether the client waits or not. At a stop, let the server end before
//! [`Client::close`](crate::client::Client::close).

mod context;
mod event;
mod extract;
mod layer;
mod problem;

pub use context::CORRELATION_ID;
pub use event::Event;
pub use extract::NoPublisher;
pub use layer::{SendEvent, SendEventLayer};

#[cfg(doc)]
use crate::publisher::Publisher;
