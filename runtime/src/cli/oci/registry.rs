//! Asks one registry for one artifact, over the distribution API of OCI.
//!
//! Nothing of an answer is trusted: not its length, not its form, not that it ever ends. All requests, that for a token too, are
//! made by one client, with the same bounds; it asks over plain HTTP only where that was asked for.

use anyhow::{Context, anyhow, bail, ensure};
use bytes::Bytes;
use bytesize::ByteSize;
use http::{StatusCode, header::ACCEPT};
use reqwest::Response;
use serde::Deserialize;
use url::Url;

use super::{
    OciReference, Patience,
    challenge::Challenge,
    credentials::{self, Login},
    manifest::{self, Descriptor},
};
use crate::{cli::output::shortened, components::Digest, tls};

/// The largest manifest that is read: more is taken by no registry that has a bound.
const MANIFEST: u64 = 4 << 20;

/// The largest answer with a token that is read. Tokens are sent in a header, where servers take a few KiB.
const TOKEN: u64 = 64 << 10;

const USER_AGENT: &str = concat!("warren/", env!("CARGO_PKG_VERSION"));

/// A registry that was logged in to, if it wants that.
pub(super) struct Registry<'a> {
    reference: &'a OciReference,
    is_plain: bool,
    http: reqwest::Client,
    access: Access,
}

/// As whom requests are made.
enum Access {
    Anybody,
    User(Login),
    /// With a token that the registry's own service has given.
    Bearer {
        token: String,
        /// Whether that was given to a user.
        is_user: bool,
    },
}

/// What a service for tokens answers. The distribution's documentation has `token`, OAuth 2.0 `access_token`, and some send both.
#[derive(Deserialize)]
struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
}

impl<'a> Registry<'a> {
    /// Asks how it wants to be asked, and logs in if it wants that.
    ///
    /// # Errors
    /// If it can't be reached, or refuses the login.
    pub(super) async fn open(reference: &'a OciReference, is_plain: bool, patience: Patience) -> anyhow::Result<Self> {
        // Before any client is built.
        tls::install_ring();
        let mut http = reqwest::Client::builder()
            .connect_timeout(patience.connect)
            .read_timeout(patience.idle)
            // A redirect to plain HTTP is refused, too.
            .https_only(!is_plain)
            .user_agent(USER_AGENT);
        if reference.is_on_this_machine() {
            // Plain HTTP is asked of it because nothing leaves this machine.
            http = http.no_proxy();
        }
        let mut registry = Self { reference, is_plain, http: http.build()?, access: Access::Anybody };
        let answer = registry.http.get(registry.url("")).send().await.map_err(|error| registry.silent(error))?;
        if let Some(challenge) = Challenge::find(answer.headers()) {
            registry.access = registry.log_in(challenge).await?;
        }
        Ok(registry)
    }

    async fn log_in(&self, challenge: Challenge) -> anyhow::Result<Access> {
        let host = self.reference.host();
        match challenge {
            Challenge::Basic => Ok(self.login().await?.map_or(Access::Anybody, Access::User)),
            Challenge::Bearer { realm, service } => {
                ensure!(
                    self.is_plain || realm.scheme() == "https",
                    "{host} wants the login over plain HTTP, where others can read it: its realm has to be configured with \
                     https://"
                );
                let login = self.login().await?;
                let token = self.token(realm, service, login.as_ref()).await?;
                Ok(Access::Bearer { token, is_user: login.is_some() })
            }
            Challenge::Unknown => {
                bail!(
                    "{host} wants to be logged in to in a way that is not supported: it has to ask for Basic or Bearer"
                )
            }
        }
    }

    async fn login(&self) -> anyhow::Result<Option<Login>> {
        let host = self.reference.host().to_owned();
        tokio::task::spawn_blocking(move || credentials::find(&host)).await?
    }

    /// Asks the service that the registry has named for a token, to pull and nothing else.
    async fn token(&self, realm: Url, service: Option<String>, login: Option<&Login>) -> anyhow::Result<String> {
        let (reference, host) = (self.reference, self.reference.host());
        // Without what else an address may hold.
        let port = realm.port().map(|port| format!(":{port}")).unwrap_or_default();
        let named = shortened(&format!("{}{port}", realm.host_str().unwrap_or_default()));
        let scope = format!("repository:{}:pull", reference.repository());
        let mut request = self.http.get(realm).query(&[("scope", scope)]);
        if let Some(service) = service {
            request = request.query(&[("service", service)]);
        }
        if let Some(login) = login {
            request = request.basic_auth(&login.user, Some(&login.password));
        }
        let silent = || format!("{named}, which {host} names for tokens, does not answer as it should: try again");
        let answer = request.send().await.map_err(reqwest::Error::without_url).with_context(silent)?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => return Err(self.refused(login.is_some())),
            status => bail!("{named}, which {host} names for tokens, has answered {status}: try again later"),
        }
        let useless = || format!("{host} can't be logged in to: {named}, which it names for tokens, gives none");
        let text = self.body(answer, TOKEN, &|_| {}).await.with_context(useless)?;
        // Why it can't be read is not told: that may repeat a token.
        let answer = serde_json::from_slice::<TokenAnswer>(&text).ok().with_context(useless)?;
        let token = [answer.token, answer.access_token].into_iter().flatten().find(|token| !token.is_empty());
        token.with_context(useless)
    }

    /// The manifest, and its digest.
    ///
    /// # Errors
    /// If it can't be had, or is not what the reference's digest names.
    pub(super) async fn manifest(&self) -> anyhow::Result<(Digest, Bytes)> {
        let (reference, host) = (self.reference, self.reference.host());
        let path = format!("{}/manifests/{}", reference.repository(), reference.version());
        let missing = || {
            format!(
                "there is no {reference}, or not for everybody: look at its name and its tag; if it is private, `docker login \
                 {host}` first"
            )
        };
        let answer = self.get(&path, manifest::ACCEPTED, missing).await?;
        let bytes = self.body(answer, MANIFEST, &|_| {}).await?;
        let digest = Digest::of(&bytes);
        if let Some(asked) = reference.digest() {
            ensure!(
                digest == *asked,
                "{host} has answered with {digest} where {reference} was asked for: that registry is damaged, or lies; take \
                 the artifact from another one, or push it again"
            );
        }
        Ok((digest, bytes))
    }

    /// A layer of the artifact's, told of as it comes.
    ///
    /// # Errors
    /// If it can't be had, or is not what the manifest says.
    pub(super) async fn layer(&self, layer: &Descriptor, watched: &(dyn Fn(u64) + Sync)) -> anyhow::Result<Bytes> {
        let (reference, host) = (self.reference, self.reference.host());
        let path = format!("{}/blobs/{}", reference.repository(), layer.digest);
        let missing = || format!("{host} has the manifest of {reference}, but not its layer: push the artifact again");
        let answer = self.get(&path, "*/*", missing).await?;
        let bytes = self.body(answer, layer.size, watched).await?;
        let digest = Digest::of_file(bytes.clone()).await;
        ensure!(
            digest == layer.digest,
            "the layer of {reference} is not what its manifest says: {host} has sent {digest} where {} was asked for; push the \
             artifact again",
            layer.digest
        );
        Ok(bytes)
    }

    async fn get(&self, path: &str, accepted: &str, missing: impl Fn() -> String) -> anyhow::Result<Response> {
        let request = self.http.get(self.url(path)).header(ACCEPT, accepted);
        let (request, is_user) = match &self.access {
            Access::Anybody => (request, false),
            Access::User(login) => (request.basic_auth(&login.user, Some(&login.password)), true),
            Access::Bearer { token, is_user } => (request.bearer_auth(token), *is_user),
        };
        let answer = request.send().await.map_err(|error| self.silent(error))?;
        let host = self.reference.host();
        match answer.status() {
            StatusCode::OK => Ok(answer),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(self.refused(is_user)),
            StatusCode::NOT_FOUND => Err(anyhow!(missing())),
            StatusCode::TOO_MANY_REQUESTS => {
                bail!(
                    "{host} takes no more requests for now: try again later; some take more after `docker login {host}`"
                )
            }
            StatusCode::BAD_REQUEST if self.is_plain => {
                bail!("{host} can't be asked over plain HTTP: --plain-http=false asks it over HTTPS")
            }
            status => bail!("{host} has answered {status}: is it a registry, and well? try again later"),
        }
    }

    /// Reads an answer of at most `most` bytes.
    async fn body(&self, mut answer: Response, most: u64, watched: &(dyn Fn(u64) + Sync)) -> anyhow::Result<Bytes> {
        let host = self.reference.host();
        let mut bytes = Vec::new();
        while let Some(more) = answer.chunk().await.map_err(|error| self.silent(error))? {
            let read = (bytes.len() + more.len()) as u64;
            ensure!(read <= most, "{host} sends more than {}, which is all that was expected", ByteSize(most));
            bytes.extend_from_slice(&more);
            watched(more.len() as u64);
        }
        Ok(bytes.into())
    }

    fn url(&self, path: &str) -> String {
        let scheme = if self.is_plain { "http" } else { "https" };
        format!("{scheme}://{}/v2/{path}", self.reference.host())
    }

    /// Why there is no answer, or no whole one. Without the address: a redirect's may hold a signature.
    fn silent(&self, error: reqwest::Error) -> anyhow::Error {
        let host = self.reference.host();
        let text = match self.is_plain {
            _ if error.is_timeout() => format!("{host} does not answer in time: try again when it does"),
            true if error.is_connect() => {
                format!("{host} can't be reached over plain HTTP: is it the right name and port?")
            }
            false if error.is_connect() => format!(
                "{host} can't be reached over HTTPS: is it the right name and port? (a registry without TLS needs --plain-http)"
            ),
            true | false => format!("{host} did not answer to the end, or not as a registry does: try again"),
        };
        anyhow::Error::new(error.without_url()).context(text)
    }

    fn refused(&self, is_user: bool) -> anyhow::Error {
        let (host, reference) = (self.reference.host(), self.reference);
        match is_user {
            true => anyhow!(
                "{host} does not give {reference} to the user whom `docker login` has stored: log in as one who may pull it"
            ),
            false => anyhow!("{host} gives {reference} to no stranger: `docker login {host}` first"),
        }
    }
}
