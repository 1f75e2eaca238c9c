//! What a component may reach: nothing, unless its manifest names it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{HostPattern, SecretSource};

/// What a component may reach.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Grants {
    /// Variables of its environment, with their values.
    pub env: BTreeMap<String, String>,
    /// Variables whose values are secrets: `env:NAME` of the runtime's environment, or `file:/path`.
    #[schemars(with = "BTreeMap<String, String>")]
    pub secrets: BTreeMap<String, SecretSource>,
    /// Hosts that it may send requests to, over HTTP and HTTPS.
    pub hosts: Vec<HostGrant>,
    /// The same for hosts on this machine or in the networks around it, which `hosts` never reaches.
    pub private_hosts: Vec<HostGrant>,
    /// Headers that the runtime adds to requests to one host; the component never sees them.
    pub credentials: Vec<Credential>,
    /// Directories that it may read: the path that it sees, and the operator's name of the directory.
    pub read: BTreeMap<String, String>,
    /// Directories that it may read and write.
    pub write: BTreeMap<String, String>,
    /// A directory of its own at `/scratch`, empty at the start and removed at the end. The limit `disk` is its size.
    pub scratch: bool,
    /// The time that its clock shows, always. Without it the clock goes as everyone's does.
    #[schemars(with = "Option<String>")]
    pub clock: Option<DateTime<Utc>>,
    /// The seed of its random numbers, the same in each execution. Without it they are the system's.
    pub random: Option<u64>,
}

/// A host that requests may go to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(from = "WrittenHost")]
#[schemars(with = "WrittenHost")]
pub struct HostGrant {
    /// The host and its port.
    pub host: HostPattern,
    /// The methods that requests may have. Empty: all.
    pub methods: Vec<String>,
}

/// As it is written: `"api.example.com:443"`, or with the methods `{ host = "api.example.com:443", methods = ["GET"] }`.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged, deny_unknown_fields)]
enum WrittenHost {
    Host(#[schemars(with = "String")] HostPattern),
    WithMethods {
        #[schemars(with = "String")]
        host: HostPattern,
        methods: Vec<String>,
    },
}

impl From<WrittenHost> for HostGrant {
    fn from(written: WrittenHost) -> Self {
        match written {
            WrittenHost::Host(host) => Self { host, methods: Vec::new() },
            WrittenHost::WithMethods { host, methods } => Self { host, methods },
        }
    }
}

impl HostGrant {
    /// Whether a request of this method may be sent to this host.
    pub fn allows(&self, method: &str, host: &str, port: u16) -> bool {
        let method_fits = self.methods.is_empty() || self.methods.iter().any(|own| own == method);
        method_fits && self.host.matches(host, port)
    }
}

/// A header that the runtime adds to requests to one host.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Credential {
    /// The host, which has to be granted as well. No star may stand in it.
    #[schemars(with = "String")]
    pub host: HostPattern,
    /// The header's name.
    #[serde(default = "authorization")]
    pub header: String,
    /// What stands before the secret in the header's value, as `"Bearer "`.
    #[serde(default)]
    pub prefix: String,
    /// The secret.
    #[schemars(with = "String")]
    pub secret: SecretSource,
}

fn authorization() -> String {
    "authorization".into()
}
