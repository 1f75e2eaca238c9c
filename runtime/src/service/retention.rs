//! Deletes what is older than `[retention]` says, once an hour, beside the way of the tasks.
//!
//! One runtime at a time does so, by a claim in the database that runs out by itself; which one it is does not matter. It goes
//! on where it left off: the oldest rows go first, so a run that a stop or an outage ends has done a part for good.

use std::{
    ops::{ControlFlow, RangeInclusive},
    sync::Weak,
    time::Duration,
};

use tokio::time::Instant;

use super::Service;
use crate::{
    config::{Kept, Retention},
    lifecycle::{Old, QueryError},
};

/// How often it is looked at whether it is time, and whether the one that was at it is gone: by each runtime after another time,
/// so that it is not always the same that comes first.
const LOOK: RangeInclusive<u64> = 30..=90;

/// From the end of one run to the beginning of the next, on whichever runtime.
const EVERY: Duration = Duration::from_secs(60 * 60);

/// For how long a claim holds while a run lasts: far longer than a batch takes.
const HOLD: Duration = Duration::from_secs(5 * 60);

/// How often the claim is renewed while a run lasts.
const RENEW: Duration = Duration::from_secs(60);

impl Service {
    /// Deletes until a stop.
    pub(super) async fn delete_until_stop(service: Weak<Self>) {
        loop {
            let Some(now) = service.upgrade() else { return };
            let (retention, cut_off) = (now.parts.config.retention.clone(), now.cut_off.clone());
            if olds(&retention).next().is_none() || cut_off.is_cancelled() {
                return;
            }
            if let Some(Err(error)) = cut_off.run_until_cancelled(now.delete_old(&retention)).await {
                tracing::warn!(%error, "what is older than [retention] says could not be deleted, it is tried again: {error}");
            }
            drop(now);
            let pause = Duration::from_secs(rand::random_range(LOOK));
            if cut_off.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                return;
            }
        }
    }

    /// One run, if it is time and no other runtime is at it.
    async fn delete_old(&self, retention: &Retention) -> Result<(), QueryError> {
        let database = &self.parts.database;
        if !database.claim_retention(&self.runtime_id, HOLD).await? {
            return Ok(());
        }
        let (began, mut tasks, mut events) = (Instant::now(), 0, 0);
        for (old, age) in olds(retention) {
            let mut is_all = false;
            while !is_all {
                let deleted;
                (deleted, is_all) = self.delete_some(old, age).await?;
                match old {
                    Old::Completed | Old::Failed | Old::Cancelled => tasks += deleted,
                    Old::Events => events += deleted,
                }
                // Lost only by a pause that was longer than the claim: another one goes on from here.
                if !database.keep_retention(&self.runtime_id, HOLD).await? {
                    return Ok(());
                }
            }
        }
        database.keep_retention(&self.runtime_id, EVERY).await?;
        let took = humantime::format_duration(Duration::from_secs(began.elapsed().as_secs()));
        if tasks + events > 0 {
            tracing::info!(
                tasks,
                events,
                "deleted {tasks} tasks and {events} events that were older than [retention] says, within {took}"
            );
        }
        Ok(())
    }

    /// Deletes for as long as the claim surely holds. Gives how many, and whether that was all.
    async fn delete_some(&self, old: Old, age: Duration) -> Result<(u64, bool), QueryError> {
        let (until, mut is_all) = (Instant::now() + RENEW, true);
        let deleted = self.parts.database.prune(old, age, |_| match Instant::now() < until {
            true => ControlFlow::Continue(()),
            false => {
                is_all = false;
                ControlFlow::Break(())
            }
        });
        Ok((deleted.await?, is_all))
    }
}

/// What is to be deleted, from which age on.
fn olds(retention: &Retention) -> impl Iterator<Item = (Old, Duration)> {
    let tasks = Old::TASKS.map(|old| (old, retention.tasks));
    let all = tasks.into_iter().chain([(Old::Events, retention.events)]);
    all.filter_map(|(old, kept)| match kept {
        Kept::Forever => None,
        Kept::For(age) => Some((old, age)),
    })
}
