//! The answer that is an event, and the event on its way from the handler to the layer.

use std::sync::{Arc, Mutex, PoisonError};

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::problem::problem;
use crate::{entity, message::JsonText, names::EventKey, publisher::event_payload};

/// An answer that is an event: 200, and the event as JSON. The [`SendEventLayer`](super::SendEventLayer) publishes it if
/// the status is one of success, and only then lets the answer go.
///
/// With another status or more headers as any answer of axum: `(StatusCode::CREATED, Event(created))`. It is one event;
/// what else there is to tell, a handler publishes by itself.
///
/// An event that reaches no layer (there is none, or what stands in between has put another answer in its place) is lost,
/// since the answer knows no publisher; the log has an error with its routing key each time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event<E: entity::Event>(pub E);

impl<E: entity::Event> IntoResponse for Event<E> {
    fn into_response(self) -> Response {
        let key = E::key();
        let payload = match event_payload(&self.0) {
            Ok(payload) => payload,
            Err(error) => {
                let routing_key = key.routing_key();
                tracing::error!(routing_key, "the event {routing_key} is not published: {error}");
                return problem(StatusCode::INTERNAL_SERVER_ERROR, "the event of this change can't be written as JSON");
            }
        };
        let mut response = payload.as_str().to_owned().into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response.extensions_mut().insert(Unpublished::new(Prepared { key, payload }));
        response
    }
}

/// An event as the handler left it.
#[derive(Debug, Clone)]
pub(super) struct Prepared {
    pub(super) key: EventKey,
    pub(super) payload: JsonText,
}

/// An event that nobody has published yet; dropped like this, it is lost, which is told. Clones are the same event: what
/// stands in an answer's extensions must be one that can be cloned.
#[derive(Debug, Clone)]
pub(super) struct Unpublished(Arc<Waiting>);

#[derive(Debug)]
struct Waiting(Mutex<Option<Prepared>>);

impl Unpublished {
    fn new(event: Prepared) -> Self {
        Self(Arc::new(Waiting(Mutex::new(Some(event)))))
    }

    /// The event, which waits on; `None` if it does no longer.
    pub(super) fn event(&self) -> Option<Prepared> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// It is published, is not to be, or was told of.
    pub(super) fn settled(&self) {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(event) = self.0.get_mut().unwrap_or_else(PoisonError::into_inner) {
            let routing_key = event.key.routing_key();
            tracing::error!(
                routing_key,
                "the event {routing_key} was answered with but not published: it met no SendEventLayer, or the service \
                 stopped; add .layer(SendEventLayer::new(publisher)) to the router, around all that makes answers"
            );
        }
    }
}
