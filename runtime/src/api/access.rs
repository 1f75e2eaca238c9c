//! Who may change components and dead letters over HTTP.
//!
//! First step of each request that writes, before its body is read. Who has a token of `[[http.tokens]]` may do what its
//! scopes say. Without tokens nobody may, except in `warren dev` on loopback: there anybody on this machine may, but no
//! web page that is open in a browser on it.

use std::net::{IpAddr, SocketAddr};

use axum::{
    extract::{Path, rejection::PathRejection},
    http::{HeaderMap, header},
};
use chrono::{DateTime, Utc};
use event_driven::names::TaskName;
use subtle::ConditionallySelectable;

use super::{problem::Problem, registry::name_of};
use crate::config::{Scope, Token, TokenHash};

/// Who wrote without a token, for those who list versions.
const OF_DEV: &str = "dev, over HTTP";

/// Whether those may write who have no token, where none is configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WithoutToken {
    /// `warren dev`: on loopback they may.
    LoopbackMayWrite,
    /// `warren run`: they may not.
    NobodyMayWrite,
}

/// What decides.
#[derive(Debug)]
pub(super) struct Access {
    tokens: Vec<Token>,
    is_open: bool,
}

/// Who may write.
#[derive(Debug)]
pub(super) struct Writer<'a> {
    /// `None`: one on this machine, without a token.
    token: Option<&'a Token>,
}

impl Access {
    pub(super) fn new(tokens: Vec<Token>, without: WithoutToken, addr: SocketAddr) -> Self {
        let is_open = tokens.is_empty() && without == WithoutToken::LoopbackMayWrite && addr.ip().is_loopback();
        Self { tokens, is_open }
    }

    /// Who asks, and for which component, if it is one that may write that. Who may write nothing is not told what is wrong
    /// with the name.
    ///
    /// # Errors
    /// As [`Access::writer`], 403 if the token is not for that component, and what is wrong with the name.
    pub(super) fn writer_of(
        &self,
        headers: &HeaderMap,
        now: DateTime<Utc>,
        name: Result<Path<String>, PathRejection>,
    ) -> Result<(Writer<'_>, TaskName), Problem> {
        let writer = self.writer(headers, now, Scope::ComponentsWrite)?;
        let name = name_of(name)?;
        writer.ensure_for(&name)?;
        Ok((writer, name))
    }

    /// Who asks, if it is one that may do what `scope` says.
    ///
    /// # Errors
    /// 401 without a token that is good, always in the same words: the log tells which. 403 if the token is not good for
    /// this, or nobody may write.
    pub(super) fn writer(&self, headers: &HeaderMap, now: DateTime<Utc>, scope: Scope) -> Result<Writer<'_>, Problem> {
        if self.is_open {
            ensure_of_this_machine(headers)?;
            return Ok(Writer { token: None });
        }
        if self.tokens.is_empty() {
            return Err(Problem::forbidden(
                "writing over HTTP is off, no token is configured: `warren token new` makes one for warren.toml, [[http.tokens]]",
            ));
        }
        let token = self.token(headers, now).map_err(|reason| {
            tracing::info!("a request that writes was refused: {reason}");
            Problem::unauthorized()
        })?;
        if !token.scopes.contains(&scope) {
            let (name, scope) = (&token.name, scope.as_str());
            return Err(Problem::forbidden(format!("the token {name} has not the scope {scope}")));
        }
        Ok(Writer { token: Some(token) })
    }

    fn token(&self, headers: &HeaderMap, now: DateTime<Utc>) -> Result<&Token, String> {
        let presented = bearer(headers).ok_or("it has no token (Authorization: Bearer …)")?;
        let hash = TokenHash::of(presented);
        // All are compared, each in full: the time tells neither which one it is nor how much of it is right.
        let mut found = u64::MAX;
        for (index, token) in (0..).zip(&self.tokens) {
            found.conditional_assign(&index, token.sha256.is(&hash));
        }
        let token = usize::try_from(found).ok().and_then(|index| self.tokens.get(index));
        let token = token.ok_or("its token is none of those that are configured")?;
        match token.expires {
            Some(expires) if expires <= now => Err(format!("the token {} has expired at {expires}", token.name)),
            _ => Ok(token),
        }
    }
}

impl Writer<'_> {
    /// Who it is, for those who list versions.
    pub(super) fn name(&self) -> &str {
        self.token.map_or(OF_DEV, |token| &token.name)
    }

    /// Whether it is good for some components alone.
    pub(super) fn is_for_some_components(&self) -> bool {
        self.token.is_some_and(|token| !token.components.is_empty())
    }

    /// # Errors
    /// 403 if it is good for some components alone, and the letters may be of others.
    pub(super) fn ensure_for_letters_of(&self, component: Option<&str>) -> Result<(), Problem> {
        let Some(token) = self.token.filter(|token| !token.components.is_empty()) else { return Ok(()) };
        match component.and_then(|name| name.parse().ok()) {
            Some(name) => self.ensure_for(&name),
            None => Err(Problem::forbidden(format!(
                "the token {} is good for some components alone: name one of them (component)",
                token.name
            ))),
        }
    }

    /// # Errors
    /// 403 if it may not write the component of that name.
    fn ensure_for(&self, name: &TaskName) -> Result<(), Problem> {
        match self.token {
            Some(token) if !token.is_for(name) => {
                Err(Problem::forbidden(format!("the token {} is not for component {name}", token.name)))
            }
            _ => Ok(()),
        }
    }
}

/// The token of a request. Source: RFC 6750, section 2.1; the scheme's case does not count.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// A browser sends what any page asks of it, and says from where: `Origin`. A page whose own name was made to lead to this
/// machine (DNS rebinding) is known by its name in `Host`.
fn ensure_of_this_machine(headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let host = text(header::HOST).unwrap_or_default();
    if !is_loopback(host) {
        return Err(Problem::forbidden(format!(
            "without tokens, only this machine may write, by a name of its own (127.0.0.1, localhost), not {host:?}"
        )));
    }
    match text(header::ORIGIN) {
        Some(origin) if origin != format!("http://{host}") => Err(Problem::forbidden(format!(
            "without tokens, no page of another site may write ({origin:?}); `warren token new` makes a token"
        ))),
        _ => Ok(()),
    }
}

/// Whether a `Host` (a name or an address, and a port) is this machine by its number, or `localhost`.
fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) if port.is_empty() || port.starts_with(':') => address,
        Some(_) => return false,
        None => host.split_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderName;

    use super::*;

    fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    #[test]
    fn only_this_machine_by_a_name_of_its_own_is_loopback() {
        for own in ["127.0.0.1", "127.0.0.1:8080", "127.1.2.3:1", "localhost", "LOCALHOST:80", "[::1]", "[::1]:8080"] {
            assert!(is_loopback(own), "{own}");
        }
        for other in
            ["", "evil.example:8080", "127.0.0.1.evil.example", "localhost.evil.example", "[::1]x", "0.0.0.0", "::1"]
        {
            assert!(!is_loopback(other), "{other}");
        }
    }

    #[test]
    fn a_token_is_taken_from_authorization_alone() {
        for (value, token) in
            [("Bearer abc", Some("abc")), ("bearer  abc ", Some("abc")), ("Basic abc", None), ("abc", None)]
        {
            assert_eq!(bearer(&headers(&[(header::AUTHORIZATION, value)])), token, "{value}");
        }
        assert_eq!(bearer(&headers(&[])), None);
    }

    #[test]
    fn without_tokens_loopback_may_write_in_dev_alone() {
        let is_open = |addr: &str, without| Access::new(Vec::new(), without, addr.parse().unwrap()).is_open;
        assert!(is_open("127.0.0.1:1", WithoutToken::LoopbackMayWrite));
        assert!(is_open("[::1]:1", WithoutToken::LoopbackMayWrite));
        assert!(!is_open("0.0.0.0:1", WithoutToken::LoopbackMayWrite));
        assert!(!is_open("127.0.0.1:1", WithoutToken::NobodyMayWrite));
    }
}
