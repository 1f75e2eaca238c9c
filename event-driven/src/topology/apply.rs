//! Declares a plan.

use lapin::{
    Channel, Connection, ErrorKind,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::FieldTable,
};

use super::{Declaration, Mismatch, declaration::field_table, judge, probe};
use crate::names::{TASK_EXCHANGE, TASK_UNROUTED_EXCHANGE, TASKS_QUEUE};

/// Most differences of one thing that are told one after the other.
const MAX_DIFFERENCES: usize = 24;

/// Why a plan can't be applied.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TopologyError {
    /// Something exists that differs so that it can't be used. Nothing was changed about it.
    #[error(
        "{thing} exists already, but {mismatch}, and so it can't be used: {why}; delete or rename it, or change who \
         declares it"
    )]
    Unusable {
        /// What it is: `exchange task.exchange`.
        thing: String,
        /// How it differs.
        mismatch: Box<Mismatch>,
        /// Why that can't be used.
        why: &'static str,
    },
    /// `task.exchange` exists without an alternate exchange, so tasks without a route would be lost.
    #[error(
        "exchange {TASK_EXCHANGE} exists already, but without the alternate exchange {TASK_UNROUTED_EXCHANGE}, and so \
         tasks without a route would be lost; add it with: {command}; or name the keys of the tasks, so that {TASKS_QUEUE} \
         is bound to them instead: setting topology.task_keys"
    )]
    NoAlternateExchange {
        /// The command that adds it.
        command: String,
    },
    /// RabbitMQ refused for another reason (permissions, a resource that is locked).
    #[error("RabbitMQ refuses to declare {thing}: {reason}")]
    Refused {
        /// What it is.
        thing: String,
        /// RabbitMQ's words.
        reason: String,
    },
    /// The connection failed meanwhile; the same may succeed on another.
    #[error("the connection failed while the topology was declared: {0}")]
    Connection(#[from] lapin::Error),
}

/// Declares all of `plan`, in order, and gives what differs but is used as it stands, one line each. What is there
/// already is left as it is, so this can be called again at any time.
///
/// # Errors
/// At the first thing that can't be used or declared.
pub async fn apply(connection: &Connection, plan: &[Declaration]) -> Result<Vec<String>, TopologyError> {
    let mut differences = Vec::new();
    let mut channel = connection.create_channel().await?;
    for declaration in plan {
        let mut wanted = declaration.clone();
        for _ in 0..MAX_DIFFERENCES {
            let Err(error) = declare(&channel, &wanted).await else { break };
            // RabbitMQ closes a channel on which a declaration failed.
            channel = connection.create_channel().await?;
            let mismatch = mismatch_of(declaration, error)?;
            match resolve(connection, plan, &wanted, &mismatch).await? {
                Resolved::AsWanted => {}
                Resolved::Differs => differences.push(format!("{} exists already, but {mismatch}", thing(declaration))),
            }
            match judge::adopt(&wanted, &mismatch) {
                Some(adopted) => wanted = adopted,
                None => break,
            }
        }
    }
    channel.close(200, "declared".into()).await?;
    Ok(differences)
}

enum Resolved {
    /// A policy makes up for the difference.
    AsWanted,
    Differs,
}

async fn resolve(
    connection: &Connection,
    plan: &[Declaration],
    wanted: &Declaration,
    mismatch: &Mismatch,
) -> Result<Resolved, TopologyError> {
    let unrouted = matches!(wanted, Declaration::Exchange(exchange) if exchange.name == TASK_EXCHANGE)
        && mismatch.argument == "alternate-exchange";
    // Who does not consume what comes by it can do without: a task that reaches no queue is an error when it is published.
    let needed = plan
        .iter()
        .any(|other| matches!(other, Declaration::Binding { exchange, .. } if exchange == TASK_UNROUTED_EXCHANGE));
    if unrouted && mismatch.current == super::Current::None && needed {
        if probe::unrouted_tasks_arrive(connection).await? {
            return Ok(Resolved::AsWanted);
        }
        return Err(TopologyError::NoAlternateExchange { command: policy_command(connection) });
    }
    match judge::unusable(wanted, mismatch) {
        Some(why) => Err(TopologyError::Unusable { thing: thing(wanted), mismatch: Box::new(mismatch.clone()), why }),
        None => Ok(Resolved::Differs),
    }
}

fn policy_command(connection: &Connection) -> String {
    let vhost = connection.status().vhost();
    let pattern = TASK_EXCHANGE.replace('.', r"\.");
    format!(
        r#"rabbitmqctl set_policy -p '{vhost}' task-unrouted '^{pattern}$' '{{"alternate-exchange":"{TASK_UNROUTED_EXCHANGE}"}}' --apply-to exchanges"#
    )
}

fn mismatch_of(declaration: &Declaration, error: lapin::Error) -> Result<Mismatch, TopologyError> {
    match error.kind() {
        ErrorKind::ProtocolError(refusal) if error.is_amqp_soft_error() => {
            let text = refusal.get_message().as_str();
            Mismatch::parse(text)
                .ok_or_else(|| TopologyError::Refused { thing: thing(declaration), reason: text.to_owned() })
        }
        _ => Err(error.into()),
    }
}

async fn declare(channel: &Channel, declaration: &Declaration) -> Result<(), lapin::Error> {
    match declaration {
        Declaration::Exchange(exchange) => {
            let options = ExchangeDeclareOptions {
                durable: exchange.durable,
                auto_delete: exchange.auto_delete,
                ..ExchangeDeclareOptions::default()
            };
            let (name, kind) = (exchange.name.as_str().into(), exchange.kind.to_lapin());
            channel.exchange_declare(name, kind, options, field_table(&exchange.arguments)).await
        }
        Declaration::Queue(queue) => {
            let options = QueueDeclareOptions { durable: queue.durable, ..QueueDeclareOptions::default() };
            let declared = channel.queue_declare(queue.name.as_str().into(), options, field_table(&queue.arguments));
            declared.await.map(drop)
        }
        Declaration::Binding { queue, exchange, key } => {
            let (queue, exchange, key) = (queue.as_str().into(), exchange.as_str().into(), key.as_str().into());
            channel.queue_bind(queue, exchange, key, QueueBindOptions::default(), FieldTable::default()).await
        }
    }
}

fn thing(declaration: &Declaration) -> String {
    match declaration {
        Declaration::Exchange(exchange) => format!("exchange {}", exchange.name),
        Declaration::Queue(queue) => format!("queue {}", queue.name),
        Declaration::Binding { .. } => declaration.to_string(),
    }
}
