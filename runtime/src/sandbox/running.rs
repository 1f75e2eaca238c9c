//! An execution under way.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use tokio::task::{JoinError, JoinHandle};

use super::{Execution, failed, guest_log::GuestLog};
use crate::{
    outcome::{ErrorClass, Outcome},
    receipt::LogTail,
};

/// An execution under way: awaited, it gives what came of it. One that nobody awaits ends at its own limits.
pub struct Running {
    pub(super) execution: JoinHandle<Result<Execution, JoinError>>,
    pub(super) log: GuestLog,
}

impl Running {
    /// What the guest has written so far, also after its end.
    pub fn log(&self) -> LogTail {
        self.log.tail()
    }
}

impl Future for Running {
    type Output = Execution;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Execution> {
        Pin::new(&mut self.execution).poll(context).map(|ended| ended.flatten().unwrap_or_else(cut_off))
    }
}

fn cut_off(error: JoinError) -> Execution {
    if error.is_panic() {
        tracing::error!(%error, "the sandbox panicked while it ran a guest");
        let text = "the sandbox itself failed while it ran this component; see the runtime's log";
        return Execution::without_receipt(failed(ErrorClass::Trap, text));
    }
    Execution::without_receipt(Outcome::Interrupted)
}
