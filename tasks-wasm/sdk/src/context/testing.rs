//! A context for unit tests on the host, where no runtime answers. Not there inside a component.

use std::cell::RefCell;

use super::Context;

thread_local! {
    /// Per thread, because that is where one test runs: tests side by side don't see each other's.
    static CURRENT: RefCell<Option<Context>> = const { RefCell::new(None) };
}

/// Runs `test` with this context as the answer of [`context()`](crate::context()) on this thread; afterwards the one
/// before is back, also after a panic. May be nested.
///
/// ```
/// use warren_task::{Context, Failure, testing};
///
/// #[warren_task::task]
/// fn execute(url: String) -> Result<String, Failure> {
///     if warren_task::context().attempt > 2 {
///         return Err(Failure::business(format_args!("gave up on {url}")));
///     }
///     Ok(url)
/// }
///
/// let mut context = Context::default();
/// context.attempt = 3;
/// let result = testing::with_context(context, || execute("http://example.com".to_owned()));
/// assert_eq!(result, Err(Failure::business("gave up on http://example.com")));
/// ```
pub fn with_context<T>(context: Context, test: impl FnOnce() -> T) -> T {
    let _restore = Restore(CURRENT.replace(Some(context)));
    test()
}

pub(super) fn current() -> Context {
    CURRENT.with_borrow(|current| current.clone()).unwrap_or_default()
}

/// Puts the context before back when it is dropped.
struct Restore(Option<Context>);

impl Drop for Restore {
    fn drop(&mut self) {
        CURRENT.set(self.0.take());
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::context;

    fn attempt(attempt: u32) -> Context {
        Context { attempt, ..Context::default() }
    }

    #[test]
    fn contexts_nest_and_are_put_back() {
        with_context(attempt(1), || {
            with_context(attempt(2), || assert_eq!(context().attempt, 2));
            assert_eq!(context().attempt, 1);
        });
        assert_eq!(context().attempt, 0);
    }

    #[test]
    fn a_test_that_panics_leaves_no_context_behind() {
        let panicked = std::panic::catch_unwind(|| with_context(attempt(1), || panic!("on purpose")));
        assert!(panicked.is_err());
        assert_eq!(context().attempt, 0);
    }

    #[test]
    fn nothing_remains_after_the_deadline() {
        let mut context = Context::default();
        assert!(context.remaining() > Duration::from_secs(20));
        context.deadline = SystemTime::now() - Duration::from_secs(1);
        assert_eq!(context.remaining(), Duration::ZERO);
    }
}
