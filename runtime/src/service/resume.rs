//! Takes up again what was accepted and is not done: for `warren dev`, whose broker does not outlive the process.

use super::{
    Service,
    again::request_of,
    submit::{SubmitError, publish_task},
};
use crate::lifecycle::Cursor;

/// Rows that are read at once; each may carry a payload of some megabytes.
const PAGE: u64 = 256;

impl Service {
    /// Publishes the message of each unfinished row once more. Gives how many that were.
    ///
    /// # Errors
    /// If the database can't be asked, or the broker refuses a message: what is left is taken up at the next start.
    pub async fn resume(&self) -> Result<usize, SubmitError> {
        let (mut count, mut after) = (0, None);
        loop {
            let rows = self.parts.database.unfinished(PAGE, after).await?;
            let Some(last) = rows.last() else { return Ok(count) };
            after = Some(Cursor { created_at: last.created_at, id: last.id });
            for row in rows {
                if let Some(request) = request_of(&row) {
                    self.parts.broker.publish(publish_task(&request)).await?;
                    count += 1;
                }
            }
        }
    }
}
