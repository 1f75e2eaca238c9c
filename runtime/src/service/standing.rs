//! Whether what is known of a task still stands, from its admission to its execution: while it waits for its place, or before anybody
//! has asked, another runtime may have done it.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{
    Service,
    admission::Task,
    course::{Course, course},
    waiting::patiently,
    wishes::is_untouched,
};
use crate::lifecycle::Novelty;

/// For how long what was known of a task is taken for true while it waits for its place in the sandbox.
const STALE: Duration = Duration::from_millis(100);

impl Service {
    /// Whether what was known of the task still stands, asked anew if that is some time ago. One that was delivered before
    /// may be at its end in another runtime at this very moment. If nobody has asked yet, whether there is nothing to be known.
    pub(super) async fn still_stands(&self, task: &mut Task) -> bool {
        let (id, coming, was_asked) = (task.row.id, task.coming, task.asked.is_some());
        // Twice at most: where an answer takes so long, the next one is as old.
        for again in [coming.redelivered, false] {
            let is_stale = task.asked.is_none_or(|asked| again || asked.elapsed() >= STALE);
            if task.request.message_id.is_none() || !is_stale {
                break;
            }
            let asked = Instant::now();
            let state = Box::pin(self.cut_off.run_until_cancelled(patiently(|| self.parts.lookups.state(id)))).await;
            // Where the stop has come before the answer, nothing is begun any more.
            let Some(state) = state else { return false };
            if !was_asked && state.is_some() {
                self.doubts.begin();
            }
            let stands = state.as_ref().is_none_or(|state| {
                course(state, coming, self.is_elsewhere(state)) == Course::Execute(task.request.attempt)
                    && (was_asked || is_untouched(Some(state)))
            });
            if !stands {
                return false;
            }
            task.asked = Some(asked);
            if !was_asked {
                Arc::make_mut(&mut task.row).novelty = novelty(state.is_some());
            }
        }
        true
    }
}

/// Of a task for which it was asked whether it has a row.
pub(super) fn novelty(has_row: bool) -> Novelty {
    if has_row { Novelty::Unknown } else { Novelty::Presumed }
}
