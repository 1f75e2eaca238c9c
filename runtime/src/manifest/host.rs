//! Which hosts are meant: `api.example.com:443`, `*.example.com:443`, `10.0.0.7:8080`, `[fd00::7]:8080`, `*:443`.

use std::{fmt, net::IpAddr, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A host and a port, or patterns of them.
///
/// A star in the place of the first labels stands for one or more of them, never for the bare domain; a star alone for
/// every name. No star stands for an address: who grants `*:443` grants no `10.0.0.7:443`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostPattern {
    host: Host,
    /// `None`: any.
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Host {
    Any,
    /// `*.example.com`, without its star and dot.
    Below(String),
    Name(String),
    Address(IpAddr),
}

/// Why a text names no host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no host: {why}")]
pub struct HostPatternError {
    text: String,
    why: &'static str,
}

impl HostPattern {
    /// Whether it stands for this host and port. `host` as it stands in a URL: a name in any case, or an address, with
    /// its brackets if it has some.
    pub fn matches(&self, host: &str, port: u16) -> bool {
        self.port.is_none_or(|own| own == port) && self.host.covers(&Host::plain(host))
    }

    /// Whether everything that `other` stands for is among what this one stands for.
    pub fn covers(&self, other: &Self) -> bool {
        self.port.is_none_or(|own| other.port == Some(own)) && self.host.covers(&other.host)
    }

    /// Whether it stands for this address by its number.
    pub fn is_address(&self, address: IpAddr) -> bool {
        self.host == Host::Address(address.to_canonical())
    }

    /// Whether it stands for one host and port alone.
    pub fn is_exact(&self) -> bool {
        self.port.is_some() && matches!(self.host, Host::Name(_) | Host::Address(_))
    }
}

impl Host {
    /// What stands in a URL.
    fn plain(text: &str) -> Self {
        let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
        match bare.parse::<IpAddr>() {
            Ok(address) => Self::Address(address.to_canonical()),
            Err(_) => Self::Name(normal(text)),
        }
    }

    fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Address(own), Self::Address(other)) => own == other,
            (Self::Address(_), _) | (_, Self::Address(_)) => false,
            (Self::Any, _) => true,
            (Self::Name(own), Self::Name(other)) => own == other,
            (Self::Below(own), Self::Name(other)) => is_below(other, own),
            (Self::Below(own), Self::Below(other)) => own == other || is_below(other, own),
            (Self::Name(_), _) | (Self::Below(_), Self::Any) => false,
        }
    }
}

/// Names are compared without case, and without the dot that may stand at their end.
fn normal(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

fn is_below(name: &str, domain: &str) -> bool {
    name.strip_suffix(domain).and_then(|rest| rest.strip_suffix('.')).is_some_and(|labels| !labels.is_empty())
}

impl FromStr for HostPattern {
    type Err = HostPatternError;

    fn from_str(text: &str) -> Result<Self, HostPatternError> {
        let wrong = |why| HostPatternError { text: text.to_owned(), why };
        let (host, port) = text.rsplit_once(':').ok_or_else(|| wrong("write host:port"))?;
        let port = match port {
            "*" => None,
            port => Some(
                port.parse()
                    .ok()
                    .filter(|port| *port != 0)
                    .ok_or_else(|| wrong("its port is no number from 1 to 65535"))?,
            ),
        };
        let host = match (host, host.strip_prefix("*.")) {
            ("*", _) => Host::Any,
            (_, Some(domain)) => Host::Below(normal(domain)),
            (host, None) => Host::plain(host),
        };
        match &host {
            Host::Address(IpAddr::V6(_)) if !text.starts_with('[') => {
                return Err(wrong("an IPv6 address stands in brackets"));
            }
            Host::Below(name) | Host::Name(name) if !is_name(name) || is_number(name) => {
                return Err(wrong(
                    "a name has labels of a-z 0-9 - _, between dots; other scripts in their ASCII form (xn--)",
                ));
            }
            _ => {}
        }
        Ok(Self { host, port })
    }
}

/// Whether this can stand in a URL as a host, in small letters: a name, or an address as addresses are written.
pub fn is_host(host: &str) -> bool {
    match Host::plain(host) {
        Host::Address(address) => address.is_ipv4() || host.starts_with('['),
        Host::Name(name) => is_name(&name) && !is_number(&name),
        Host::Any | Host::Below(_) => false,
    }
}

/// Whether a resolver would take it for an IPv4 address in one of its old forms: `2130706433`, `0x7f000001`, `127.1`.
fn is_number(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    last.starts_with("0x") || last.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_name(name: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Any => f.write_str("*"),
            Host::Below(domain) => write!(f, "*.{domain}"),
            Host::Name(name) => f.write_str(name),
            Host::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
            Host::Address(address) => write!(f, "{address}"),
        }?;
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => f.write_str(":*"),
        }
    }
}

impl Serialize for HostPattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for HostPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> HostPattern {
        text.parse().unwrap()
    }

    #[test]
    fn a_name_is_matched_whole_and_without_case() {
        let api = pattern("api.example.com:443");
        assert!(api.matches("api.example.com", 443));
        assert!(api.matches("API.Example.COM.", 443));
        for (host, port) in
            [("api.example.com", 80), ("example.com", 443), ("xapi.example.com", 443), ("a.api.example.com", 443)]
        {
            assert!(!api.matches(host, port), "{host}:{port}");
        }
    }

    #[test]
    fn a_star_stands_for_labels_and_never_for_the_domain_or_an_address() {
        let below = pattern("*.example.com:443");
        assert!(below.matches("a.example.com", 443) && below.matches("a.b.example.com", 443));
        for host in ["example.com", "badexample.com", ".example.com", "example.com.evil.org"] {
            assert!(!below.matches(host, 443), "{host}");
        }
        let any = pattern("*:*");
        assert!(any.matches("anything", 1));
        for host in ["10.0.0.7", "[::1]", "::1", "[::ffff:10.0.0.7]"] {
            assert!(!any.matches(host, 1), "{host}");
        }
    }

    #[test]
    fn an_address_is_the_same_in_each_of_its_forms() {
        assert!(pattern("10.0.0.7:80").matches("[::ffff:10.0.0.7]", 80));
        assert!(pattern("[0:0::1]:80").matches("[::1]", 80));
        assert!(!pattern("10.0.0.7:80").matches("10.0.0.8", 80));
    }

    #[test]
    fn what_an_operator_allows_covers_what_is_asked_for() {
        for (allowed, asked) in [
            ("*:*", "a.com:1"),
            ("*:443", "*.a.com:443"),
            ("*.a.com:443", "b.a.com:443"),
            ("*.a.com:443", "*.b.a.com:443"),
            ("10.0.0.7:*", "10.0.0.7:80"),
        ] {
            assert!(pattern(allowed).covers(&pattern(asked)), "{allowed} {asked}");
        }
        for (allowed, asked) in [
            ("*:443", "a.com:*"),
            ("*.a.com:443", "a.com:443"),
            ("*.a.com:443", "*:443"),
            ("b.a.com:443", "*.a.com:443"),
            ("*:*", "10.0.0.7:80"),
        ] {
            assert!(!pattern(allowed).covers(&pattern(asked)), "{allowed} {asked}");
        }
    }

    #[test]
    fn what_is_no_host_is_told() {
        for text in [
            "",
            "a.com",
            "a.com:",
            "a.com:0",
            "a.com:99999",
            "::1:80",
            "a..com:80",
            "*a.com:80",
            "https://a.com:443",
            "a b:80",
            "ä.com:80",
            "127.1:80",
            "2130706433:80",
        ] {
            assert!(text.parse::<HostPattern>().is_err(), "{text}");
        }
        for text in ["*.example.com:443", "[fd00::7]:8080", "*:*", "10.0.0.7:80"] {
            assert_eq!(pattern(text).to_string(), text);
        }
    }
}
