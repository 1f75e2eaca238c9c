//! HTTP: submit tasks and events, keep schedules, read what became of them, ask whether the service is well. The same in `warren run`
//! and `warren dev`.
//!
//! Stands beside the way of a task: it puts messages in at the front, and reads rows at the end. Who reads, publishes tasks
//! or keeps schedules is asked for no password, which is why it listens on loopback only unless told otherwise. Who changes components
//! or dead letters needs a token (`access`).

mod access;
mod activity;
mod attempts;
mod cancel;
mod components;
mod dead_letters;
mod events;
mod health;
mod logs;
mod page;
mod problem;
mod receipt;
mod receive;
mod registry;
mod schedules;
mod starting;
mod task_view;
mod tasks;
mod upload;
mod wait;
mod walks;

use std::{io, net::SocketAddr, os::fd::AsFd, sync::Arc};

use axum::{Extension, Router, extract::DefaultBodyLimit, response::IntoResponse, routing::get};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use utoipa::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

use self::{access::Access, activity::Lookout, receive::Uploads, walks::Walks};
pub use self::{
    access::WithoutToken, components::UsageView, events::EventView, logs::LogsView, problem::Problem,
    schedules::ScheduleView, starting::Starting, task_view::TaskView,
};
use crate::service::Service;

/// What the description says of the whole; the paths and the schemas come from the handlers.
#[derive(OpenApi)]
#[openapi(info(title = "warren", license(name = "Apache-2.0", identifier = "Apache-2.0")))]
struct Description;

/// The routes and their description. [`server`] serves both; the command line and the tests read the description.
fn routes() -> OpenApiRouter<Arc<Service>> {
    OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(tasks::submit, tasks::list))
        .routes(routes!(tasks::show))
        .routes(routes!(attempts::retry))
        .routes(routes!(cancel::cancel))
        .routes(routes!(logs::logs))
        .routes(routes!(activity::activity))
        .routes(routes!(dead_letters::list))
        .routes(routes!(dead_letters::show))
        .routes(routes!(dead_letters::retry))
        .routes(routes!(dead_letters::discard))
        .routes(routes!(schedules::list))
        .routes(routes!(schedules::show, schedules::add, schedules::replace, schedules::remove))
        .routes(routes!(events::publish, events::list))
        .routes(routes!(events::show))
        .routes(routes!(registry::list))
        .routes(routes!(registry::versions, upload::upload, registry::remove))
        .routes(routes!(registry::make_current))
        .routes(routes!(components::usage))
        .routes(routes!(health::alive))
        .routes(routes!(health::ready))
}

/// The OpenAPI description of the interface.
pub fn description() -> utoipa::openapi::OpenApi {
    routes().into_openapi()
}

/// Why the interface could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("http.addr {addr}: {}", tell(.source))]
pub struct ServeError {
    addr: SocketAddr,
    source: io::Error,
}

fn tell(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "something else listens there already; choose another address (WARREN_HTTP_ADDR), or port 0 for a free one"
                .into()
        }
        _ => format!("can't listen there: {error}"),
    }
}

/// The interface, bound and not yet served: a port in use is known before anything is started.
pub struct Bound {
    listener: TcpListener,
    /// Where it listens; the port is the real one where port 0 was asked for.
    pub addr: SocketAddr,
}

/// What those pass who change components or dead letters, or look on.
#[derive(Debug)]
struct Doors {
    access: Access,
    lookout: Lookout,
    uploads: Uploads,
    walks: Walks,
}

/// A served interface.
pub struct Server {
    stop: CancellationToken,
    serving: JoinHandle<io::Result<()>>,
}

/// Binds the interface.
///
/// # Errors
/// If the address can't be listened on.
pub async fn bind(addr: SocketAddr) -> Result<Bound, ServeError> {
    let failed = |source| ServeError { addr, source };
    let listener = TcpListener::bind(addr).await.map_err(failed)?;
    let addr = listener.local_addr().map_err(failed)?;
    if !addr.ip().is_loopback() {
        tracing::warn!(%addr, "HTTP is open to others at {addr}, and asks nobody for a password who reads or publishes tasks or keeps schedules");
    }
    Ok(Bound { listener, addr })
}

impl Bound {
    /// Serves until [`Server::stop`].
    pub fn serve(self, service: Arc<Service>, without: WithoutToken) -> Server {
        let config = &service.parts().config;
        let doors = Doors {
            access: Access::new(config.http.tokens.clone(), without, self.addr),
            uploads: Uploads::new(config.http.uploads, config.components.max_size, config.http.upload_patience),
            walks: Walks::default(),
            lookout: Lookout::of(&service),
        };
        Server::start(self.listener, router(service, Arc::new(doors)))
    }

    /// Says what the start waits for, until [`Server::stop`]. Who connects between that and [`Self::serve`] is not lost.
    ///
    /// # Errors
    /// If the process may not open another file.
    pub fn serve_start(&self, starting: Starting) -> io::Result<Server> {
        let same = std::net::TcpListener::from(self.listener.as_fd().try_clone_to_owned()?);
        Ok(Server::start(TcpListener::from_std(same)?, starting.router()))
    }
}

impl Server {
    fn start(listener: TcpListener, router: Router) -> Self {
        let stop = CancellationToken::new();
        let served = axum::serve(listener, router).with_graceful_shutdown(stop.clone().cancelled_owned());
        Self { stop, serving: tokio::spawn(served.into_future()) }
    }

    /// Ends the interface. Requests that wait for an outcome are answered by their own time limit or cut off with the
    /// process, whichever comes first: the service whose outcome they wait for has stopped already.
    pub async fn stop(self) {
        self.stop.cancel();
        let patience = std::time::Duration::from_secs(1);
        match tokio::time::timeout(patience, self.serving).await {
            Ok(Ok(Ok(()))) | Err(_) => {}
            Ok(Ok(Err(error))) => tracing::warn!(%error, "HTTP ended with an error: {error}"),
            Ok(Err(panic)) => tracing::error!(%panic, "HTTP ended with a panic: {panic}"),
        }
    }
}

fn router(service: Arc<Service>, doors: Arc<Doors>) -> Router {
    let limit = usize::try_from(service.parts().config.broker.max_body.as_u64()).unwrap_or(usize::MAX);
    let (router, description) = routes().split_for_parts();
    router
        .route("/openapi.json", get(|| async { axum::Json(description).into_response() }))
        .fallback(|| async { Problem::not_found("there is nothing at this path; /openapi.json lists what there is") })
        .method_not_allowed_fallback(|| async { Problem::method_not_allowed() })
        .layer(DefaultBodyLimit::max(limit))
        .layer(Extension(doors))
        .with_state(service)
}
