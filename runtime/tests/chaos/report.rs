//! What a run tells at its end.

use std::{collections::BTreeMap, sync::atomic::Ordering, time::Duration};

use crate::{load::Sent, run::Round, verdict::Evidence};

/// What was published and what was made of it.
pub(crate) fn tell_load(evidence: &Evidence<'_>, published_again: usize) {
    let (shared, sent) = (evidence.shared, &evidence.sent);
    let repeated = sent.iter().filter(|sent| sent.repeated).count();
    let nameless = sent.iter().filter(|sent| sent.nameless).count();
    println!("tasks: {}, published twice on purpose {repeated}, without an id {nameless}", sent.len());
    println!("events: {}", evidence.events.0.len());
    println!("published again because it was not confirmed in time: {published_again}");
    let (started, early) = (shared.started.load(Ordering::Relaxed), shared.ended_early.load(Ordering::Relaxed));
    println!("processes of runtimes: {started}, of which {early} ended at their start because a server was away");

    let needed: usize = sent.iter().map(Sent::executions).sum();
    let executions: usize = shared.executions.all().iter().map(|(_, executions)| executions.len()).sum();
    let more = executions.saturating_sub(needed);
    println!("executions: {executions}, {more} more than the tasks have attempts (crashes, duplicates)");
    println!("tasks that ran out of time because the machine was slow: {}", evidence.too_slow());
    println!("dead letters: {}", evidence.dead.len());
}

/// The faults by kind: how many, and how long it took until work went on.
pub(crate) fn tell_rounds(rounds: &[Round]) {
    let mut recoveries: BTreeMap<&str, Vec<Option<Duration>>> = BTreeMap::new();
    for round in rounds {
        recoveries.entry(&round.kind).or_default().push(round.recovery);
    }
    println!("{:<64}{:>6}{:>14}{:>10}", "fault", "times", "recovery p50", "max");
    for (kind, times) in recoveries {
        let mut known: Vec<Duration> = times.iter().flatten().copied().collect();
        known.sort_unstable();
        let shown =
            |time: Option<&Duration>| time.map_or("never".to_owned(), |time| format!("{} ms", time.as_millis()));
        let (p50, max) = (shown(known.get(known.len() / 2)), shown(known.last()));
        println!("{kind:<64}{:>6}{p50:>14}{max:>10}", times.len());
    }
}
