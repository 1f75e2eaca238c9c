//! The context inside a component: asks the runtime through the imported interface `warren:task/context`.

use std::time::{Duration, SystemTime};

use super::Context;
use crate::bindings::warren::task::context;

pub(super) fn current() -> Context {
    let info = context::current();
    Context {
        task_id: info.task_id,
        task_name: info.task_name,
        attempt: info.attempt,
        correlation_id: info.correlation_id,
        producer_app: info.producer_app,
        // WASI counts time from the same epoch in a 64-bit number of seconds, so no sum of milliseconds overflows it.
        deadline: SystemTime::UNIX_EPOCH + Duration::from_millis(info.deadline_ms),
    }
}
