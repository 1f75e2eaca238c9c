//! One look through the outbox: publishes what is due of the rows that are there when it begins.
//!
//! Rows that come later are left to the next sweep, so that a flood of them can't hold up older ones. Keys are taken in the
//! order of their names, rows without a key in that of their ids, by turns, a batch at a time.

use std::time::Duration;

use sea_orm::{DatabaseConnection, DbErr};
use tokio_util::sync::CancellationToken;

use super::{
    batch::{Batch, Outcome, Refused},
    cursor::Cursor,
    hold::{Hold, Retry},
    queries,
    row::Row,
};
use crate::{client::Client, publisher::PublishError};

/// What all sweeps of a relay share.
pub(super) struct Sweeper {
    pub(super) db: DatabaseConnection,
    pub(super) client: Client,
    pub(super) stop: CancellationToken,
    pub(super) batch: u64,
    pub(super) chain: u64,
    pub(super) publish_timeout: Duration,
    pub(super) retry: Retry,
    /// Something was published since this was last set to `false`.
    pub(super) progress: bool,
    /// Rows without a key, by their ids.
    pub(super) unordered: Cursor<i64>,
    /// Keys, by their names.
    pub(super) ordered: Cursor<String>,
}

/// What a sweep has found.
#[derive(Debug, Default)]
pub(super) struct Swept {
    pub(super) confirmed: usize,
    /// Another relay is at rows that are due. It may die.
    pub(super) held_elsewhere: bool,
    /// When the next refused row is due.
    pub(super) next_retry: Option<Duration>,
}

/// Why a sweep ended early.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error("the database: {0}")]
    Database(#[from] DbErr),
    #[error("{0}")]
    Broker(#[from] PublishError),
}

impl Sweeper {
    pub(super) async fn sweep(&mut self) -> Result<Swept, Trouble> {
        let mut swept = Swept::default();
        let Some(newest) = queries::newest(&self.db).await? else { return Ok(swept) };
        self.unordered.resume(self.unordered.after == 0);
        self.ordered.resume(self.ordered.after.is_empty());
        let (mut unordered, mut ordered) = (true, true);
        while (unordered || ordered) && !self.stop.is_cancelled() {
            if unordered {
                unordered = self.publish_unordered(newest, &mut swept).await?;
            }
            if ordered {
                ordered = self.publish_ordered(newest, &mut swept).await?;
            }
        }
        let outlook = queries::outlook(&self.db, newest).await?;
        swept.held_elsewhere |= outlook.held_elsewhere;
        swept.next_retry = outlook.next_retry;
        Ok(swept)
    }

    /// A batch of rows without a key; whether there is more.
    async fn publish_unordered(&mut self, newest: i64, swept: &mut Swept) -> Result<bool, Trouble> {
        let hold = Hold::begin(&self.db).await?;
        let rows = hold.unordered(self.unordered.after, newest, self.unordered.room).await?;
        let last = rows.last().map(|row| row.id);
        let chains: Vec<_> = rows.into_iter().map(|row| vec![row]).collect();
        let keys = number(&chains);
        let outcome = self.publish(chains).await;
        self.unordered.learn(keys, last.as_ref(), &outcome, self.batch);
        self.settle(hold, outcome, swept).await?;
        Ok(self.unordered.advance(last))
    }

    /// A batch of keys; whether there is more.
    async fn publish_ordered(&mut self, newest: i64, swept: &mut Swept) -> Result<bool, Trouble> {
        let mut heads = queries::heads(&self.db, &self.ordered.after, self.ordered.room).await?;
        let last = heads.last().map(|head| head.entity_key.clone());
        heads.retain(|head| head.is_due && head.id <= newest);
        if heads.is_empty() {
            return Ok(self.ordered.advance(last));
        }
        let ids: Vec<_> = heads.iter().map(|head| head.id).collect();
        let hold = Hold::begin(&self.db).await?;
        let chains = by_key(hold.chains(&ids, self.chain.min(self.ordered.room)).await?);
        swept.held_elsewhere |= chains.len() < ids.len();
        let keys = number(&chains);
        let outcome = self.publish(chains).await;
        self.ordered.learn(keys, last.as_ref(), &outcome, self.batch);
        self.settle(hold, outcome, swept).await?;
        Ok(self.ordered.advance(last))
    }

    async fn publish(&self, chains: Vec<Vec<Row>>) -> Outcome {
        let batch = Batch { client: &self.client, timeout: self.publish_timeout, stop: &self.stop };
        let outcome = batch.publish(chains).await;
        tell(&outcome);
        outcome
    }

    async fn settle(&mut self, hold: Hold, outcome: Outcome, swept: &mut Swept) -> Result<(), Trouble> {
        hold.settle(&outcome, self.retry, &self.stop).await?;
        swept.confirmed += outcome.confirmed.len();
        self.progress |= !outcome.confirmed.is_empty();
        outcome.broken.map_or(Ok(()), |error| Err(error.into()))
    }
}

fn number(chains: &[Vec<Row>]) -> u64 {
    u64::try_from(chains.len()).unwrap_or(u64::MAX)
}

/// Rows in the order of their ids, as one chain for each key.
fn by_key(rows: Vec<Row>) -> Vec<Vec<Row>> {
    let mut chains = std::collections::BTreeMap::<Option<String>, Vec<Row>>::new();
    for row in rows {
        chains.entry(row.entity_key.clone()).or_default().push(row);
    }
    chains.into_values().collect()
}

/// One line a batch: a queue that is full refuses thousands.
fn tell(outcome: &Outcome) {
    if let Some(Refused { id, attempts, error }) = outcome.refused.first() {
        tracing::warn!(
            rows = outcome.refused.len(),
            id,
            attempts = attempts.saturating_add(1),
            %error,
            "event {id} of the outbox was not published and is tried again; later ones of its entity wait"
        );
    }
}
