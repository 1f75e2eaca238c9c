//! One thing to declare, as plain data.

use std::{collections::BTreeMap, fmt};

use lapin::types::AMQPValue;

/// One thing that must exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Declaration {
    /// An exchange.
    Exchange(Exchange),
    /// A queue.
    Queue(Queue),
    /// A queue gets what an exchange routes by a key.
    Binding {
        /// The queue.
        queue: String,
        /// The exchange.
        exchange: String,
        /// The binding key; a fanout exchange ignores it.
        key: String,
    },
}

/// An exchange and its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// Its name.
    pub name: String,
    /// How it routes.
    pub kind: ExchangeType,
    /// Whether it survives a restart of the broker.
    pub durable: bool,
    /// Whether it goes when its last binding goes.
    pub auto_delete: bool,
    /// Further arguments by name.
    pub arguments: BTreeMap<String, Argument>,
}

/// A queue and its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// Its name.
    pub name: String,
    /// Whether it survives a restart of the broker.
    pub durable: bool,
    /// Further arguments by name.
    pub arguments: BTreeMap<String, Argument>,
}

/// How an exchange routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExchangeType {
    /// By the whole key.
    Direct,
    /// To all.
    Fanout,
    /// By patterns of the key.
    Topic,
}

/// The value of an argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Argument {
    /// A text.
    Text(String),
    /// A number.
    Number(i64),
    /// Yes or no.
    Flag(bool),
}

impl From<&Argument> for AMQPValue {
    fn from(argument: &Argument) -> Self {
        match argument {
            Argument::Text(text) => Self::LongString(text.as_str().into()),
            Argument::Number(number) => Self::LongLongInt(*number),
            Argument::Flag(flag) => Self::Boolean(*flag),
        }
    }
}

impl Declaration {
    /// What it is, without its arguments: `exchange task.exchange`.
    pub fn thing(&self) -> String {
        match self {
            Self::Exchange(exchange) => format!("exchange {}", exchange.name),
            Self::Queue(queue) => format!("queue {}", queue.name),
            Self::Binding { .. } => self.to_string(),
        }
    }
}

impl fmt::Display for ExchangeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Direct => "direct",
            Self::Fanout => "fanout",
            Self::Topic => "topic",
        })
    }
}

impl fmt::Display for Argument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "'{text}'"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Flag(flag) => write!(f, "{flag}"),
        }
    }
}

/// One line, for `topology show` and for logs.
impl fmt::Display for Declaration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (durable, arguments) = match self {
            Self::Exchange(exchange) => {
                write!(f, "exchange {} ({})", exchange.name, exchange.kind)?;
                (exchange.durable, &exchange.arguments)
            }
            Self::Queue(queue) => {
                write!(f, "queue {}", queue.name)?;
                (queue.durable, &queue.arguments)
            }
            Self::Binding { queue, exchange, key } => {
                return write!(f, "binding of {queue} to {exchange} by key '{key}'");
            }
        };
        f.write_str(if durable { " durable" } else { " transient" })?;
        arguments.iter().try_for_each(|(name, value)| write!(f, " {name}={value}"))
    }
}
