//! What a request says of what it belongs to, and the span that carries it.

use axum::http::{HeaderMap, HeaderName, HeaderValue};

use crate::{
    message::{MAX_TRACE_HEADER, ShortText},
    names::header,
    publisher::new_id,
    trace::TraceContext,
};

/// The header of a request, and of its answer, with what it belongs to: 1 to 255 characters of ASCII.
pub const CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");

/// What a request belongs to.
#[derive(Debug, Clone)]
pub(super) struct RequestContext {
    pub(super) correlation_id: ShortText,
    pub(super) traceparent: Option<String>,
    pub(super) tracestate: Option<String>,
}

impl RequestContext {
    /// Takes what is valid; what is not counts as not said, since no request is refused for it.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let said = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let traceparent = said(header::TRACEPARENT).filter(|value| is_traceparent(value)).map(str::to_owned);
        // Without a parent it says nothing.
        let tracestate = traceparent.as_ref().and_then(|_| tracestate(headers));
        let correlation_id = said(CORRELATION_ID.as_str()).and_then(|value| ShortText::new(value).ok());
        Self { correlation_id: correlation_id.unwrap_or_else(new_id), traceparent, tracestate }
    }

    /// The correlation id as a header's value.
    pub(super) fn header(&self) -> HeaderValue {
        HeaderValue::from_str(self.correlation_id.as_str()).expect("it came from a header, or is a UUID")
    }

    /// What is published while the request is handled belongs to this.
    pub(super) fn trace(&self) -> TraceContext {
        TraceContext {
            correlation_id: Some(self.correlation_id.clone()),
            traceparent: self.traceparent.clone(),
            tracestate: self.tracestate.clone(),
        }
    }

    /// The span in which the request is handled, for its log.
    pub(super) fn span(&self) -> tracing::Span {
        tracing::info_span!("request", correlation_id = self.correlation_id.as_str())
    }
}

/// Several headers of this name are one list (RFC 9110).
fn tracestate(headers: &HeaderMap) -> Option<String> {
    let values = headers.get_all(header::TRACESTATE).iter().map(HeaderValue::to_str);
    let list = values.collect::<Result<Vec<_>, _>>().ok()?.join(",");
    (!list.is_empty() && list.len() <= MAX_TRACE_HEADER).then_some(list)
}

/// Whether it is `version-trace-parent-flags` in lower-case hex, none of them all zeros where that is forbidden. A later
/// version may have more after them.
fn is_traceparent(value: &str) -> bool {
    let parts: Vec<&str> = value.split('-').collect();
    let hex = |text: &str, length| {
        text.len() == length && text.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
    };
    let id = |text: &str, length| hex(text, length) && text.bytes().any(|digit| digit != b'0');
    match parts.as_slice() {
        [version, trace, parent, flags, more @ ..] => {
            value.len() <= MAX_TRACE_HEADER
                && hex(version, 2)
                && *version != "ff"
                && id(trace, 32)
                && id(parent, 16)
                && hex(flags, 2)
                && (more.is_empty() || *version != "00")
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn context(headers: &[(&'static str, &str)]) -> RequestContext {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        RequestContext::of(&map)
    }

    #[test]
    fn what_is_valid_is_taken() {
        let states = [("tracestate", "a=1"), ("tracestate", "b=2")];
        let said = [[("x-correlation-id", "order-17"), ("traceparent", PARENT)], states].concat();
        let context = context(&said);
        assert_eq!(context.correlation_id.as_str(), "order-17");
        assert_eq!(context.traceparent.as_deref(), Some(PARENT));
        assert_eq!(context.tracestate.as_deref(), Some("a=1,b=2"));
    }

    #[test]
    fn a_correlation_id_that_is_none_is_replaced() {
        let long = "x".repeat(256);
        for bad in ["", "ü", long.as_str()] {
            let context = context(&[("x-correlation-id", bad)]);
            assert_eq!(uuid::Uuid::parse_str(context.correlation_id.as_str()).unwrap().get_version_num(), 7);
            assert_eq!(context.header(), context.correlation_id.as_str());
        }
    }

    #[test]
    fn a_parent_that_is_none_is_not_carried_nor_what_vendors_add_to_it() {
        let zeros = "00-00000000000000000000000000000000-00f067aa0ba902b7-01";
        let more = format!("{PARENT}-more");
        let long = format!("01{}-{}", PARENT.strip_prefix("00").unwrap(), "x".repeat(MAX_TRACE_HEADER));
        for bad in [long.as_str(), "", "00", "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", zeros, &more] {
            let context = context(&[("traceparent", bad), ("tracestate", "a=1")]);
            assert_eq!((context.traceparent, context.tracestate), (None, None), "{bad}");
        }
        let later = format!("01{}", more.strip_prefix("00").unwrap());
        assert_eq!(context(&[("traceparent", &later)]).traceparent, Some(later));
    }

    #[test]
    fn a_tracestate_that_is_too_long_is_left_out() {
        let long = format!("a={}", "1".repeat(MAX_TRACE_HEADER));
        assert_eq!(context(&[("traceparent", PARENT), ("tracestate", &long)]).tracestate, None);
    }
}
