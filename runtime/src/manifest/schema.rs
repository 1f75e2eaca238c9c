//! The form of a manifest for editors.

use schemars::{JsonSchema, Schema, schema_for};

use super::{Grants, Limits, Retry};

/// What a component may use and may do.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, title = "A component's manifest, <name>.toml")]
#[expect(dead_code, reason = "stands for the form alone")]
struct File {
    /// Each has the operator's default, and a ceiling.
    limits: Option<Limits>,
    /// Nothing by default.
    grants: Option<Grants>,
    /// The operator's by default.
    retry: Option<Retry>,
}

/// The JSON schema of a manifest.
pub fn schema() -> Schema {
    schema_for!(File)
}
