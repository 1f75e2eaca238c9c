//! Sockets and names, which nobody is granted.

use serde_json::json;
use warren::outcome::ErrorClass;

use super::{attacker::Prison, server::Server};

#[tokio::test]
async fn there_are_no_sockets_and_no_names() {
    let (prison, server) = (Prison::strict(), Server::start().await);
    for attack in [
        json!({ "attack": "tcp", "address": server.address() }),
        json!({ "attack": "tcp", "address": "[::1]:80" }),
        json!({ "attack": "listen", "address": "127.0.0.1:0" }),
        json!({ "attack": "udp", "address": server.address() }),
        json!({ "attack": "look_up", "name": "localhost" }),
    ] {
        prison.attack("", attack).await.failed_as(ErrorClass::Technical, &[]);
    }
    assert_eq!(server.connections(), 0);
}
