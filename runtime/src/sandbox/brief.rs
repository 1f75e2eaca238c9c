//! Which executions begin on the thread that awaits them: those of components whose executions end at once.
//!
//! To hand an execution of ten microseconds to another thread and its outcome back costs more than the execution. But who awaits
//! it has connections, timers and commits on that thread. So it is lent only to a component that can do nothing with it but compute
//! (it has no file, and no connection, for which a guest may hold a thread; sockets and look-ups of names nobody has), within little
//! memory, and whose last executions were brief on average. One that is not, after all, yields at the first tick of the epoch that finds it
//! to have computed for a millisecond, and goes on where guests run; its component then has to prove itself twice as long as before.
//! What no tick interrupts is bounded in size: an instruction that fills memory, and what is handed in and out.
//!
//! A future that moves so keeps the timers and tasks that its first poll made with the service; they only wake it.

use std::{
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    time::Duration,
};

use bytesize::ByteSize;

use super::engine::SHORTEST_TURN;
use crate::manifest::Manifest;

/// Processor time of an execution that is brief. Connections and timers wait for some of them: the service lets tasks begin for about a
/// millisecond at a time, eight times at the latest. A single one may take longer by no fault of its own, where the machine is shared: on one
/// that was, one in a hundred did. A host that is not optimised takes several times as long for the same.
const BRIEF: Duration = Duration::from_micros(if cfg!(debug_assertions) { 1_000 } else { 100 });

/// An execution counts for so much of the average, as one of so many.
const WEIGHT: u32 = 16;

/// What is taken for the average of a component of which nothing is known, or which has lapsed: some 23 executions that take nearly
/// nothing have to disprove it.
const UNKNOWN: Duration = BRIEF.saturating_mul(4);

/// So many executions are counted before the next one is expected to be brief; twice as many after each lapse.
const PROOF: u32 = 16;

/// One lapse is forgiven for each so many executions without another: once in some hundred thousand the system itself makes one.
const FORGIVEN_AFTER: u32 = 10_000;

/// More lapses make no difference.
const MOST_LAPSES: u32 = 20;

/// The most memory that such a component may have, and the most that one execution is handed and may answer, in bytes. Those of memory and
/// answers are the defaults of the limits.
const MOST_MEMORY: ByteSize = ByteSize::mib(64);
const MOST_OUTPUT: ByteSize = ByteSize::mib(1);
const MOST_PAYLOAD: usize = 64 << 10;

/// What is known of one component.
#[derive(Debug)]
pub(super) struct Brevity {
    /// Whether it may ever be lent a thread of the service's.
    may_be_here: bool,
    /// Processor time of an execution, in nanoseconds: a moving average.
    average: AtomicU32,
    /// Executions since the last lapse.
    since: AtomicU32,
    /// Executions that were lent a thread and were not brief.
    lapses: AtomicU32,
}

impl Brevity {
    pub(super) fn of(manifest: &Manifest) -> Self {
        let (grants, limits) = (&manifest.grants, &manifest.limits);
        let no_files = manifest.directories.is_empty() && !grants.scratch;
        let no_hosts = grants.hosts.is_empty() && grants.private_hosts.is_empty();
        let little = limits.memory <= MOST_MEMORY && limits.output <= MOST_OUTPUT;
        let may_be_here = no_files && no_hosts && little;
        Self { may_be_here, average: nanos(UNKNOWN).into(), since: AtomicU32::new(0), lapses: AtomicU32::new(0) }
    }

    /// Whether the execution on a payload of so many bytes will be brief, as far as one can tell.
    pub(super) fn expects(&self, payload: usize) -> bool {
        let is_proven = || self.since.load(Relaxed) >= self.proof() && self.average.load(Relaxed) <= nanos(BRIEF);
        self.may_be_here && payload <= MOST_PAYLOAD && is_proven()
    }

    /// An execution has ended, and used this much processor time. Two that end at once may count as one.
    pub(super) fn ended_after(&self, used: Duration) {
        let average = self.average.load(Relaxed);
        self.average.store(average - average / WEIGHT + nanos(used) / WEIGHT, Relaxed);
        if self.since.fetch_add(1, Relaxed) % FORGIVEN_AFTER == FORGIVEN_AFTER - 1 {
            self.forgive();
        }
    }

    /// One that was lent a thread has ended there, and used this much processor time. Where a tick would have made it yield it was no brief
    /// one, though none came.
    pub(super) fn ended_here_after(&self, used: Duration) {
        if used > SHORTEST_TURN {
            self.lapsed();
        }
    }

    /// One that was lent a thread has to go on elsewhere.
    pub(super) fn lapsed(&self) {
        self.average.fetch_max(nanos(UNKNOWN), Relaxed);
        self.since.store(0, Relaxed);
        self.lapses.fetch_add(1, Relaxed);
    }

    /// One that had to go on elsewhere has ended, and used this much processor time. A brief one was no lapse: it had waited, or the
    /// system had held up its thread. Of one that was cut off nothing is known, and it has used none.
    pub(super) fn lapse_ended_after(&self, used: Duration) {
        if used <= BRIEF && !used.is_zero() {
            self.forgive();
        }
    }

    /// One lapse was none. There may be none left: it was forgiven meanwhile.
    fn forgive(&self) {
        let _ = self.lapses.fetch_update(Relaxed, Relaxed, |lapses| lapses.checked_sub(1));
    }

    fn proof(&self) -> u32 {
        PROOF << self.lapses.load(Relaxed).min(MOST_LAPSES)
    }
}

/// More than fits makes no difference.
fn nanos(time: Duration) -> u32 {
    u32::try_from(time.as_nanos()).unwrap_or(u32::MAX)
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
        brevity.expects(0)
    }

    /// Enough to make any average one of brief ones.
    const MANY: usize = 200;
    const SHORT: Duration = Duration::from_micros(10);

    #[test]
    fn only_those_that_are_brief_on_average_are_expected_to_be() {
        let brevity = Brevity::of_one_that_only_computes();
        assert!(!is_proven_by(&brevity, []));
        assert!(!is_proven_by(&brevity, [BRIEF + Duration::from_micros(1); MANY]));
        assert!(is_proven_by(&brevity, [BRIEF / 2; MANY]));
    }

    #[test]
    fn one_that_was_held_up_once_in_a_while_is_forgiven_and_one_that_often_takes_long_is_not() {
        let brevity = Brevity::of_one_that_only_computes();
        assert!(is_proven_by(&brevity, [SHORT; MANY]));
        assert!(is_proven_by(&brevity, [BRIEF * 5]));
        assert!(!is_proven_by(&brevity, [BRIEF * 20]));
        assert!(is_proven_by(&brevity, [SHORT; MANY]));
        let one_in_ten = [[BRIEF * 20].as_slice(), &[SHORT; 9]].concat();
        assert!(!is_proven_by(&brevity, one_in_ten.repeat(20)));
    }

    #[test]
    fn what_is_far_too_long_does_not_overflow() {
        let brevity = Brevity::of_one_that_only_computes();
        assert!(!is_proven_by(&brevity, [Duration::MAX; MANY]));
    }

    #[test]
    fn each_lapse_asks_for_twice_as_many_unless_it_was_none() {
        let brevity = Brevity::of_one_that_only_computes();
        (0..3).for_each(|_| brevity.lapsed());
        assert!(!is_proven_by(&brevity, [SHORT; 8 * PROOF as usize - 1]));
        assert!(is_proven_by(&brevity, [SHORT]));
        brevity.lapsed();
        brevity.lapse_ended_after(BRIEF);
        assert!(is_proven_by(&brevity, [SHORT; 8 * PROOF as usize]));
        (0..100).for_each(|_| brevity.lapsed());
        assert!(!is_proven_by(&brevity, [SHORT; 1000]));
    }

    #[test]
    fn one_that_ends_where_it_is_lent_a_thread_lapses_by_its_length() {
        let brevity = Brevity::of_one_that_only_computes();
        assert!(is_proven_by(&brevity, [SHORT; MANY]));
        brevity.ended_here_after(SHORTEST_TURN);
        assert!(brevity.expects(0));
        brevity.ended_here_after(SHORTEST_TURN + Duration::from_nanos(1));
        assert!(!brevity.expects(0));
    }

    #[test]
    fn lapses_are_forgiven_one_by_one() {
        let brevity = Brevity::of_one_that_only_computes();
        (0..100).for_each(|_| brevity.lapsed());
        let executions = |n: u32| (0..n).map(|_| SHORT);
        assert!(!is_proven_by(&brevity, executions(80 * FORGIVEN_AFTER)));
        assert!(is_proven_by(&brevity, executions(20 * FORGIVEN_AFTER)));
    }

    #[test]
    fn a_large_payload_goes_elsewhere() {
        let brevity = Brevity::of_one_that_only_computes();
        assert!(is_proven_by(&brevity, [SHORT; MANY]));
        assert!(brevity.expects(MOST_PAYLOAD) && !brevity.expects(MOST_PAYLOAD + 1));
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
            assert!(!is_proven_by(&Brevity::of(&manifest(grants)), [Duration::ZERO; MANY]));
        }
        let limits = Limits::default();
        for limits in [
            Limits { memory: ByteSize(MOST_MEMORY.as_u64() + 1), ..limits.clone() },
            Limits { output: ByteSize(MOST_OUTPUT.as_u64() + 1), ..limits },
        ] {
            let large = Manifest { limits, ..manifest(Grants::default()) };
            assert!(!is_proven_by(&Brevity::of(&large), [Duration::ZERO; MANY]));
        }
    }
}
