//! An exchange or a queue as RabbitMQ compares it with what exists.
//!
//! A declare of something that exists changes nothing: RabbitMQ compares the two and names the first difference. A
//! [`Shape`] takes on each difference that was named, so that the next declare names the next one; so it has to be able to
//! be what a [`Declaration`](super::Declaration) never is.

use std::collections::BTreeMap;

use lapin::{
    Channel, ExchangeKind,
    options::{ExchangeDeclareOptions, QueueDeclareOptions},
    types::{FieldTable, ShortString},
};

use super::{Argument, Current, Exchange, Mismatch, Queue};

/// What is declared.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    pub(super) name: String,
    /// None for a queue.
    exchange_type: Option<String>,
    durable: bool,
    auto_delete: bool,
    internal: bool,
    arguments: BTreeMap<String, Argument>,
}

impl From<&Exchange> for Shape {
    fn from(exchange: &Exchange) -> Self {
        let Exchange { name, kind, durable, auto_delete, arguments } = exchange.clone();
        Self { name, exchange_type: Some(kind.to_string()), durable, auto_delete, internal: false, arguments }
    }
}

impl From<&Queue> for Shape {
    fn from(queue: &Queue) -> Self {
        let Queue { name, durable, arguments } = queue.clone();
        Self { name, exchange_type: None, durable, auto_delete: false, internal: false, arguments }
    }
}

impl Shape {
    /// The argument that makes [`uncreatable`](Self::uncreatable) what has it.
    ///
    /// RabbitMQ checks the arguments of what it creates, but compares those of what exists without a look at whether they
    /// are sound. `x-max-age` belongs to streams and is a text there; of other queues it is not compared at all. Exchanges
    /// have one argument, which is compared last.
    pub(super) fn decoy(&self) -> &'static str {
        if self.exchange_type.is_some() { "alternate-exchange" } else { "x-max-age" }
    }

    /// The same with an argument with which RabbitMQ creates nothing: what vanishes before it is compared stays away.
    pub(super) fn uncreatable(&self) -> Self {
        let mut uncreatable = self.clone();
        uncreatable.arguments.insert(self.decoy().to_owned(), Argument::Number(0));
        uncreatable
    }

    /// The argument as it is wanted.
    pub(super) fn wanted(&self, argument: &str) -> Current {
        self.arguments.get(argument).map_or(Current::None, Current::from)
    }

    pub(super) async fn declare(&self, channel: &Channel, name: ShortString) -> Result<(), lapin::Error> {
        let mut arguments = FieldTable::default();
        for (name, value) in &self.arguments {
            arguments.insert(name.as_str().into(), value.into());
        }
        let Self { durable, auto_delete, internal, .. } = *self;
        match &self.exchange_type {
            Some(kind) => {
                let options = ExchangeDeclareOptions { durable, auto_delete, internal, ..Default::default() };
                channel.exchange_declare(name, ExchangeKind::Custom(kind.clone()), options, arguments).await
            }
            None => {
                let options = QueueDeclareOptions { durable, auto_delete, ..Default::default() };
                channel.queue_declare(name, options, arguments).await.map(drop)
            }
        }
    }

    /// Asks whether something of this name exists, whatever its arguments. Needs no permission and creates nothing.
    pub(super) async fn find(&self, channel: &Channel, name: ShortString) -> Result<(), lapin::Error> {
        match &self.exchange_type {
            Some(kind) => {
                let options = ExchangeDeclareOptions { passive: true, ..Default::default() };
                channel.exchange_declare(name, ExchangeKind::Custom(kind.clone()), options, FieldTable::default()).await
            }
            None => {
                let options = QueueDeclareOptions { passive: true, ..Default::default() };
                channel.queue_declare(name, options, FieldTable::default()).await.map(drop)
            }
        }
    }

    /// Takes on the argument of what exists. False if RabbitMQ did not say what it is.
    pub(super) fn adopt(&mut self, mismatch: &Mismatch) -> bool {
        let Mismatch { argument, current, .. } = mismatch;
        match argument.as_str() {
            "type" => set(&mut self.exchange_type, current.text().map(|text| Some(text.to_owned()))),
            "durable" => set(&mut self.durable, current.flag()),
            "auto_delete" => set(&mut self.auto_delete, current.flag()),
            "internal" => set(&mut self.internal, current.flag()),
            name => self.adopt_argument(name, current),
        }
    }

    fn adopt_argument(&mut self, name: &str, current: &Current) -> bool {
        let value = match current {
            // The two are the same to RabbitMQ, but where there is none the virtual host's default would take its place.
            Current::None if name == "x-queue-type" => Some(Argument::Text("classic".to_owned())),
            Current::None => return self.arguments.remove(name).is_some(),
            // Where both are of one type, RabbitMQ does not name it.
            Current::Value { text, amqp_type: None } => {
                self.arguments.get(name).and_then(|wanted| wanted.with_value(text))
            }
            Current::Value { text, amqp_type: Some(amqp_type) } => Argument::of_type(amqp_type, text),
            Current::Untold => None,
        };
        value.map(|value| self.arguments.insert(name.to_owned(), value)).is_some()
    }
}

fn set<T>(slot: &mut T, value: Option<T>) -> bool {
    value.map(|value| *slot = value).is_some()
}

impl Argument {
    /// A value of the same kind.
    fn with_value(&self, text: &str) -> Option<Self> {
        match self {
            Self::Text(_) => Some(Self::Text(text.to_owned())),
            Self::Number(_) => text.parse().ok().map(Self::Number),
            Self::Flag(_) => text.parse().ok().map(Self::Flag),
        }
    }

    /// A value of an AMQP type, as RabbitMQ names it.
    fn of_type(amqp_type: &str, text: &str) -> Option<Self> {
        match amqp_type {
            "longstr" => Some(Self::Text(text.to_owned())),
            "bool" => text.parse().ok().map(Self::Flag),
            // RabbitMQ compares all kinds of whole numbers by value.
            _ => text.parse().ok().map(Self::Number),
        }
    }
}
