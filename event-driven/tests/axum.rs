//! Events that answers of axum bring along, over a real server and a real RabbitMQ.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

#[path = "axum/http.rs"]
mod http;
#[path = "axum/log.rs"]
mod log;
#[path = "support/peer.rs"]
mod peer;
#[path = "support/proxy.rs"]
mod proxy;
#[path = "support/vhost.rs"]
mod vhost;

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, Request},
    http::StatusCode,
    middleware::{self, Next},
    response::IntoResponse,
    routing::{get, post},
};
use event_driven::{
    axum::{Event, SendEventLayer},
    client::{Client, ClientSettings},
    entity::{self, EventObject},
    names::{EVENT_EXCHANGE, EventType, Service},
    publisher::Publisher,
};
use http::{Server, problem_of};
use peer::{PATIENCE, Peer, text_header};
use proxy::Proxy;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::Notify;
use vhost::Vhost;

#[derive(Serialize, Deserialize)]
struct User {
    id: u64,
    name: String,
}

impl EventObject for User {
    const ENTITY: &'static str = "user";
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct UserCreated {
    id: u64,
    name: String,
}

impl entity::Event for UserCreated {
    type Of = User;
    const TYPE: EventType = EventType::Create;

    fn entity_key(&self) -> Option<String> {
        Some(self.id.to_string())
    }
}

const KEY: &str = "routing.event.create.user";

fn created() -> Event<UserCreated> {
    Event(UserCreated { id: 1, name: "Ada".to_owned() })
}

fn routes() -> Router {
    Router::new()
        .route("/users", post(async || (StatusCode::CREATED, created())))
        .route("/plain", get(async || created()))
        .route("/nothing", get(async || "nothing"))
        .route("/status/{code}", get(async |Path(code): Path<u16>| (StatusCode::from_u16(code).unwrap(), created())))
        .route("/publisher", post(tell))
}

/// Publishes two by itself and one by its answer.
async fn tell(publisher: Publisher) -> impl IntoResponse {
    let note = json!({ "event_name": "noted" });
    publisher.event(&created().0).await.unwrap();
    publisher.event_of(&User::event_key(EventType::Notify), &note).await.unwrap();
    created()
}

async fn publisher(url: &str) -> Publisher {
    let mut settings = ClientSettings::new(Service::new("user_service").unwrap(), url.parse().unwrap());
    settings.connect_timeout = std::time::Duration::from_secs(30);
    Publisher::new(&Client::connect(settings).await.unwrap())
}

async fn served(vhost: &Vhost) -> Server {
    Server::start(routes().layer(SendEventLayer::new(publisher(&vhost.url()).await))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_published_once_before_its_answer_goes_out() {
    let vhost = Vhost::create();
    let server = served(&vhost).await;
    let peer = Peer::connect(&vhost).await;
    let queue = peer.bind(EVENT_EXCHANGE, "#").await;

    let answer = server.send("POST", "/users", &[("x-correlation-id", "order-17")]).await;
    assert_eq!(peer.depth(&queue).await, 1, "it is there already");
    assert_eq!((answer.status, answer.header("content-type")), (201, Some("application/json")));
    assert_eq!(answer.header("x-correlation-id"), Some("order-17"));
    assert_eq!(answer.json(), json!({ "id": 1, "name": "Ada" }));

    let mut events = peer.read(&queue).await;
    let event = events.next().await;
    assert_eq!(event.routing_key.as_str(), KEY);
    assert_eq!(serde_json::from_slice::<Value>(&event.data).unwrap(), answer.json());
    let properties = &event.properties;
    assert_eq!(properties.correlation_id().as_ref().unwrap().as_str(), "order-17");
    assert_eq!(properties.app_id().as_ref().unwrap().as_str(), "user_service");

    // Without a status of its own it is 200, without a correlation id it gets one.
    let answer = server.send("GET", "/plain", &[]).await;
    assert_eq!(answer.status, 200);
    let event = events.next().await;
    assert_eq!(event.properties.correlation_id().as_ref().map(|id| id.as_str()), answer.header("x-correlation-id"));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_layers_publish_an_event_once_under_one_correlation_id() {
    let vhost = Vhost::create();
    let layer = SendEventLayer::new(publisher(&vhost.url()).await);
    let server = Server::start(routes().layer(layer.clone()).layer(layer)).await;
    let peer = Peer::connect(&vhost).await;
    let queue = peer.bind(EVENT_EXCHANGE, "#").await;
    let answer = server.send("POST", "/users", &[]).await;
    assert_eq!((answer.status, peer.depth(&queue).await), (201, 1));
    let event = peer.read(&queue).await.next().await;
    assert_eq!(event.properties.correlation_id().as_ref().map(|id| id.as_str()), answer.header("x-correlation-id"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_success_publishes_nothing() {
    let vhost = Vhost::create();
    let server = served(&vhost).await;
    let peer = Peer::connect(&vhost).await;
    let mut events = peer.listen(EVENT_EXCHANGE, "#").await;
    for code in ["303", "400", "409", "500"] {
        let answer = server.send("GET", &format!("/status/{code}"), &[]).await;
        assert_eq!((answer.status.to_string().as_str(), answer.json()["id"].as_u64()), (code, Some(1)));
    }
    assert_eq!(server.send("GET", "/nothing", &[]).await.body, "nothing");
    assert_eq!(server.send("GET", "/status/202", &[("x-correlation-id", "accepted")]).await.status, 202);
    assert_eq!(events.next().await.properties.correlation_id().as_ref().unwrap().as_str(), "accepted");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_no_queue_gets_makes_the_answer_a_503() {
    log::install();
    let vhost = Vhost::create();
    let server = served(&vhost).await;
    let answer = server.send("POST", "/users", &[("x-correlation-id", "refused")]).await;
    let detail = problem_of(&answer, 503);
    assert!(detail.contains("the change was made, but it is not known whether its event was published"), "{detail}");
    assert_eq!(answer.header("x-correlation-id"), Some("refused"));
    let errors = log::errors("refused");
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].contains("no queue is bound") && errors[0].contains(KEY), "{errors:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_handler_publishes_belongs_to_the_same_request() {
    log::install();
    let vhost = Vhost::create();
    let server = served(&vhost).await;
    let peer = Peer::connect(&vhost).await;
    let mut events = peer.listen(EVENT_EXCHANGE, "#").await;
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let headers = [("x-correlation-id", "order-18"), ("traceparent", parent), ("tracestate", "a=1")];
    assert_eq!(server.send("POST", "/publisher", &headers).await.status, 200);
    let mut keys = Vec::new();
    for _ in 0..3 {
        let event = events.next().await;
        assert_eq!(event.properties.correlation_id().as_ref().unwrap().as_str(), "order-18");
        assert_eq!(text_header(&event, "traceparent").as_deref(), Some(parent));
        assert_eq!(text_header(&event, "tracestate").as_deref(), Some("a=1"));
        keys.push(event.routing_key.to_string());
    }
    assert_eq!(keys, [KEY, "routing.event.notify.user", KEY]);

    // A request that says nothing has an id of its own.
    let answer = server.send("POST", "/publisher", &[]).await;
    let id = answer.header("x-correlation-id").unwrap();
    assert_eq!(uuid::Uuid::parse_str(id).unwrap().get_version_num(), 7);
    for _ in 0..3 {
        let event = events.next().await;
        assert_eq!(event.properties.correlation_id().as_ref().unwrap().as_str(), id);
        assert_eq!(text_header(&event, "traceparent"), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_layer_it_is_said_what_to_add() {
    log::install();
    let server = Server::start(routes()).await;
    let detail = problem_of(&server.send("POST", "/publisher", &[]).await, 500);
    assert!(detail.contains(".layer(SendEventLayer::new(publisher))"), "{detail}");

    // An event that meets no layer can't be published; it is told of.
    assert_eq!(server.send("POST", "/users", &[]).await.status, 201);
    let lost = log::wait_for(PATIENCE, "met no SendEventLayer").await;
    assert!(lost.contains(KEY), "{lost}");
}

/// Tells when the future of a request is over, however it ends.
async fn tells_its_end(over: Arc<Notify>, request: Request, next: Next) -> impl IntoResponse {
    struct Guard(Arc<Notify>);
    impl Drop for Guard {
        fn drop(&mut self) {
            self.0.notify_one();
        }
    }
    let _guard = Guard(over);
    next.run(request).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_does_not_take_the_event_with_it() {
    let vhost = Vhost::create();
    let proxy = Proxy::start(vhost.server()).await;
    let (answering, over) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let handler = {
        let answering = Arc::clone(&answering);
        async move || {
            answering.notify_one();
            created()
        }
    };
    let ends = Arc::clone(&over);
    let router = Router::new()
        .route("/users", post(handler))
        .layer(SendEventLayer::new(publisher(&vhost.url_by(proxy.port)).await))
        .layer(middleware::from_fn(move |request, next| tells_its_end(Arc::clone(&ends), request, next)));
    let server = Server::start(router).await;
    let mut events = Peer::connect(&vhost).await.listen(EVENT_EXCHANGE, "#").await;

    proxy.refuse();
    let request = server.begin("POST", "/users", &[("x-correlation-id", "gone")]).await;
    answering.notified().await;
    drop(request);
    tokio::time::timeout(PATIENCE, over.notified()).await.expect("the request is given up");
    proxy.restore();
    assert_eq!(events.next().await.properties.correlation_id().as_ref().unwrap().as_str(), "gone");
}
