//! What a service does with an event or a task.

use std::{any::Any, fmt, future::Future, panic::AssertUnwindSafe};

use futures_util::FutureExt;
use tracing::Instrument;

use super::Delivery;
use crate::trace;

/// Handles values of type `T`, and returns an `R`: nothing for an event, the result for a task.
///
/// It is implemented for every `async fn(T, &Delivery) -> Result<R, HandlerError>`, and for async closures that capture
/// nothing. What a handler needs it may have as a type of its own:
///
/// ```
/// use event_driven::subscriber::{Delivery, Handler, HandlerError};
///
/// struct Mailer { from: String }
///
/// impl Handler<String> for Mailer {
///     async fn handle(&self, to: String, delivery: &Delivery) -> Result<(), HandlerError> {
///         println!("{} -> {to} because of {}", self.from, delivery.headers.correlation_id);
///         Ok(())
///     }
/// }
/// ```
///
/// or as a closure that gives a clone to each future. Its types have to be written, and the future can't borrow the delivery:
///
/// ```
/// # use event_driven::subscriber::{Delivery, Handler, HandlerError};
/// # use std::sync::Arc;
/// fn mailer(from: Arc<str>) -> impl Handler<String> {
///     move |to: String, delivery: &Delivery| {
///         let (from, attempt) = (Arc::clone(&from), delivery.headers.attempt);
///         async move {
///             println!("{from} -> {to}, attempt {attempt}");
///             Ok::<(), HandlerError>(())
///         }
///     }
/// }
/// ```
///
/// An error of another kind says what becomes of the message by one of the constructors of [`HandlerError`]:
/// `write().await.map_err(HandlerError::technical)?`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't handle `{T}`",
    label = "no handler of `{T}`",
    note = "a handler is an `async fn(T, &Delivery) -> Result<R, HandlerError>`; a closure that captures something clones it \
            and returns `async move {{ … }}`, with the types of its arguments written, as the docs of `Handler` show"
)]
pub trait Handler<T, R = ()>: Send + Sync + 'static {
    /// Handles one value. May run many times at once, and more than once for the same message.
    fn handle<'a>(
        &'a self,
        value: T,
        delivery: &'a Delivery,
    ) -> impl Future<Output = Result<R, HandlerError>> + Send + 'a;
}

/// A function that can handle; implemented for all that fit. `'d` is the life of the delivery.
pub trait HandlerFn<'d, T, R>: Send + Sync {
    /// What it returns.
    type Handling: Future<Output = Result<R, HandlerError>> + Send + 'd;

    /// Calls it.
    fn handling(&self, value: T, delivery: &'d Delivery) -> Self::Handling;
}

impl<'d, T, R, F, Fut> HandlerFn<'d, T, R> for F
where
    F: Fn(T, &'d Delivery) -> Fut + Send + Sync,
    Fut: Future<Output = Result<R, HandlerError>> + Send + 'd,
{
    type Handling = Fut;

    fn handling(&self, value: T, delivery: &'d Delivery) -> Fut {
        self(value, delivery)
    }
}

/// The second bound says no more than the first, but says it of `Fn`, of which the compiler knows that a type of another
/// crate can't become one: so a handler by hand may be generic.
impl<T, R, F> Handler<T, R> for F
where
    F: for<'d> HandlerFn<'d, T, R> + 'static,
    F: Fn(T, &'static Delivery) -> <F as HandlerFn<'static, T, R>>::Handling,
{
    fn handle<'a>(
        &'a self,
        value: T,
        delivery: &'a Delivery,
    ) -> impl Future<Output = Result<R, HandlerError>> + Send + 'a {
        self.handling(value, delivery)
    }
}

/// Why a handler did not do it. What becomes of the message depends on the kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HandlerError {
    /// The payload is not what the handler expects. Logged and acked: it would not fit the next time either.
    #[error("model: {0}")]
    Model(String),
    /// A rule of the business forbids it. Logged and acked.
    #[error("business: {0}")]
    Business(String),
    /// Something failed that may work another time. Tried again after 3, 6 and 12 s, then dead-lettered.
    #[error("technical: {0}")]
    Technical(String),
}

impl HandlerError {
    /// The payload is not what is expected.
    pub fn model(reason: impl fmt::Display) -> Self {
        Self::Model(reason.to_string())
    }

    /// A rule forbids it.
    pub fn business(reason: impl fmt::Display) -> Self {
        Self::Business(reason.to_string())
    }

    /// It may work another time.
    pub fn technical(reason: impl fmt::Display) -> Self {
        Self::Technical(reason.to_string())
    }
}

/// Runs the handler in the delivery's span. A panic is an error that may pass.
pub(super) async fn run<T, R, H: Handler<T, R>>(handler: &H, value: T, delivery: &Delivery) -> Result<R, HandlerError> {
    // The panic may come before the first await, too.
    let handle = async { handler.handle(value, delivery).await };
    let handle = trace::within(delivery.trace(), handle);
    // A handler that panicked half-way is called again: what it shares has to bear that, as with threads.
    let handled = AssertUnwindSafe(handle.instrument(delivery.span())).catch_unwind().await;
    handled.unwrap_or_else(|panic| Err(HandlerError::Technical(format!("the handler panicked: {}", said(&*panic)))))
}

/// What a panic said.
fn said(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("(it gave no text)")
}
