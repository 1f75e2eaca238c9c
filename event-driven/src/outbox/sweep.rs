//! One look through the outbox: publishes what is due of the rows that are there when it begins.
//!
//! Rows that come later are left to the next sweep, so that a flood of them can't hold up older ones. Keys are taken in the
//! order of their names, rows without a key in that of their ids, by turns, a batch at a time.

use std::time::Duration;

use sea_orm::{DatabaseConnection, DbErr};
use tokio_util::sync::CancellationToken;

use super::{
    batch::{Batch, Outcome},
    event_outbox::Model,
    hold::{Hold, Retry},
    queries,
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
    /// The rows of the next batch: few after the broker was lost, so that a message which kills the connection does not
    /// take the same ones with it again, and is alone in the end.
    pub(super) room: u64,
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
        let (mut id, mut key) = (Some(0), Some(String::new()));
        while (id.is_some() || key.is_some()) && !self.stop.is_cancelled() {
            if let Some(after) = id {
                id = self.unordered(after, newest, &mut swept).await?;
            }
            if let Some(after) = key {
                key = self.ordered(&after, newest, &mut swept).await?;
            }
        }
        let outlook = queries::outlook(&self.db, newest).await?;
        swept.held_elsewhere |= outlook.held_elsewhere;
        swept.next_retry = outlook.next_retry;
        Ok(swept)
    }

    /// A batch of rows without a key; where to go on.
    async fn unordered(&mut self, after: i64, newest: i64, swept: &mut Swept) -> Result<Option<i64>, Trouble> {
        let hold = Hold::begin(&self.db).await?;
        let rows = hold.unordered(after, newest, self.room).await?;
        let last = rows.last().map(|row| row.id);
        self.publish(hold, rows.into_iter().map(|row| vec![row]).collect(), swept).await?;
        Ok(last)
    }

    /// A batch of keys; where to go on.
    async fn ordered(&mut self, after: &str, newest: i64, swept: &mut Swept) -> Result<Option<String>, Trouble> {
        let mut heads = queries::heads(&self.db, after, self.room).await?;
        let last = heads.last().map(|head| head.entity_key.clone());
        heads.retain(|head| head.is_due && head.id <= newest);
        if heads.is_empty() {
            return Ok(last);
        }
        let ids: Vec<_> = heads.iter().map(|head| head.id).collect();
        let hold = Hold::begin(&self.db).await?;
        let chains = by_key(hold.chains(&ids, self.chain.min(self.room)).await?);
        swept.held_elsewhere |= chains.len() < ids.len();
        self.publish(hold, chains, swept).await?;
        Ok(last)
    }

    async fn publish(&mut self, hold: Hold, chains: Vec<Vec<Model>>, swept: &mut Swept) -> Result<(), Trouble> {
        if chains.is_empty() {
            return Ok(());
        }
        let batch = Batch { client: &self.client, timeout: self.publish_timeout, stop: &self.stop };
        let outcome = batch.publish(chains).await;
        tell(&outcome);
        self.room = if outcome.broken.is_some() { 1 } else { (self.room * 2).min(self.batch) };
        hold.settle(&outcome, self.retry, &self.stop).await?;
        swept.confirmed += outcome.confirmed.len();
        self.progress |= !outcome.confirmed.is_empty();
        outcome.broken.map_or(Ok(()), |error| Err(error.into()))
    }
}

/// Rows in the order of their ids, as one chain for each key.
fn by_key(rows: Vec<Model>) -> Vec<Vec<Model>> {
    let mut chains = std::collections::BTreeMap::<Option<String>, Vec<Model>>::new();
    for row in rows {
        chains.entry(row.entity_key.clone()).or_default().push(row);
    }
    chains.into_values().collect()
}

/// One line a batch: a queue that is full refuses thousands.
fn tell(outcome: &Outcome) {
    if let Some((row, error)) = outcome.refused.first() {
        tracing::warn!(
            rows = outcome.refused.len(),
            id = row.id,
            message_id = row.message_id,
            routing_key = row.routing_key,
            attempts = row.attempts.saturating_add(1),
            %error,
            "event {} of the outbox was not published and is tried again; later ones of its entity wait", row.id
        );
    }
}
