//! Schedules: their ticks become messages that are due, which `delayed` publishes right after.
//!
//! All runtimes look for ticks. The database sees to it that each is made once, and its message's id that its task is executed
//! to completion once, whatever happens in between.

use super::{Service, delayed::answered};
use crate::{
    broker,
    lifecycle::{Added, QueryError},
    schedule::Schedule,
};

impl Service {
    /// Keeps a schedule; its first tick comes in time.
    ///
    /// # Errors
    /// See [`crate::lifecycle::Database::add_schedule`].
    pub async fn add_schedule(&self, schedule: &Schedule, replace: bool) -> Result<Added, QueryError> {
        let added = self.parts.database.add_schedule(schedule, replace).await?;
        self.delayed_arrived.notify_one();
        Ok(added)
    }

    /// Makes some of the ticks that are due. Gives whether there may be more.
    ///
    /// Not while the broker is away: what is due then is made when it is back, the latest of each schedule, or by another
    /// runtime that reaches it. Else a tick each second would be as many messages as the outage has seconds.
    pub(super) async fn make_ticks(&self) -> Result<bool, String> {
        if let broker::Health::Disconnected(reason) = &*self.parts.broker.health().borrow() {
            return Err(reason.to_string());
        }
        let database = &self.parts.database;
        // Asked first: nothing needs to be locked, once a second, to find nothing.
        match answered(database.next_tick()).await? {
            Some(at) if at <= database.clock().now() => answered(database.make_ticks()).await,
            Some(_) | None => Ok(false),
        }
    }
}
