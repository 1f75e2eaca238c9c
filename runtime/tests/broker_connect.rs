//! What an operator reads when there is no RabbitMQ to work with: one line, within seconds, without the password.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]
#![allow(unreachable_pub, reason = "modules that several tests share")]

#[path = "../../event-driven/tests/support/vhost.rs"]
#[allow(clippy::cast_possible_truncation, reason = "a test may cut")]
mod vhost;

use std::time::{Duration, Instant};

use event_driven::client::ClientSettings;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use vhost::Vhost;
use warren::broker::{Broker, BrokerConfig};

/// Longer than any of them takes to answer, on any machine.
const LONG: Duration = Duration::from_secs(30);

async fn refusal(url: &str) -> String {
    refusal_within(url, LONG).await
}

async fn refusal_within(url: &str, connect_timeout: Duration) -> String {
    let started = Instant::now();
    let mut client = ClientSettings::new("warren".parse().unwrap(), url.parse().unwrap());
    client.connect_timeout = connect_timeout;
    let config = BrokerConfig::new(client);
    let error = Broker::connect(config).await.unwrap_err().to_string();
    assert!(started.elapsed() < 2 * LONG, "{:?}: {error}", started.elapsed());
    assert!(!error.contains("hunter2") && !error.contains('\n'), "{error}");
    error
}

/// A server that does as `serve` says with its first client, and its port.
async fn server<F>(serve: impl FnOnce(TcpStream) -> F + Send + 'static) -> u16
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (client, _) = listener.accept().await.unwrap();
        serve(client).await;
    });
    port
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_listens() {
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap().port()
    };
    let error = refusal(&format!("amqp://u:hunter2@127.0.0.1:{port}")).await;
    assert_eq!(
        error,
        format!(
            "no connection to RabbitMQ at amqp://u:***@127.0.0.1:{port}: Connection refused (os error 111); check the host \
             and the port, and that RabbitMQ runs"
        )
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn no_such_host() {
    let error = refusal("amqp://u:hunter2@no-such-host.invalid").await;
    assert!(error.starts_with("no connection to RabbitMQ at amqp://u:***@no-such-host.invalid:5672: "), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_password() {
    let vhost = Vhost::create();
    let error = refusal(&format!("amqp://nobody:hunter2@{}", vhost.server())).await;
    assert_eq!(
        error,
        format!(
            "RabbitMQ at amqp://nobody:***@{} refuses the user \"nobody\" or its password; check both, and that \
             `rabbitmqctl list_users` knows the user (guest may connect from the same machine only)",
            vhost.server()
        )
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn no_such_vhost() {
    let url = Vhost::create().url();
    let error = refusal(&url).await;
    assert!(error.contains(" has no virtual host \"test-"), "{error}");
    assert!(error.contains("rabbitmqctl add_vhost"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_protocol() {
    let port = server(async |mut client| {
        let mut request = [0; 8];
        client.read_exact(&mut request).await.unwrap();
        client.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n").await.unwrap();
    });
    let error = refusal(&format!("amqp://u:hunter2@127.0.0.1:{}", port.await)).await;
    assert!(error.contains("does not speak AMQP 0-9-1"), "{error}");
    let port = server(async |client| drop(client));
    let error = refusal(&format!("amqp://u:hunter2@127.0.0.1:{}", port.await)).await;
    assert!(error.contains("does not speak AMQP 0-9-1"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_answers() {
    let port = server(async |client| {
        tokio::time::sleep(2 * LONG).await;
        drop(client);
    });
    let url = format!("amqp://u:hunter2@127.0.0.1:{}", port.await);
    let error = refusal_within(&url, Duration::from_secs(2)).await;
    assert!(error.contains("within 2s; check that the port is AMQP's"), "{error}");
}
