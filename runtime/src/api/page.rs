//! The query parameters `limit` and `after` of a list, and the `next` of its answer.

use super::problem::Problem;
use crate::lifecycle::Cursor;

const DEFAULT_LIMIT: u64 = 50;
const MAX_LIMIT: u64 = 1000;

/// Which part of a list is asked for.
pub(super) struct Page {
    pub(super) limit: u64,
    pub(super) after: Option<Cursor>,
}

impl Page {
    pub(super) fn parse(limit: Option<u64>, after: Option<&str>) -> Result<Self, Problem> {
        let limit = limit.unwrap_or(DEFAULT_LIMIT);
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(Problem::bad_request(format!("limit={limit} is not between 1 and {MAX_LIMIT}")));
        }
        let after = after.map(str::parse).transpose();
        let after = after.map_err(|error| Problem::bad_request(format!("after: {error}")))?;
        Ok(Self { limit, after })
    }

    /// Where the next page begins; `None` if these rows are the last ones.
    pub(super) fn next<T>(&self, rows: &[T], cursor: fn(&T) -> Cursor) -> Option<String> {
        rows.last().filter(|_| rows.len() as u64 == self.limit).map(|row| cursor(row).to_string())
    }
}
