//! Whether a thing that differs from the plan can be used as it stands.

use lapin::Connection;

use super::{
    Argument, Current, Declaration, Mismatch, Queue, TopologyError,
    probe::{self, Alternate, Probe},
};
use crate::names::{TASK_EXCHANGE, TASK_UNROUTED_EXCHANGE};

/// What can be done with a thing that exists.
#[derive(Debug)]
pub(super) enum Verdict {
    /// Use it as it stands.
    Usable,
    /// Nothing, for this reason.
    Unusable(TopologyError),
    /// That can't be told, for this reason.
    Untold(String),
}

/// Judges what exists in place of `wanted`. Takes out of `differences` what a policy makes up for.
pub(super) async fn judge(
    connection: &Connection,
    plan: &[Declaration],
    wanted: &Declaration,
    differences: &mut Vec<Mismatch>,
    probe: Probe,
) -> Result<Verdict, lapin::Error> {
    let unusable = differences.iter().find_map(|mismatch| Some((mismatch, unusable(wanted, mismatch)?)));
    if let Some((mismatch, why)) = unusable.or_else(|| drops_messages(wanted, differences)) {
        let mismatch = Box::new(mismatch.clone());
        return Ok(Verdict::Unusable(TopologyError::Unusable { thing: wanted.thing(), mismatch, why }));
    }
    if !needs_alternate(plan, wanted) || !differences.iter().any(lacks_alternate) {
        return Ok(Verdict::Usable);
    }
    Ok(match probe::alternate(connection, probe).await? {
        Alternate::ByPolicy => {
            differences.retain(|mismatch| !lacks_alternate(mismatch));
            Verdict::Usable
        }
        Alternate::None => {
            Verdict::Unusable(TopologyError::NoAlternateExchange { command: policy_command(connection) })
        }
        Alternate::Refused(reason) => {
            let reason = format!("whether it has an alternate exchange by a policy can't be found out: {reason}");
            Verdict::Unusable(TopologyError::Refused { thing: wanted.thing(), reason })
        }
        Alternate::Untold(reason) => Verdict::Untold(reason),
    })
}

/// Who does not consume what comes by the alternate exchange can do without: a task that reaches no queue is an error when
/// it is published.
fn needs_alternate(plan: &[Declaration], wanted: &Declaration) -> bool {
    let by_unrouted = |other: &Declaration| matches!(other, Declaration::Binding { exchange, .. } if exchange == TASK_UNROUTED_EXCHANGE);
    matches!(wanted, Declaration::Exchange(exchange) if exchange.name == TASK_EXCHANGE) && plan.iter().any(by_unrouted)
}

fn lacks_alternate(mismatch: &Mismatch) -> bool {
    mismatch.argument == "alternate-exchange" && mismatch.current == Current::None
}

fn policy_command(connection: &Connection) -> String {
    // As a shell reads it, whatever it is called.
    let vhost = connection.status().vhost().as_str().replace('\'', r"'\''");
    let pattern = TASK_EXCHANGE.replace('.', r"\.");
    format!(
        r#"rabbitmqctl set_policy -p '{vhost}' task-unrouted '^{pattern}$' '{{"alternate-exchange":"{TASK_UNROUTED_EXCHANGE}"}}' --apply-to exchanges"#
    )
}

/// Why a thing can't be used with this difference, whatever else there is; `None` if it can.
fn unusable(declaration: &Declaration, mismatch: &Mismatch) -> Option<&'static str> {
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
        "x-queue-type" if current.text() == Some("stream") => Some("messages can't be taken out of a stream"),
        "x-message-ttl" if waits_for_retry && *current == Current::None => {
            Some("messages would never come back from it")
        }
        "x-dead-letter-exchange" | "x-dead-letter-routing-key" if waits_for_retry => {
            Some("messages would not come back from it into the queue where they are tried again")
        }
        _ => None,
    }
}

/// Why a queue of work can't be used with these differences together: RabbitMQ takes the oldest messages out of a queue
/// that is full, unless it is told to refuse the newest. Dead letters may be limited by who looks at them.
fn drops_messages<'d>(declaration: &Declaration, differences: &'d [Mismatch]) -> Option<(&'d Mismatch, &'static str)> {
    let Declaration::Queue(queue) = declaration else { return None };
    // Only a queue of dead letters has nowhere to send its messages.
    if !queue.arguments.contains_key("x-dead-letter-exchange") {
        return None;
    }
    let differs = |argument: &str| differences.iter().find(|mismatch| mismatch.argument == argument);
    let is_limited = |argument: &str| match differs(argument) {
        Some(mismatch) => mismatch.current != Current::None,
        None => queue.arguments.contains_key(argument),
    };
    let overflow = match differs("x-overflow") {
        Some(mismatch) => mismatch.current.clone(),
        None => queue.arguments.get("x-overflow").map_or(Current::None, Current::from),
    };
    let refuses = overflow.text().is_some_and(|overflow| overflow.starts_with("reject-publish"));
    if refuses || !["x-max-length", "x-max-length-bytes"].into_iter().any(is_limited) {
        return None;
    }
    let told = ["x-max-length", "x-max-length-bytes", "x-overflow"].into_iter().find_map(differs)?;
    Some((told, "it would drop its oldest messages when it is full (x-overflow is not reject-publish)"))
}
