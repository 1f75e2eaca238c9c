//! Requests that guests send over HTTP: only to hosts that their manifest grants, and only to addresses where those may
//! lead.
//!
//! The name is resolved here, once; the addresses are looked at, and one of those that were looked at is connected to, so
//! that a name that leads elsewhere a moment later (DNS rebinding) leads nowhere. A redirect is an answer like any other:
//! the guest that follows it sends a request of its own, which is looked at as well.

mod connect;
mod destination;
mod link;

use std::{pin::Pin, sync::Arc, time::Duration};

use http::{HeaderName, HeaderValue, Method, Request, Response, Uri, header};
use http_body_util::BodyExt;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use self::{destination::Destination, link::Link};
use super::{bytes, exceeded, ledger::Ledger};
use crate::{
    manifest::{Credential, Grants, HostGrant, HostPattern, Limits, SecretError},
    outcome::ErrorClass,
};

/// How much of a request's body is taken over from the guest at once, in bytes.
const BODY_CHUNK_BYTES: usize = 16 * 1024;

/// The longest method, in bytes: twice that of any that is registered.
const MAX_METHOD_BYTES: usize = 32;

/// The largest head of an answer, in bytes, and the most fields in it.
const MAX_HEAD_BYTES: usize = 64 * 1024;
const MAX_FIELDS: usize = 128;

/// Where a component's requests may go, and the headers that are added to them.
pub(super) struct HttpGrants {
    public: Vec<HostGrant>,
    private: Vec<HostGrant>,
    credentials: Vec<Added>,
}

/// A header that is added to requests to one host.
struct Added {
    host: HostPattern,
    name: HeaderName,
    value: HeaderValue,
}

impl HttpGrants {
    pub(super) fn new(grants: &Grants) -> Result<Self, SecretError> {
        let with_value = |credential: &Credential| {
            let unusable = || SecretError::Unusable(credential.secret.clone());
            let text = format!("{}{}", credential.prefix, credential.secret.read()?);
            let mut value = HeaderValue::from_str(&text).map_err(|_| unusable())?;
            value.set_sensitive(true);
            let name = HeaderName::from_bytes(credential.header.as_bytes()).map_err(|_| unusable())?;
            Ok(Added { host: credential.host.clone(), name, value })
        };
        Ok(Self {
            public: grants.hosts.clone(),
            private: grants.private_hosts.clone(),
            credentials: grants.credentials.iter().map(with_value).collect::<Result<_, SecretError>>()?,
        })
    }
}

/// What one execution sends over HTTP.
pub(super) struct Http {
    grants: Arc<HttpGrants>,
    bounds: HttpBounds,
    ledger: Ledger,
    /// Made with the first request: most executions send none.
    places: Option<Arc<Semaphore>>,
}

/// The limits of one execution's requests.
#[derive(Debug, Clone, Copy)]
struct HttpBounds {
    requests: u32,
    concurrency: u32,
    sent: u64,
    received: u64,
    timeout: Duration,
}

impl Http {
    pub(super) fn new(grants: Arc<HttpGrants>, limits: &Limits, ledger: Ledger) -> Self {
        let bounds = HttpBounds {
            requests: limits.http_requests,
            concurrency: limits.http_concurrency,
            sent: limits.http_sent.as_u64(),
            received: limits.http_received.as_u64(),
            timeout: limits.http_timeout.min(limits.timeout),
        };
        Self { grants, bounds, ledger, places: None }
    }

    fn sender(&mut self) -> Sender {
        let places = || Arc::new(Semaphore::new(self.bounds.concurrency as usize));
        Sender {
            grants: self.grants.clone(),
            bounds: self.bounds,
            ledger: self.ledger.clone(),
            places: self.places.get_or_insert_with(places).clone(),
        }
    }
}

type Driving = Box<dyn Future<Output = Result<(), Error>> + Send>;
type Answer = Result<(Response<WasiBody>, Driving), Error>;

impl WasiHttpHooks for Http {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _sending: Driving,
    ) -> Box<dyn Future<Output = Answer> + Send> {
        let sender = self.sender();
        Box::new(async move { sender.send(request, options.unwrap_or_default()).await })
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        BODY_CHUNK_BYTES
    }
}

/// Sends one request.
struct Sender {
    grants: Arc<HttpGrants>,
    bounds: HttpBounds,
    ledger: Ledger,
    places: Arc<Semaphore>,
}

impl Sender {
    async fn send(self, mut request: Request<WasiBody>, options: RequestOptions) -> Answer {
        let until = Instant::now() + self.bounds.timeout;
        let method = request.method();
        // What goes through a tunnel nobody has looked at; and a server that traces shows the guest what was added.
        if [Method::CONNECT, Method::TRACE].contains(method) || method.as_str().len() > MAX_METHOD_BYTES {
            return Err(Error::HttpRequestMethodInvalid);
        }
        let destination = Destination::of(request.uri())?;
        let reach = self.granted(request.method().as_str(), &destination)?;
        self.count(&destination)?;
        let place = self.place(until).await?;
        let stream = self.in_time(until, options.connect_timeout, async {
            let addresses = destination.resolve().await?;
            let addresses = destination.permitted(addresses, reach, &self.grants.private, &self.ledger)?;
            destination.connect(&addresses).await
        });
        let link = Link::new(stream.await?, self.ledger.clone(), self.bounds, until, options.between_bytes_timeout);
        self.complete(&mut request, &destination)?;
        let handshake = hyper::client::conn::http1::Builder::new()
            .max_buf_size(MAX_HEAD_BYTES)
            .max_headers(MAX_FIELDS)
            .handshake(wasmtime_wasi_http::io::TokioIo::new(link));
        let (mut sender, connection) = self.in_time(until, None, async { Ok(handshake.await?) }).await?;
        // Ends with the connection; who reads the answer drives it from then on.
        let mut driven = Box::pin(connection);
        let answered = self.in_time(until, options.first_byte_timeout, async {
            let mut answer = std::pin::pin!(sender.send_request(request));
            tokio::select! {
                answer = &mut answer => Ok(answer?),
                ended = &mut driven => match ended {
                    Ok(()) => Ok(answer.await?),
                    Err(error) => Err(error.into()),
                }
            }
        });
        let answer = answered.await?;
        let driving: Driving = Box::new(drive(driven, place));
        Ok((answer.map(|body| body.map_err(Error::from).boxed_unsync()), driving))
    }

    /// Whether this host is granted, and whether its private addresses are.
    fn granted(&self, method: &str, destination: &Destination) -> Result<Reach, Error> {
        let (host, port) = (destination.host(), destination.port());
        let among = |grants: &[HostGrant]| grants.iter().any(|grant| grant.allows(method, host, port));
        if among(&self.grants.private) {
            return Ok(Reach::Private);
        }
        if among(&self.grants.public) {
            return Ok(Reach::Public);
        }
        let text = format!(
            "asked for {method} {destination}, which is not granted; in its manifest: [grants] hosts = [\"{destination}\"]"
        );
        self.ledger.refused(ErrorClass::Denied, text);
        Err(Error::HttpRequestDenied)
    }

    fn count(&self, destination: &Destination) -> Result<(), Error> {
        let HttpBounds { requests, sent, received, .. } = self.bounds;
        if self.ledger.sent() >= sent || self.ledger.received() >= received {
            // Nothing of it could be sent or read.
            return Err(Error::HttpRequestDenied);
        }
        if !self.ledger.request(&destination.to_string(), requests) {
            let text = exceeded("http_requests", "asked for one more than", &requests, &requests);
            self.ledger.refused(ErrorClass::HttpLimit, text);
            return Err(Error::HttpRequestDenied);
        }
        Ok(())
    }

    async fn place(&self, until: Instant) -> Result<OwnedSemaphorePermit, Error> {
        match timeout_at(until, self.places.clone().acquire_owned()).await {
            Ok(Ok(place)) => Ok(place),
            _ => {
                let limit = self.bounds.concurrency;
                let text =
                    exceeded("http_concurrency", "waited for a place beside requests under way:", &limit, &limit);
                self.ledger.refused(ErrorClass::HttpLimit, text);
                Err(Error::ConnectionLimitReached)
            }
        }
    }

    /// Waits, but not beyond the end of the request's time nor for longer than the guest wants to.
    async fn in_time<T>(
        &self,
        until: Instant,
        wanted: Option<Duration>,
        future: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let wanted = wanted.and_then(|wanted| Instant::now().checked_add(wanted)).filter(|wanted| *wanted < until);
        match timeout_at(wanted.unwrap_or(until), future).await {
            Ok(done) => done,
            Err(_elapsed) if wanted.is_some() => Err(Error::ConnectionTimeout),
            Err(_elapsed) => Err(timed_out(&self.ledger, self.bounds.timeout)),
        }
    }

    /// Makes of a request with a whole URL one for this connection, and adds the operator's headers.
    fn complete(&self, request: &mut Request<WasiBody>, destination: &Destination) -> Result<(), Error> {
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str()).to_owned();
        *request.uri_mut() = path.parse::<Uri>().map_err(|_| Error::HttpRequestUriInvalid)?;
        let host = HeaderValue::from_str(&destination.authority()).map_err(|_| Error::HttpRequestUriInvalid)?;
        request.headers_mut().insert(header::HOST, host);
        for Added { host, name, value } in &self.grants.credentials {
            if !host.matches(destination.host(), destination.port()) {
                continue;
            }
            if !destination.may_have_secrets() {
                let text =
                    format!("asked for http://{destination}, to which a credential is added: only https:// will do");
                self.ledger.refused(ErrorClass::Denied, text);
                return Err(Error::HttpRequestDenied);
            }
            request.headers_mut().insert(name.clone(), value.clone());
        }
        Ok(())
    }
}

/// Which addresses a granted host may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    Public,
    Private,
}

/// The request's time is over.
fn timed_out(ledger: &Ledger, limit: Duration) -> Error {
    let limit = humantime::format_duration(limit);
    ledger.refused(ErrorClass::HttpLimit, exceeded("http_timeout", "a request took", &limit, &limit));
    Error::HttpResponseTimeout
}

/// As much was sent or received as may be, and there is more.
fn too_much(ledger: &Ledger, name: &str, did: &str, limit: u64) {
    let text = exceeded(name, did, &format!("more than {}", bytes(limit)), &bytes(limit));
    ledger.refused(ErrorClass::HttpLimit, text);
}

/// Drives a connection to its end; its place is taken for as long.
async fn drive<F>(connection: Pin<Box<F>>, _place: OwnedSemaphorePermit) -> Result<(), Error>
where
    F: Future<Output = Result<(), hyper::Error>>,
{
    Ok(connection.await?)
}
