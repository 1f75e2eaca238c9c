//! This runtime's sign of life, and what follows from those of the others.
//!
//! A row that says RUNNING is either being worked on or was left behind by a runtime that died; only the runtime's own row
//! in `runtime` tells which. A runtime is *gone* once it has stopped, or has given no sign of life for the lease. All times
//! are the database's: clocks of different machines may differ by minutes.
//!
//! After an outage of the database nobody has given a sign of life for long. So a runtime takes others for gone only after
//! it has itself beaten for one lease without a gap.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{Database, QueryError, tally::Recent};

/// Signs of life for each lease: several may be late before a runtime is taken for gone.
const BEATS: u32 = 5;

/// How long the end may take to be told. Untold, it shows when the lease is over.
const LAST_WORD: Duration = Duration::from_secs(2);

/// Who this runtime is.
#[derive(Debug, Clone)]
pub struct RuntimeInfo {
    /// As in `task_store.runtime_id`.
    pub runtime_id: Arc<str>,
    /// The name of the service that it runs as.
    pub service: String,
    /// The machine that it runs on.
    pub host: String,
}

/// Keeps this runtime's row fresh. Cheap to clone; ends with its last clone.
#[derive(Debug, Clone)]
pub struct Heartbeat {
    pulse: Arc<Pulse>,
    _stop: Arc<DropGuard>,
}

#[derive(Debug)]
struct Pulse {
    db: Database,
    info: RuntimeInfo,
    beats: Mutex<Beats>,
    recent: Mutex<Recent>,
    stop: CancellationToken,
}

/// The beats that the database has taken.
#[derive(Debug, Default)]
struct Beats {
    last: Option<Instant>,
    /// Since when there was no gap.
    steady_since: Option<Instant>,
}

impl Heartbeat {
    /// Gives a first sign of life, and goes on, on the current tokio runtime. That the database is away later is no error:
    /// the next beat comes.
    ///
    /// # Errors
    /// If the first one can't be written. A runtime that was never seen alive would be taken for gone.
    pub async fn start(db: &Database, info: RuntimeInfo) -> Result<Self, QueryError> {
        let stop = CancellationToken::new();
        let pulse = Arc::new(Pulse {
            db: db.clone(),
            info,
            beats: Mutex::default(),
            recent: Mutex::default(),
            stop: stop.clone(),
        });
        let first = async {
            pulse.beat().await?;
            db.forget_the_gone().await
        };
        let first = timeout(db.statement_timeout, first).await;
        first.unwrap_or_else(|_| Err(QueryError::no_answer(db.statement_timeout)))?;
        tokio::spawn(beat_on(pulse.clone()));
        Ok(Self { pulse, _stop: Arc::new(stop.drop_guard()) })
    }

    /// Who this runtime is.
    pub fn runtime_id(&self) -> &Arc<str> {
        &self.pulse.info.runtime_id
    }

    /// Whether this runtime may take others for gone.
    pub fn may_judge(&self) -> bool {
        self.pulse.beats().is_steady(self.pulse.db.lease, Instant::now())
    }

    /// Ends the beats and says so in the row, so that nobody waits for the lease to run out.
    pub async fn stop(&self) {
        self.pulse.stop.cancel();
        match timeout(LAST_WORD, self.pulse.db.say_stopped(&self.pulse.info)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "the end of this runtime could not be told: {error}"),
            Err(_) => tracing::debug!("the end of this runtime could not be told within {LAST_WORD:?}"),
        }
    }
}

impl Pulse {
    fn pause(&self) -> Duration {
        self.db.lease / BEATS
    }

    fn recent(&self) -> std::sync::MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn beats(&self) -> std::sync::MutexGuard<'_, Beats> {
        self.beats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One sign of life; if there was no gap, what is under way of runtimes that are gone is told as lost.
    async fn beat(&self) -> Result<(), QueryError> {
        let recent = self.recent().mark(&self.db.tally, Instant::now());
        self.db.say_alive(&self.info, recent).await?;
        let now = Instant::now();
        let steady = {
            let mut beats = self.beats();
            beats.add(self.db.lease, now);
            beats.is_steady(self.db.lease, now)
        };
        if steady {
            match self.db.tell_lost().await? {
                0 => {}
                lost => tracing::info!("{lost} attempts were under way in runtimes that are gone"),
            }
        }
        Ok(())
    }
}

impl Beats {
    fn add(&mut self, lease: Duration, now: Instant) {
        let gap = self.last.is_none_or(|last| now.duration_since(last) > lease / 2);
        if gap {
            self.steady_since = Some(now);
        }
        self.last = Some(now);
    }

    fn is_steady(&self, lease: Duration, now: Instant) -> bool {
        self.last.is_some_and(|last| now.duration_since(last) <= lease / 2)
            && self.steady_since.is_some_and(|since| now.duration_since(since) >= lease)
    }
}

async fn beat_on(pulse: Arc<Pulse>) {
    let mut pauses = interval_at(Instant::now() + pulse.pause(), pulse.pause());
    pauses.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let beats = async {
        loop {
            pauses.tick().await;
            match timeout(pulse.db.lease, pulse.beat()).await {
                Ok(Ok(())) => {}
                // That the database is away is told by the recorder's health.
                Ok(Err(error)) => tracing::debug!(%error, "no sign of life could be given: {error}"),
                Err(_) => tracing::debug!("no sign of life could be given within the lease"),
            }
        }
    };
    // A beat that is cut off may still arrive; the stop is written after it and stands.
    pulse.stop.run_until_cancelled(beats).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_are_judged_after_a_lease_without_a_gap() {
        let (start, lease) = (Instant::now(), Duration::from_secs(10));
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut beats = Beats::default();
        assert!(!beats.is_steady(lease, start));
        for second in [0, 2, 4, 6, 8] {
            beats.add(lease, at(second));
            assert!(!beats.is_steady(lease, at(second)));
        }
        beats.add(lease, at(10));
        assert!(beats.is_steady(lease, at(10)) && beats.is_steady(lease, at(15)));
        // Nothing was written for a while: perhaps nobody's sign of life was.
        assert!(!beats.is_steady(lease, at(16)));
        beats.add(lease, at(16));
        assert!(!beats.is_steady(lease, at(16)));
    }
}
