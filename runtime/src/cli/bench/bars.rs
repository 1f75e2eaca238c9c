//! How far a measurement is: a bar on stderr for each part of it, if that is a terminal.

use std::sync::{Mutex, PoisonError};

use indicatif::ProgressBar;

use crate::{bench::Watch, cli::progress};

/// The bar of what is under way.
#[derive(Default)]
pub(super) struct Bars(Mutex<Option<ProgressBar>>);

impl Bars {
    fn replace(&self, bar: Option<ProgressBar>) {
        let before = std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), bar);
        if let Some(before) = before {
            before.finish_and_clear();
        }
    }
}

impl Watch for Bars {
    fn begin(&self, what: &str, steps: u64) {
        let bar = progress::steps(what, steps);
        // It moves while nothing is to be told, so that it is seen to be alive.
        bar.enable_steady_tick(std::time::Duration::from_millis(200));
        self.replace(Some(bar));
    }

    fn at(&self, step: u64) {
        if let Some(bar) = &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            bar.set_position(step);
        }
    }

    fn end(&self) {
        self.replace(None);
    }
}

/// An error, or a signal, is not to be written across a bar.
impl Drop for Bars {
    fn drop(&mut self) {
        self.replace(None);
    }
}
