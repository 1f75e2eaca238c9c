//! What follows when an attempt at a task of the component failed for a reason that may pass.

use schemars::JsonSchema;
use serde::Deserialize;

/// What follows when an attempt failed for a reason that may pass.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Retry {
    /// How many attempts may follow the first one: 0 for work that must not be begun twice. Without it, as many as the
    /// operator's `[retry]` says, which is also the most.
    pub retries: Option<u32>,
}
