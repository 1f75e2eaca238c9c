//! Whether a thing that differs from the plan can be used as it stands.

use super::{Argument, Current, Declaration, Exchange, Mismatch, Queue};

/// Why a thing can't be used with this difference; `None` if it can.
pub(super) fn unusable(declaration: &Declaration, mismatch: &Mismatch) -> Option<&'static str> {
    match declaration {
        Declaration::Exchange(_) => unusable_exchange(mismatch),
        Declaration::Queue(queue) => unusable_queue(queue, mismatch),
        Declaration::Binding { .. } => None,
    }
}

fn unusable_exchange(mismatch: &Mismatch) -> Option<&'static str> {
    match mismatch.argument.as_str() {
        "type" => Some("it would route messages to other queues than they are meant for"),
        "internal" => Some("nobody can publish to it"),
        // Where none is wanted, as where only one is missing, a message that reaches no queue is an error at its publisher.
        "alternate-exchange" if mismatch.wanted != Current::None && mismatch.current != Current::None => {
            Some("messages that no queue is bound for would go elsewhere")
        }
        _ => None,
    }
}

fn unusable_queue(queue: &Queue, mismatch: &Mismatch) -> Option<&'static str> {
    // Only from a retry queue messages go back by the default exchange.
    let waits_for_retry = queue.arguments.get("x-dead-letter-exchange") == Some(&Argument::Text(String::new()));
    let current = &mismatch.current;
    match mismatch.argument.as_str() {
        "exclusive" => Some("it belongs to another connection"),
        "auto_delete" => Some("it would vanish with its messages when its last consumer goes"),
        "x-expires" if *current != Current::None => Some("it would vanish with its messages when nobody uses it"),
        "x-queue-type" if is(current, "stream") => Some("messages can't be taken out of a stream"),
        "x-message-ttl" if waits_for_retry && *current == Current::None => {
            Some("messages would never come back from it")
        }
        "x-dead-letter-exchange" | "x-dead-letter-routing-key" if waits_for_retry => {
            Some("messages would not come back from it into the queue where they are tried again")
        }
        _ => None,
    }
}

fn is(current: &Current, value: &str) -> bool {
    matches!(current, Current::Value { text, .. } if text == value)
}

/// The declaration with the argument as it stands, so that the next declare tells the next difference. `None` if that
/// can't be told from what RabbitMQ said.
pub(super) fn adopt(declaration: &Declaration, mismatch: &Mismatch) -> Option<Declaration> {
    let mut adopted = declaration.clone();
    let arguments = match (&mut adopted, mismatch.argument.as_str()) {
        (Declaration::Exchange(Exchange { durable, .. }) | Declaration::Queue(Queue { durable, .. }), "durable") => {
            *durable = flag(&mismatch.current)?;
            return Some(adopted);
        }
        (Declaration::Exchange(exchange), "auto_delete") => {
            exchange.auto_delete = flag(&mismatch.current)?;
            return Some(adopted);
        }
        (Declaration::Exchange(Exchange { arguments, .. }) | Declaration::Queue(Queue { arguments, .. }), _) => {
            arguments
        }
        (Declaration::Binding { .. }, _) => return None,
    };
    match &mismatch.current {
        Current::None => {
            arguments.remove(&mismatch.argument)?;
        }
        Current::Value { text, amqp_type } => {
            let value = argument(text, amqp_type.as_deref()?)?;
            arguments.insert(mismatch.argument.clone(), value);
        }
        Current::Untold => return None,
    }
    Some(adopted)
}

fn flag(current: &Current) -> Option<bool> {
    match current {
        Current::Value { text, .. } => text.parse().ok(),
        Current::None | Current::Untold => None,
    }
}

fn argument(text: &str, amqp_type: &str) -> Option<Argument> {
    match amqp_type {
        "longstr" => Some(Argument::Text(text.to_owned())),
        "bool" => text.parse().ok().map(Argument::Flag),
        // RabbitMQ compares all kinds of whole numbers by value.
        _ => text.parse().ok().map(Argument::Number),
    }
}
