//! Messages that anybody may publish and that are meant to do harm: they arrive, and can be set aside.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]
#![allow(clippy::cast_possible_truncation, reason = "a test may cut")]
#![allow(unreachable_pub, reason = "modules that several tests share")]

#[path = "support/broker_fixture.rs"]
mod fixture;
#[path = "support/broker_raw.rs"]
mod raw;
#[path = "../../event-driven/tests/support/vhost.rs"]
mod vhost;

use event_driven::message::{EventMessage, TaskRequest};
use fixture::{Fixture, Kind, LONG, next};
use raw::{Raw, long, short};
use warren::broker::{Queue, Settlement};

/// Flags of the properties: headers, then correlation_id and app_id.
const HEADERS: [u8; 2] = [0x20, 0];
const CORRELATION_AND_APP: [u8; 2] = [0x04, 0x08];

/// A value that nests `depth` arrays, or tables. Each level is its type, the length of what follows and, in a table, a name.
fn nested(kind: u8, depth: usize) -> Vec<u8> {
    let name = if kind == b'F' { short(b"k") } else { Vec::new() };
    let level = 1 + 4 + name.len();
    let mut value = Vec::new();
    for below in (0..depth).rev() {
        let length = name.len() + below * level + 1;
        value.extend([&[kind][..], &(length as u32).to_be_bytes(), &name].concat());
    }
    value.push(b'V');
    value
}

fn with_header(value: &[u8]) -> Vec<u8> {
    [&HEADERS[..], &long(&[&short(b"h")[..], value].concat())].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_messages_are_delivered_decoded_and_dead_lettered() {
    let fixture = Fixture::start(Kind::Quorum).await;
    let mut tasks = fixture.broker.consume(Queue::Tasks);
    let bad_text = [&CORRELATION_AND_APP[..], &short(b"\xff\xfe"), &short(b"shop\xc3")].concat();
    let messages: Vec<(&[u8], Vec<u8>, Vec<u8>)> = vec![
        (b"k", with_header(&nested(b'A', 20_000)), b"{}".to_vec()),
        (b"k", with_header(&nested(b'F', 15_000)), b"{}".to_vec()),
        (b"k", bad_text.clone(), b"{}".to_vec()),
        (b"routing.\xff\xfe", bad_text, b"\xff".to_vec()),
        (b"k", vec![0, 0], "[".repeat(100_000).into_bytes()),
    ];
    let count = messages.len();
    let server = Raw::connect(fixture.vhost.as_ref().unwrap());
    let publishing = tokio::task::spawn_blocking(move || {
        let mut raw = server;
        for (key, properties, body) in messages {
            raw.publish_task(key, &properties, &body);
        }
    });
    publishing.await.unwrap();
    for _ in 0..count {
        let delivery = next(&mut tasks).await;
        assert!(!delivery.redelivered, "it ended a connection");
        let decoded = TaskRequest::decode(&delivery.routing_key, &delivery.properties, &delivery.body, 1 << 20);
        let error = decoded.unwrap_err().to_string();
        let _ = EventMessage::decode(&delivery.routing_key, &delivery.properties, &delivery.body, 1 << 20);
        fixture.broker.settle(delivery, Settlement::DeadLetter { error });
    }
    assert_eq!(fixture.dead_letters(Queue::Tasks, count).await.len(), count);
    assert!(fixture.broker.close(LONG).await);
}
