//! What AMQP adds to a channel and an operation: AsyncAPI's bindings of AMQP 0-9-1, version 0.3.0.

use serde_json::{Value, json};

use crate::{
    names::DEFAULT_EXCHANGE,
    topology::{Declaration, Exchange},
};

const VERSION: &str = "0.3.0";

/// Of a channel to which the service publishes: the exchange, as the plan declares it. The default one is in no plan.
pub(super) fn exchange(name: &str, plan: &[Declaration]) -> Value {
    let declared = plan.iter().find_map(|declaration| match declaration {
        Declaration::Exchange(exchange) if exchange.name == name => Some(exchange),
        Declaration::Exchange(_) | Declaration::Queue(_) | Declaration::Binding { .. } => None,
    });
    let exchange = match declared {
        Some(Exchange { kind, durable, auto_delete, .. }) => {
            json!({ "name": name, "type": kind.to_string(), "durable": durable, "autoDelete": auto_delete })
        }
        None => json!({ "name": DEFAULT_EXCHANGE, "type": "default", "durable": true, "autoDelete": false }),
    };
    json!({ "is": "routingKey", "exchange": exchange, "bindingVersion": VERSION })
}

/// Of a channel that the service consumes: the queue, as the plan declares it, and how it gets its messages. AsyncAPI has no
/// words for the latter, since a channel is either a queue or an exchange to it.
pub(super) fn queue(name: &str, plan: &[Declaration]) -> Value {
    let (mut durable, mut from, mut by) = (true, None, None);
    for declaration in plan {
        match declaration {
            Declaration::Queue(queue) if queue.name == name => durable = queue.durable,
            Declaration::Binding { queue, exchange, key } if queue == name => (from, by) = (Some(exchange), Some(key)),
            Declaration::Exchange(_) | Declaration::Queue(_) | Declaration::Binding { .. } => {}
        }
    }
    json!({
        "is": "queue",
        "queue": { "name": name, "durable": durable, "exclusive": false, "autoDelete": false },
        "x-exchange": from,
        "x-binding-key": by,
        "bindingVersion": VERSION,
    })
}

/// Of an operation that publishes: persistent, with the time.
pub(super) fn sent() -> Value {
    json!({ "deliveryMode": 2, "timestamp": true, "bindingVersion": VERSION })
}

/// Of an operation that consumes: acked when it is handled.
pub(super) fn received() -> Value {
    json!({ "ack": true, "bindingVersion": VERSION })
}
