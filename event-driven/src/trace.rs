//! Carries the correlation id and the trace context from a [`tracing`] span into what is published inside it.
//!
//! A span that has a field `correlation_id`, `traceparent` or `tracestate` says what belongs together. Spans can't be
//! asked for their fields; so [`layer`], installed with the other layers of `tracing-subscriber`, remembers these three.
//! Handlers of this crate and its axum layer open such spans, so an event that is published while another is handled
//! belongs to the same correlation id by itself.
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

use std::fmt;

use tracing::{
    Dispatch, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{Layer, Registry, layer::Context, registry::LookupSpan};

use crate::{message::ShortText, names::header};

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

/// What the current span and those around it say; nothing if [`layer`] is not installed.
pub fn current() -> TraceContext {
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
        match field.name() {
            header::CORRELATION_ID => self.0.correlation_id = ShortText::new(value).ok(),
            header::TRACEPARENT => self.0.traceparent = Some(value.to_owned()),
            header::TRACESTATE => self.0.tracestate = Some(value.to_owned()),
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

    #[test]
    fn without_the_layer_nothing_is_known() {
        tracing::subscriber::with_default(tracing_subscriber::registry(), || {
            let _span = info_span!("outer", correlation_id = "1").entered();
            assert_eq!(current(), TraceContext::default());
        });
    }
}
