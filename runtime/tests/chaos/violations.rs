//! What must not have happened and did, with what is needed to look into it.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Most that are told in full: the hundredth says nothing that the first did not.
const TOLD: usize = 25;

/// All violations of a run.
#[derive(Default)]
pub(crate) struct Violations(Mutex<Vec<String>>);

impl Violations {
    pub(crate) fn add(&self, violation: String) {
        self.lock().push(violation);
    }

    /// Tells them. Gives how many there are.
    pub(crate) fn tell(&self) -> usize {
        let all = self.lock();
        for (n, violation) in all.iter().take(TOLD).enumerate() {
            println!("VIOLATION {}: {violation}", n + 1);
        }
        if all.len() > TOLD {
            println!("and {} more", all.len() - TOLD);
        }
        all.len()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
