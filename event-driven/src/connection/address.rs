//! The address of a RabbitMQ server, parsed once and shown without its password.

use std::{fmt, str::FromStr};

use lapin::uri::{AMQPScheme, AMQPUri};
use url::{Host, Url};

/// Seconds between heartbeats unless the URL says otherwise: a link that is cut without a word is noticed within two of
/// them. RabbitMQ's own default, 60, would leave a consumer deaf for two minutes.
const HEARTBEAT_SECS: u16 = 10;

/// A parsed `amqp://` or `amqps://` URL. `Display` and `Debug` show no password.
#[derive(Clone, PartialEq, Eq)]
pub struct Address(AMQPUri);

/// A text that is no AMQP URL. Does not repeat the text, which may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the RabbitMQ URL is wrong: {reason}; expected amqp://user:password@host:5672/vhost")]
pub struct AddressError {
    reason: String,
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let wrong = |reason: String| AddressError { reason };
        let url = Url::parse(text).map_err(|e| wrong(e.to_string()))?;
        if !matches!(url.scheme(), "amqp" | "amqps") {
            return Err(wrong(format!("the scheme is {:?}, not amqp or amqps", url.scheme())));
        }
        let host = url.host().ok_or_else(|| wrong("it has no host".to_owned()))?;
        let mut uri: AMQPUri = text.parse().map_err(wrong)?;
        // The parser overlooks an IPv6 address and would go to localhost instead.
        if let Host::Ipv6(ip) = host {
            uri.authority.host = ip.to_string();
        }
        // `amqp://host` and `amqp://host/` both mean the default virtual host to most people; AMQP's URL rules take the
        // second for one without a name, which no server has.
        if uri.vhost.is_empty() {
            uri.vhost = "/".to_owned();
        }
        uri.query.heartbeat.get_or_insert(HEARTBEAT_SECS);
        Ok(Self(uri))
    }
}

impl Address {
    /// The user.
    pub fn user(&self) -> &str {
        &self.0.authority.userinfo.username
    }

    /// The virtual host.
    pub fn vhost(&self) -> &str {
        &self.0.vhost
    }

    /// As lapin wants it.
    pub fn to_uri(&self) -> AMQPUri {
        self.0.clone()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AMQPUri { scheme, authority, vhost, .. } = &self.0;
        let scheme = match scheme {
            AMQPScheme::AMQP => "amqp",
            AMQPScheme::AMQPS => "amqps",
        };
        write!(f, "{scheme}://{}:***@{}:{}", authority.userinfo.username, authority.host, authority.port)?;
        if vhost == "/" { Ok(()) } else { write!(f, "/{vhost}") }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_has_no_password() {
        for (url, shown) in [
            ("amqp://u:secret@h:1/v", "amqp://u:***@h:1/v"),
            ("amqps://u:secret@h", "amqps://u:***@h:5671"),
            ("amqp://h/%2f", "amqp://guest:***@h:5672"),
            ("amqp://h/", "amqp://guest:***@h:5672"),
            ("amqp://127.0.0.1/a%20b", "amqp://guest:***@127.0.0.1:5672/a b"),
            ("amqp://u:secret@[::1]:1/", "amqp://u:***@::1:1"),
        ] {
            let address: Address = url.parse().unwrap();
            assert_eq!(address.to_string(), shown);
            assert!(!format!("{address:?}").contains("secret"));
        }
    }

    #[test]
    fn a_wrong_url_is_told_without_repeating_it() {
        for (url, reason) in [
            ("", "relative URL without a base"),
            ("localhost:secret", "the scheme is \"localhost\", not amqp or amqps"),
            ("http://u:secret@h", "the scheme is \"http\", not amqp or amqps"),
            ("amqp:secret", "it has no host"),
            ("amqp://u:secret@h:99999", "invalid port number"),
        ] {
            let error = url.parse::<Address>().unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
