//! The layer around the handlers: what belongs to the request comes in, the event goes out before the answer.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use axum::{
    http::{Request, StatusCode},
    response::{IntoResponse, Response},
};
use tokio::sync::oneshot;
use tower::{Layer, Service};
use tracing::Instrument;

use super::{
    context::{CORRELATION_ID, RequestContext},
    event::{Prepared, Unpublished},
    problem::problem,
};
use crate::{
    names::header,
    publisher::{EventDraft, Publisher},
    trace,
};

/// Publishes the [`Event`](super::Event) that a handler answers with, before the answer goes out; gives handlers the
/// [`Publisher`]; and opens a span with the request's correlation id. See the [module](super) for what happens when
/// publishing fails.
///
/// The correlation id is that of the header `x-correlation-id`, or a new one, and stands in that header of the request
/// and of the answer. It goes on to everything that is published while the request is handled, as [`trace`](crate::trace)
/// has it, and so do `traceparent` and `tracestate`; to the answer's own event they go in any case.
#[derive(Debug, Clone)]
pub struct SendEventLayer {
    publisher: Publisher,
}

impl SendEventLayer {
    /// Publishes by `publisher`.
    pub fn new(publisher: Publisher) -> Self {
        Self { publisher }
    }
}

impl<S> Layer<S> for SendEventLayer {
    type Service = SendEvent<S>;

    fn layer(&self, inner: S) -> SendEvent<S> {
        SendEvent { inner, publisher: self.publisher.clone() }
    }
}

/// A service with a [`SendEventLayer`] around it.
#[derive(Debug, Clone)]
pub struct SendEvent<S> {
    inner: S,
    publisher: Publisher,
}

impl<S, B> Service<Request<B>> for SendEvent<S>
where
    S: Service<Request<B>, Response: IntoResponse, Future: Send> + Clone + Send + 'static,
    B: Send + 'static,
{
    type Response = Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        // The one that said it is ready is the one to be called.
        let ready = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, ready);
        let publisher = self.publisher.clone();
        let context = RequestContext::of(request.headers());
        // A second layer of this kind, and what the handler sends on, must not make up another id.
        request.headers_mut().insert(CORRELATION_ID, context.header());
        request.extensions_mut().insert(publisher.clone());
        let (span, trace) = (context.span(), context.trace());
        let answer = async move {
            let response = inner.call(request).await?.into_response();
            let mut response = after_publishing(response, &publisher, &context).await;
            response.headers_mut().insert(CORRELATION_ID, context.header());
            Ok(response)
        };
        Box::pin(trace::within(trace, answer).instrument(span))
    }
}

/// The answer, once its event is published; another one if that failed.
async fn after_publishing(mut response: Response, publisher: &Publisher, context: &RequestContext) -> Response {
    let Some(unpublished) = response.extensions_mut().remove::<Unpublished>() else { return response };
    let Some(event) = unpublished.event() else { return response };
    if !response.status().is_success() {
        unpublished.settled();
        return response;
    }
    let (tell, told) = oneshot::channel();
    let (owner, context) = (publisher.clone(), context.clone());
    // Not in the request's own future: a client that goes away would take the event with it.
    let publish = async move {
        let published = publish(&owner, event, &context).await;
        unpublished.settled();
        // A client that went away does not want to know.
        let _ = tell.send(published);
    };
    publisher.client().own(publish.in_current_span());
    match told.await {
        Ok(true) => response,
        // Without a word if the service stops meanwhile.
        Ok(false) | Err(_) => problem(
            StatusCode::SERVICE_UNAVAILABLE,
            "the change was made, but it is not known whether its event was published, so others may not know of it; look \
             at what there is before you send this request again",
        ),
    }
}

/// Whether the event is published. If not, the log says so.
async fn publish(publisher: &Publisher, event: Prepared, context: &RequestContext) -> bool {
    let routing_key = event.key.routing_key();
    match draft(publisher, event, context).await {
        Ok(()) => true,
        Err(error) => {
            let correlation_id = context.correlation_id.as_str();
            tracing::error!(
                routing_key,
                correlation_id,
                "the change was made, but {routing_key} is not published: {error}"
            );
            false
        }
    }
}

fn draft<'p>(publisher: &'p Publisher, event: Prepared, context: &RequestContext) -> EventDraft<&'p Publisher> {
    // Named, so that it is right without the trace layer too.
    let draft = publisher.event_of_json(&event.key, event.payload).correlation_id(&context.correlation_id);
    [(header::TRACEPARENT, &context.traceparent), (header::TRACESTATE, &context.tracestate)]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.as_deref()?)))
        .fold(draft, |draft, (name, value)| draft.header(name, value))
}
