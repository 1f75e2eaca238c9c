//! Carries the correlation id and the trace context from a [`tracing`] span into what is published inside it.
//!
//! A span that has a field `correlation_id`, `traceparent` or `tracestate` says what belongs together. Spans can't be
//! asked for their fields; so [`layer`], installed with the other layers of `tracing-subscriber`, remembers these three.
//!
//! Handlers of this crate and its axum layer open such spans, and say the same to the tokio task that they run in. So an
//! event that is published while another is handled belongs to the same correlation id by itself, whether the layer is
//! installed or not, and whatever a filter leaves of the spans. Neither a span nor what is said to a task goes along with
//! `tokio::spawn`: use `.in_current_span()` there.
//!
//! ```
//! use tracing_subscriber::layer::SubscriberExt;
//!
//! let subscriber = tracing_subscriber::registry().with(event_driven::trace::layer());
//! tracing::subscriber::with_default(subscriber, || {
//!     let _order = tracing::info_span!("order", correlation_id = "order-17").entered();
//!     let _step = tracing::info_span!("step").entered();
//!     let context = event_driven::trace::current();
//!     assert_eq!(context.correlation_id.unwrap().as_str(), "order-17");
//! });
//! ```

use std::{fmt, future::Future};

use tracing::{
    Dispatch, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{Layer, Registry, layer::Context, registry::LookupSpan};

use crate::{
    message::{MAX_TRACE_HEADER, ShortText},
    names::header,
};

/// What a span says of what belongs together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TraceContext {
    /// What the work belongs to.
    pub correlation_id: Option<ShortText>,
    /// W3C trace context: the parent span. Passed on as it came: a tracing span is none of W3C's.
    pub traceparent: Option<String>,
    /// W3C trace context: what vendors add to it.
    pub tracestate: Option<String>,
}

impl TraceContext {
    fn is_whole(&self) -> bool {
        self.correlation_id.is_some() && self.traceparent.is_some() && self.tracestate.is_some()
    }

    /// Takes from an outer span what no inner one has said.
    fn or(self, outer: &Self) -> Self {
        // Who names a parent has said all of it: its vendors' part must not come from another one.
        let named = self.traceparent.is_some();
        let vendors = if named { None } else { outer.tracestate.clone() };
        Self {
            correlation_id: self.correlation_id.or_else(|| outer.correlation_id.clone()),
            traceparent: self.traceparent.or_else(|| outer.traceparent.clone()),
            tracestate: self.tracestate.or(vendors),
        }
    }
}

/// The layer that remembers. Belongs on tracing-subscriber's `Registry`, with the other layers.
#[derive(Debug, Clone, Copy, Default)]
pub struct TraceLayer;

/// See [`TraceLayer`].
pub fn layer() -> TraceLayer {
    TraceLayer
}

tokio::task_local! {
    /// What the handler or the request belongs to that this task runs.
    static WORK: TraceContext;
}

/// Runs `work` as belonging to `context`.
pub(crate) async fn within<T>(context: TraceContext, work: impl Future<Output = T>) -> T {
    WORK.scope(context, work).await
}

/// What the current span and those around it say, and, where these say nothing, what is handled.
pub fn current() -> TraceContext {
    let handled = WORK.try_with(Clone::clone).unwrap_or_default();
    of_spans().or(&handled)
}

fn of_spans() -> TraceContext {
    let read = |(id, dispatch): (&Id, &Dispatch)| {
        let mut context = TraceContext::default();
        for span in dispatch.downcast_ref::<Registry>()?.span(id)?.scope() {
            if let Some(said) = span.extensions().get::<TraceContext>() {
                context = context.or(said);
            }
            if context.is_whole() {
                break;
            }
        }
        Some(context)
    };
    tracing::Span::current().with_subscriber(read).flatten().unwrap_or_default()
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for TraceLayer {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut said = Said::default();
        attributes.record(&mut said);
        if let (Some(span), false) = (context.span(id), said.0 == TraceContext::default()) {
            span.extensions_mut().insert(said.0);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut extensions = span.extensions_mut();
        let mut said = Said(extensions.remove().unwrap_or_default());
        values.record(&mut said);
        extensions.insert(said.0);
    }
}

/// Picks our fields out of a span's.
#[derive(Default)]
struct Said(TraceContext);

impl Visit for Said {
    fn record_str(&mut self, field: &Field, value: &str) {
        // What is longer than messages carry is as good as nothing.
        let header = || (value.len() <= MAX_TRACE_HEADER).then(|| value.to_owned());
        match field.name() {
            header::CORRELATION_ID => self.0.correlation_id = ShortText::new(value).ok(),
            header::TRACEPARENT => self.0.traceparent = header(),
            header::TRACESTATE => self.0.tracestate = header(),
            _ => {}
        }
    }

    /// Fields written with `%` or `?`.
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if [header::CORRELATION_ID, header::TRACEPARENT, header::TRACESTATE].contains(&field.name()) {
            self.record_str(field, &format!("{value:?}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use tracing::info_span;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[test]
    fn inner_spans_say_more_than_outer_ones() {
        let subscriber = tracing_subscriber::registry().with(layer());
        tracing::subscriber::with_default(subscriber, || {
            assert_eq!(current(), TraceContext::default());
            let outer = info_span!("outer", correlation_id = "1", traceparent = "p1", tracestate = "s1").entered();
            assert_eq!(current().tracestate.as_deref(), Some("s1"));
            let inner = info_span!("inner", correlation_id = %2, traceparent = tracing::field::Empty).entered();
            let context = current();
            assert_eq!(context.correlation_id.unwrap().as_str(), "2");
            assert_eq!(context.traceparent.as_deref(), Some("p1"));
            inner.record("traceparent", "p2");
            assert_eq!(current().traceparent.as_deref(), Some("p2"));
            assert_eq!(current().tracestate, None, "it belongs to another parent");
            drop(inner);
            assert_eq!(current().correlation_id.unwrap().as_str(), "1");
            drop(outer);
        });
    }

    #[tokio::test]
    async fn what_is_handled_is_known_without_spans_and_spans_say_more() {
        let parent = |parent: &str| Some(parent.to_owned());
        let context = TraceContext {
            correlation_id: ShortText::new("visit").ok(),
            traceparent: parent("p1"),
            tracestate: Some("s1".to_owned()),
        };
        let known = within(context.clone(), async { current() }).await;
        assert_eq!(known, context);
        let subscriber = tracing_subscriber::registry().with(layer());
        let _installed = tracing::subscriber::set_default(subscriber);
        let inner = within(context, async { info_span!("step", traceparent = "p2").in_scope(current) }).await;
        assert_eq!((inner.traceparent, inner.tracestate), (parent("p2"), None));
        assert_eq!(inner.correlation_id.unwrap().as_str(), "visit");
    }

    #[test]
    fn without_the_layer_nothing_is_known() {
        tracing::subscriber::with_default(tracing_subscriber::registry(), || {
            let _span = info_span!("outer", correlation_id = "1").entered();
            assert_eq!(current(), TraceContext::default());
        });
    }
}
