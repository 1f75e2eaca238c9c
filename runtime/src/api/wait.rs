//! Times in queries: `wait` (how long a request may wait for an outcome), and others like it.

use std::time::Duration;

use super::problem::Problem;

/// The longest wait, so that no connection is held for ever.
const MAX_WAIT: Duration = Duration::from_secs(300);

/// Reads `wait`: `10s`, `500ms`, `1m`.
pub(super) fn parse(wait: Option<&str>) -> Result<Option<Duration>, Problem> {
    let Some(text) = wait else { return Ok(None) };
    match duration("wait", text)? {
        wait if wait <= MAX_WAIT => Ok(Some(wait)),
        _ => Err(Problem::bad_request(format!("wait={text} is longer than {} s", MAX_WAIT.as_secs()))),
    }
}

/// Reads the parameter `name`, a duration.
pub(super) fn duration(name: &str, text: &str) -> Result<Duration, Problem> {
    let wrong = |error| Problem::bad_request(format!("{name}={text} is no duration like 10s: {error}"));
    humantime::parse_duration(text).map_err(wrong)
}
