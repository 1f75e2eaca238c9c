//! Where one request goes: from its URL to the addresses that may be connected to.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use http::{Uri, uri::Scheme};
use wasmtime_wasi_http::Error;

use super::{super::ledger::Ledger, Reach};
use crate::{
    manifest::{AddressKind, HostGrant, is_host, kind_of},
    outcome::ErrorClass,
};

/// A host, its port, and whether TLS is spoken there.
pub(super) struct Destination {
    host: String,
    port: u16,
    tls: bool,
}

impl Destination {
    pub(super) fn of(uri: &Uri) -> Result<Self, Error> {
        let authority = uri.authority().ok_or(Error::HttpRequestUriInvalid)?;
        let tls = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTP => false,
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            _ => return Err(Error::HttpProtocolError),
        };
        let host = authority.host().trim_end_matches('.').to_ascii_lowercase();
        // A user in a URL is a way to make one host look like another; so is a number that is no address as others write it.
        if authority.as_str().contains('@') || !is_host(&host) {
            return Err(Error::HttpRequestUriInvalid);
        }
        let port = authority.port_u16().unwrap_or(if tls { 443 } else { 80 });
        Ok(Self { host, port, tls })
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn tls(&self) -> bool {
        self.tls
    }

    /// Secrets travel encrypted, but to this machine itself.
    pub(super) fn may_have_secrets(&self) -> bool {
        self.tls || self.literal().is_some_and(|address| address.is_loopback())
    }

    /// The host without the brackets of an IPv6 address.
    pub(super) fn bare_host(&self) -> &str {
        self.host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(&self.host)
    }

    /// As a request's `Host`: without the port that is meant anyway.
    pub(super) fn authority(&self) -> String {
        let usual = if self.tls { 443 } else { 80 };
        if self.port == usual { self.host.clone() } else { self.to_string() }
    }

    fn literal(&self) -> Option<IpAddr> {
        self.bare_host().parse().ok()
    }

    /// Every address that the name has now.
    pub(super) async fn resolve(&self) -> Result<Vec<SocketAddr>, Error> {
        if let Some(address) = self.literal() {
            return Ok(vec![SocketAddr::new(address, self.port)]);
        }
        let found = tokio::net::lookup_host((self.host.as_str(), self.port)).await;
        let found: Vec<_> = found.map_err(|_| Error::DnsError { rcode: None, info_code: None })?.collect();
        if found.is_empty() { Err(Error::DestinationNotFound) } else { Ok(found) }
    }

    /// Those of the addresses that a request may go to.
    pub(super) fn permitted(
        &self,
        addresses: Vec<SocketAddr>,
        reach: Reach,
        private: &[HostGrant],
        ledger: &Ledger,
    ) -> Result<Vec<SocketAddr>, Error> {
        let may = |address: &SocketAddr| match kind_of(address.ip()) {
            AddressKind::Public => true,
            AddressKind::Private => reach == Reach::Private,
            // Granted by its number, not by a name that leads there.
            AddressKind::Metadata => {
                private.iter().any(|grant| grant.host.is_address(address.ip())) && self.literal().is_some()
            }
            AddressKind::Nobody => false,
        };
        let (permitted, refused): (Vec<_>, Vec<_>) = addresses.into_iter().partition(may);
        match refused.first() {
            Some(refused) if permitted.is_empty() => {
                let text = format!(
                    "{self} leads to {}, which is not on the internet; if it may go there, in its manifest: [grants] \
                     private_hosts = [\"{self}\"]",
                    refused.ip()
                );
                ledger.refused(ErrorClass::Denied, text);
                Err(Error::DestinationIpProhibited)
            }
            _ => Ok(permitted),
        }
    }
}

/// As a manifest names it.
impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(url: &str) -> Destination {
        Destination::of(&url.parse().unwrap()).unwrap()
    }

    #[test]
    fn a_url_says_where_it_goes() {
        assert_eq!(of("https://API.example.com./x").to_string(), "api.example.com:443");
        assert_eq!(of("http://example.com").authority(), "example.com");
        assert_eq!(of("http://[::1]:8080/").authority(), "[::1]:8080");
        let long = format!("https://{}.com/", "a".repeat(300));
        let numbers = ["http://2130706433/", "http://0x7f000001/", "http://127.1/", "http://0/", "http://a.0x10/"];
        let wrong = ["https://granted.example@evil.org/", "ftp://example.com/", "/only/a/path", &long];
        for wrong in wrong.into_iter().chain(numbers) {
            assert!(Destination::of(&wrong.parse().unwrap()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn only_addresses_where_it_may_lead_are_left() {
        let ledger = Ledger::default();
        let socket = |text: &str| SocketAddr::new(text.parse().unwrap(), 443);
        let host = of("https://api.example.com/");
        let both = vec![socket("127.0.0.1"), socket("1.1.1.1")];
        assert_eq!(host.permitted(both.clone(), Reach::Public, &[], &ledger).unwrap(), [socket("1.1.1.1")]);
        assert_eq!(host.permitted(both.clone(), Reach::Private, &[], &ledger).unwrap(), both);
        assert!(ledger.refusal().is_none());
        for address in ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::ffff:127.0.0.1", "0.0.0.0"] {
            assert!(host.permitted(vec![socket(address)], Reach::Public, &[], &ledger).is_err(), "{address}");
        }
        assert!(host.permitted(vec![socket("169.254.169.254")], Reach::Private, &[], &ledger).is_err());
        assert!(ledger.refusal().unwrap().message.contains("private_hosts = [\"api.example.com:443\"]"));
    }
}
