//! An execution under way, and where it is: on threads of the guests', or for a moment on the one that awaits it.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::task::{JoinError, JoinHandle};

use super::{Execution, brief::Brevity, executor::Executor, failed, guest_log::GuestLog};
use crate::{
    outcome::{ErrorClass, Outcome},
    receipt::LogTail,
};

type Guest = Pin<Box<dyn Future<Output = Execution> + Send>>;

/// An execution: awaited, it gives what came of it. One that was begun and is awaited no more ends at its own limits.
pub struct Running {
    stage: Stage,
    log: GuestLog,
}

enum Stage {
    /// It is expected to be brief: its first poll is here. `None` in that poll, and after it.
    Here(Option<Guest>, Arc<Brevity>, Arc<Executor>),
    /// On threads of the guests'. With what is known of its component, if it was expected to be brief.
    Elsewhere(JoinHandle<Result<Execution, JoinError>>, Option<Arc<Brevity>>),
}

impl Running {
    /// Begins an execution on guests' threads.
    pub(super) fn elsewhere(execution: Guest, log: GuestLog, executor: &Executor) -> Self {
        Self { stage: Stage::Elsewhere(executor.spawn(execution), None), log }
    }

    /// One that begins where it is awaited.
    pub(super) fn here(execution: Guest, log: GuestLog, executor: Arc<Executor>, brevity: Arc<Brevity>) -> Self {
        Self { stage: Stage::Here(Some(execution), brevity, executor), log }
    }

    /// What the guest has written so far, also after its end.
    pub fn log(&self) -> LogTail {
        self.log.tail()
    }
}

impl Future for Running {
    type Output = Execution;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Execution> {
        loop {
            match &mut self.stage {
                Stage::Elsewhere(execution, expected) => {
                    let ended = ready!(Pin::new(execution).poll(context)).flatten().unwrap_or_else(cut_off);
                    if let Some(brevity) = expected.take() {
                        brevity.lapse_ended_after(ended.receipt.cpu);
                    }
                    return Poll::Ready(ended);
                }
                Stage::Here(execution, brevity, executor) => {
                    let Some(mut guest) = execution.take() else { return Poll::Pending };
                    match catch_unwind(AssertUnwindSafe(|| guest.as_mut().poll(context))) {
                        Ok(Poll::Ready(execution)) => {
                            brevity.ended_here_after(execution.receipt.cpu);
                            return Poll::Ready(execution);
                        }
                        Ok(Poll::Pending) => {
                            brevity.lapsed();
                            self.stage = Stage::Elsewhere(executor.spawn(guest), Some(brevity.clone()));
                        }
                        Err(panic) => return Poll::Ready(panicked(&panic)),
                    }
                }
            }
        }
    }
}

fn cut_off(error: JoinError) -> Execution {
    match error.try_into_panic() {
        Ok(panic) => panicked(&panic),
        Err(_) => Execution::without_receipt(Outcome::Interrupted),
    }
}

fn panicked(panic: &Box<dyn Any + Send>) -> Execution {
    let words = panic.downcast_ref::<&str>().copied();
    let words = words.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no words");
    tracing::error!("the sandbox panicked while it ran a guest: {words}");
    let text = "the sandbox itself failed while it ran this component; see the runtime's log";
    Execution::without_receipt(failed(ErrorClass::Trap, text))
}

#[cfg(test)]
mod tests {
    use std::{thread, time::Duration};

    use bytesize::ByteSize;
    use futures_util::FutureExt;

    use super::*;

    /// A brief one, which was executed often.
    fn proven() -> Arc<Brevity> {
        let brevity = Arc::new(Brevity::of_one_that_only_computes());
        (0..100).for_each(|_| brevity.ended_after(Duration::from_micros(10)));
        assert!(brevity.expects(0));
        brevity
    }

    /// Says where it ended, by the name of the thread.
    async fn executed(brevity: &Arc<Brevity>, before: impl Future<Output = ()> + Send + 'static) -> Execution {
        let guest = Box::pin(async {
            before.await;
            Execution::without_receipt(Outcome::Completed(thread::current().name().unwrap_or_default().into()))
        });
        let executor = Arc::new(Executor::new(1).unwrap());
        let log = GuestLog::new(ByteSize::kib(1));
        match brevity.expects(0) {
            true => Running::here(guest, log, executor.clone(), brevity.clone()).await,
            false => Running::elsewhere(guest, log, &executor).await,
        }
    }

    fn ended_on(execution: Execution) -> String {
        let Outcome::Completed(thread) = execution.outcome else { panic!("{execution:?}") };
        thread.to_string()
    }

    #[tokio::test]
    async fn a_component_whose_executions_are_brief_is_executed_where_it_is_awaited() {
        let here = thread::current().name().unwrap().to_owned();
        assert_eq!(ended_on(executed(&proven(), async {}).now_or_never().unwrap()), here);
        assert_eq!(ended_on(executed(&Arc::new(Brevity::of_one_that_only_computes()), async {}).await), "guest");
    }

    #[tokio::test]
    async fn one_that_is_not_brief_after_all_goes_on_elsewhere_and_has_to_prove_itself_anew() {
        let brevity = proven();
        assert_eq!(ended_on(executed(&brevity, tokio::task::yield_now()).await), "guest");
        assert!(!brevity.expects(0));
    }

    #[tokio::test]
    async fn a_panic_is_an_outcome_here_too() {
        let ended = executed(&proven(), async { panic!("a fault of ours") }).await;
        let Outcome::Failed(failure) = ended.outcome else { panic!("{ended:?}") };
        assert_eq!(failure.class, ErrorClass::Trap);
    }
}
