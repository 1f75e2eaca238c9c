//! An execution under way.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use tokio::task::JoinError;

use super::{Execution, executor::Begun, failed, guest_log::GuestLog};
use crate::{
    outcome::{ErrorClass, Outcome},
    receipt::LogTail,
};

/// An execution under way: awaited, it gives what came of it. One that nobody awaits ends at its own limits.
pub struct Running {
    /// `Panicked` also once what came of it was given.
    execution: Begun<Execution>,
    log: GuestLog,
}

impl Running {
    pub(super) fn new(execution: Begun<Execution>, log: GuestLog) -> Self {
        Self { execution, log }
    }

    /// What the guest has written so far, also after its end.
    pub fn log(&self) -> LogTail {
        self.log.tail()
    }
}

impl Future for Running {
    type Output = Execution;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Execution> {
        if let Begun::GoesOn(execution) = &mut self.execution {
            return Pin::new(execution).poll(context).map(|ended| ended.flatten().unwrap_or_else(cut_off));
        }
        Poll::Ready(match std::mem::replace(&mut self.execution, Begun::Panicked) {
            Begun::Ended(execution) => execution,
            Begun::Panicked | Begun::GoesOn(_) => panicked(),
        })
    }
}

fn cut_off(error: JoinError) -> Execution {
    if error.is_panic() { panicked() } else { Execution::without_receipt(Outcome::Interrupted) }
}

/// What it said has been written where panics are written.
fn panicked() -> Execution {
    tracing::error!("the sandbox panicked while it ran a guest");
    let text = "the sandbox itself failed while it ran this component; see the runtime's log";
    Execution::without_receipt(failed(ErrorClass::Trap, text))
}
