//! Which components are executed on the thread that awaits them: those whose executions end at once.
//!
//! To hand an execution of ten microseconds to another thread and its outcome back costs more than the execution. But who awaits
//! it has connections, timers and commits on that thread, so it is lent only to a component that can do nothing with it but
//! compute (it has no file, and no connection, for which a guest may hold a thread), and whose last executions
//! were all brief. One that is not, after all, is seen by the epoch's second tick at the latest, goes on where guests run, and has to
//! prove itself anew: whatever a component does, it holds up the service for no more than two ticks in [`PROOF`] executions. Only an
//! instruction that fills or copies memory is not interrupted, so whose memory may be large is not lent a thread either.

use std::{
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    time::Duration,
};

use bytesize::ByteSize;

use crate::manifest::Manifest;

/// Processor time of an execution that is brief. tokio looks at connections and timers after 61 polls at the latest: so they wait
/// for no more than 6 ms.
const BRIEF: Duration = Duration::from_micros(100);

/// So many brief ones in a row prove that the next one will be brief too.
const PROOF: u32 = 16;

/// The most memory that such a component may have.
const MOST_MEMORY: ByteSize = ByteSize::mib(64);

/// What is known of one component.
#[derive(Debug)]
pub(super) struct Brevity {
    /// Whether it may ever be lent a thread of the service's.
    may_be_here: bool,
    /// Brief executions since the last one that was not.
    in_a_row: AtomicU32,
}

impl Brevity {
    pub(super) fn of(manifest: &Manifest) -> Self {
        let grants = &manifest.grants;
        let no_files = manifest.directories.is_empty() && !grants.scratch;
        let no_hosts = grants.hosts.is_empty() && grants.private_hosts.is_empty();
        let little_memory = manifest.limits.memory <= MOST_MEMORY;
        Self { may_be_here: no_files && no_hosts && little_memory, in_a_row: AtomicU32::new(0) }
    }

    /// Whether the next execution will be brief, as far as one can tell.
    pub(super) fn is_proven(&self) -> bool {
        self.may_be_here && self.in_a_row.load(Relaxed) >= PROOF
    }

    /// An execution has ended, and used this much processor time.
    pub(super) fn ended_after(&self, used: Duration) {
        if used > BRIEF {
            self.was_not_brief();
        } else if self.in_a_row.load(Relaxed) < PROOF {
            self.in_a_row.fetch_add(1, Relaxed);
        }
    }

    /// An execution goes on beyond what is brief.
    pub(super) fn was_not_brief(&self) {
        self.in_a_row.store(0, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{Grants, HostGrant, HostPattern, Limits};

    impl Brevity {
        pub(in crate::sandbox) fn of_one_that_only_computes() -> Self {
            Self::of(&manifest(Grants::default()))
        }
    }

    fn manifest(grants: Grants) -> Manifest {
        Manifest { limits: Limits::default(), grants, directories: Vec::new(), retries: 0 }
    }

    fn is_proven_by(brevity: &Brevity, executions: impl IntoIterator<Item = Duration>) -> bool {
        executions.into_iter().for_each(|used| brevity.ended_after(used));
        brevity.is_proven()
    }

    #[test]
    fn only_brief_ones_in_a_row_prove_it() {
        let brevity = Brevity::of_one_that_only_computes();
        assert!(!is_proven_by(&brevity, [BRIEF; PROOF as usize - 1]));
        assert!(is_proven_by(&brevity, [BRIEF]));
        assert!(!is_proven_by(&brevity, [BRIEF + Duration::from_nanos(1)]));
        assert!(!is_proven_by(&brevity, [Duration::ZERO; PROOF as usize - 1]));
        assert!(is_proven_by(&brevity, [Duration::ZERO]));
    }

    #[test]
    fn who_may_hold_a_thread_for_long_is_never_lent_one() {
        let host: HostPattern = "example.com:443".parse().unwrap();
        let hosts = || vec![HostGrant { host: host.clone(), methods: Vec::new() }];
        for grants in [
            Grants { scratch: true, ..Grants::default() },
            Grants { hosts: hosts(), ..Grants::default() },
            Grants { private_hosts: hosts(), ..Grants::default() },
        ] {
            assert!(!is_proven_by(&Brevity::of(&manifest(grants)), [Duration::ZERO; 2 * PROOF as usize]));
        }
        let mut large = manifest(Grants::default());
        large.limits.memory = ByteSize(MOST_MEMORY.as_u64() + 1);
        assert!(!is_proven_by(&Brevity::of(&large), [Duration::ZERO; 2 * PROOF as usize]));
    }
}
