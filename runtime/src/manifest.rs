//! What a component asks for: `<name>.toml` beside its `<name>.wasm`, and what the operator lets it have.
//!
//! Read by [`crate::components`] when a component is loaded, enforced by [`crate::sandbox`] when it is executed. Nothing
//! is granted by default; a limit that a manifest does not name has the operator's default. What goes beyond the
//! operator's bounds is refused when the manifest is read, all of it at once, with the line that would allow it.

mod address;
mod allow;
mod bounded;
mod exact_size;
mod grants;
mod host;
mod limits;
mod retry;
mod schema;
mod secret;

pub use self::{
    address::{AddressKind, kind_of},
    allow::{Allow, Directory, GrantedDirectory},
    bounded::{ManifestError, SCRATCH, line_of},
    grants::{Credential, Grants, HostGrant},
    host::{HostPattern, HostPatternError, is_host},
    limits::Limits,
    retry::Retry,
    schema::schema,
    secret::{SecretError, SecretSource},
};

/// What a component may use and may do. Made by [`Bounds::read`] alone, so it never goes beyond what the operator allows.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// What bounds each execution.
    pub limits: Limits,
    /// What it may reach.
    pub grants: Grants,
    /// The directories among that, where they lie.
    pub directories: Vec<GrantedDirectory>,
    /// How often an attempt that failed for a reason that may pass is followed by another one.
    pub retries: u32,
}

/// What the operator decides.
#[derive(Debug, Clone, PartialEq)]
pub struct Bounds {
    /// The limits of a component whose manifest does not name them.
    pub defaults: Limits,
    /// The most that a manifest may ask for.
    pub ceiling: Limits,
    /// What a manifest may be granted.
    pub allow: Allow,
    /// Retries of a component whose manifest does not name them, and the most that it may ask for: each has a queue of
    /// its own.
    pub retries: u32,
}
