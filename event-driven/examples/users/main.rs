//! A service that keeps users in SQLite and tells others what becomes of them: all of `event-driven` in one small program.
//!
//! ```text
//! cargo run -p event-driven --features axum,outbox --example users
//! curl -i 127.0.0.1:3000/users --json '{"username": "ada", "email": "ada@example.org"}'
//! ```
//!
//! It needs RabbitMQ, and there a queue that gets its events: `warren run` has one, `event.store`. An event that no queue gets
//! is not dropped but waits. `test_crud.sh` beside this folder starts all of that, and calls every route.
//!
//! | variable | default | |
//! |---|---|---|
//! | `RABBITMQ_URL` | `amqp://guest:guest@127.0.0.1:5672` | |
//! | `DATABASE_URL` | `sqlite://users.db?mode=rwc` | a file in the working directory, made if it is not there |
//! | `HTTP_ADDR` | `127.0.0.1:3000` | with port 0, a free one; the address is printed |
//! | `RUST_LOG` | `info` | the log goes to stderr |
//!
//! Read on in this order: `user` is what others are told, `api` is how they are told, `welcome` is who listens, `store` is the
//! table. There are three ways to tell of something; `api` says at each of its routes which one it takes, and why:
//!
//! | way | an event can be lost | while RabbitMQ is away | good for |
//! |---|---|---|---|
//! | the outbox | never | the request succeeds, the event follows | changes |
//! | an answer that is an `Event(…)` | if the process dies | the request waits, then gets 503 | what changes nothing |
//! | `#[on_notify]`, or a [`Publisher`] by itself | if the process dies | the call waits, then gets an error | notifications |

mod api;
mod problem;
mod store;
mod user;
mod welcome;

use std::{
    env,
    io::{IsTerminal, stderr},
    process::ExitCode,
    time::Duration,
};

use anyhow::Context;
use event_driven::{
    client::{Client, ClientSettings},
    entity::Event,
    outbox::{Relay, RelaySettings},
    publisher::Publisher,
    trace,
};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::{EnvFilter, Layer, layer::SubscriberExt, util::SubscriberInitExt};

use user::UserCreate;

/// How long requests, and after them the handlers of events, may take to end when the service stops.
const GRACE: Duration = Duration::from_secs(10);

/// How long a request waits for RabbitMQ to come back before it is answered with 503. Nobody waits 30 s for an answer, which
/// is the default.
const PATIENCE: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> ExitCode {
    log();
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("users: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> anyhow::Result<()> {
    // What can't be reached is told now, in a sentence that says what to do. What is lost later is connected again for ever.
    let client = Client::connect(settings()?).await?;
    let url = setting("DATABASE_URL", "sqlite://users.db?mode=rwc");
    let db = store::open(&url).await.context("the database of DATABASE_URL can't be used")?;
    let address = setting("HTTP_ADDR", "127.0.0.1:3000");
    let listener = TcpListener::bind(&address).await.with_context(|| format!("HTTP_ADDR is {address}"))?;

    // One publisher for all: on SQLite its clones tell the relay of what they wrote into the outbox. SQLite has room for one
    // relay, so this service runs once on its file; on Postgres any number would share the work.
    let publisher = Publisher::new(&client);
    let relay = Relay::new(&db, &publisher, RelaySettings::default()).start();
    UserCreate::subscribe(&client, welcome::welcome).await?;
    serve(listener, api::router(db, publisher)).await?;

    // Everything stops before that which it needs: the requests have ended, so nothing comes into the outbox any more; the
    // relay publishes over the client. What is left in the outbox then is published after the next start.
    relay.stop().await;
    if !client.close(GRACE).await {
        tracing::warn!("events that were still being handled will be delivered again");
    }
    Ok(())
}

fn setting(name: &str, default: &str) -> String {
    env::var(name).unwrap_or_else(|_| default.to_owned())
}

fn settings() -> anyhow::Result<ClientSettings> {
    let address = setting("RABBITMQ_URL", "amqp://guest:guest@127.0.0.1:5672");
    // The service's name stands in each of its events, and in the names of its queues: event.create.user.to.user_service.
    let mut settings = ClientSettings::new("user_service".parse()?, address.parse().context("RABBITMQ_URL")?);
    settings.publisher.patience = PATIENCE;
    Ok(settings)
}

/// A log for people; and beside it the layer by which the correlation id of a request gets into all that is published while
/// the request is handled. The filter belongs to the log alone.
fn log() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let log =
        tracing_subscriber::fmt::layer().with_writer(stderr).with_ansi(stderr().is_terminal()).with_filter(filter);
    tracing_subscriber::registry().with(trace::layer()).with(log).init();
}

/// Serves until SIGINT or SIGTERM, and then until the requests that came before are answered.
async fn serve(listener: TcpListener, router: axum::Router) -> anyhow::Result<()> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    println!("users: listening on http://{}", listener.local_addr()?);
    let stop = CancellationToken::new();
    let serving = axum::serve(listener, router).with_graceful_shutdown(stop.clone().cancelled_owned());
    let asked_to_stop = async {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        tracing::info!("stopping");
        stop.cancel();
        tokio::time::sleep(GRACE).await;
    };
    // The first ends when all is answered. If the second is faster, requests are cut off, which commit all or nothing.
    tokio::select! {
        served = serving => served?,
        () = asked_to_stop => tracing::warn!("some requests did not end within {}s", GRACE.as_secs()),
    }
    Ok(())
}
