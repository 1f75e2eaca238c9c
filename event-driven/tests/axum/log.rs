//! What is logged as an error, and the layer that carries correlation ids: installed once for all tests of the file, as a
//! service does it.

use std::{fmt, sync::Mutex, time::Duration};

use tokio::sync::Notify;
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    Layer,
    filter::LevelFilter,
    layer::{Context, SubscriberExt},
    util::SubscriberInitExt,
};

static ERRORS: Mutex<Vec<String>> = Mutex::new(Vec::new());
static CHANGED: Notify = Notify::const_new();

/// Installs it. May be called again.
pub fn install() {
    // A log of errors alone must not take the spans from the layer that carries correlation ids.
    let registry = tracing_subscriber::registry().with(LevelFilter::ERROR);
    // An error means that another test of this file was first.
    let _ = registry.with(event_driven::trace::layer()).with(Errors).try_init();
}

/// The errors that say `word`.
pub fn errors(word: &str) -> Vec<String> {
    ERRORS.lock().unwrap().iter().filter(|error| error.contains(word)).cloned().collect()
}

/// The first error that says `word`, now or soon.
pub async fn wait_for(patience: Duration, word: &str) -> String {
    let wait = async {
        loop {
            let changed = CHANGED.notified();
            tokio::pin!(changed);
            // Before the look: what is logged in between is not missed.
            changed.as_mut().enable();
            if let Some(error) = errors(word).pop() {
                return error;
            }
            changed.await;
        }
    };
    tokio::time::timeout(patience, wait).await.unwrap_or_else(|_| panic!("nothing was logged of {word}"))
}

struct Errors;

impl<S: Subscriber> Layer<S> for Errors {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if *event.metadata().level() != Level::ERROR {
            return;
        }
        let mut fields = Fields(String::new());
        event.record(&mut fields);
        ERRORS.lock().unwrap().push(fields.0);
        CHANGED.notify_waiters();
    }
}

struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0 += &format!("{field}={value:?} ");
    }
}
