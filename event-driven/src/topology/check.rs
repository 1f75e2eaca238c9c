//! Compares a plan with what exists, and changes nothing.

use lapin::Connection;

use super::{
    Declaration, Mismatch, TopologyError,
    compare::{Comparison, compare},
    declarer::Declarer,
    judge::{Verdict, judge},
    probe::Probe,
    shape::Shape,
};

/// What was found of one declaration.
#[derive(Debug, Clone)]
pub struct Finding {
    /// What was looked for.
    pub declaration: Declaration,
    /// How it stands.
    pub state: State,
    /// Every argument in which what exists differs. RabbitMQ compares those that it knows for the kind of thing that
    /// exists; others have no effect.
    pub differences: Vec<Mismatch>,
}

/// How one thing stands.
#[derive(Debug, Clone)]
pub enum State {
    /// It exists as planned.
    Right,
    /// It exists, and can be used with its differences.
    Usable,
    /// It does not exist.
    Missing,
    /// It exists, and can't be used: as it is, or because RabbitMQ refuses it to this user.
    Unusable(TopologyError),
    /// RabbitMQ does not tell, for this reason. AMQP can't ask for bindings at all.
    Untold(String),
}

impl State {
    /// Whether the plan can't work like this: something is missing or can't be used.
    pub fn is_wrong(&self) -> bool {
        match self {
            Self::Missing | Self::Unusable(_) => true,
            Self::Right | Self::Usable | Self::Untold(_) => false,
        }
    }
}

/// Looks for all of `plan`, in order, and says of each declaration how what exists compares with it.
///
/// Creates, changes and deletes nothing, even if something is deleted meanwhile. What exists is compared as
/// [`apply`](super::apply) would find it, with the same permissions: to configure it.
///
/// What policies add is not seen, with one exception: whether `task.exchange` got its alternate exchange from one, where it
/// has none itself and the plan needs it. That takes a message ([`is_probe`](super::is_probe)) and for a moment a queue of
/// this connection's own. The message is published only where it does not stay behind: while `tasks` has a consumer, which
/// drops it, or does not exist.
///
/// # Errors
/// If the connection fails. When it dies at the wrong moment this may wait for ever: race it with
/// [`lost`](crate::connection::lost).
pub async fn check(connection: &Connection, plan: &[Declaration]) -> Result<Vec<Finding>, TopologyError> {
    let mut declarer = Declarer::open(connection).await?;
    let mut findings: Vec<Finding> = Vec::with_capacity(plan.len());
    for declaration in plan {
        let shape = match declaration {
            Declaration::Exchange(exchange) => Shape::from(exchange),
            Declaration::Queue(queue) => Shape::from(queue),
            Declaration::Binding { queue, exchange, .. } => {
                let state = binding(&findings, queue, exchange);
                findings.push(Finding { declaration: declaration.clone(), state, differences: Vec::new() });
                continue;
            }
        };
        let (state, differences) = match compare(&mut declarer, &shape).await? {
            Comparison::Missing => (State::Missing, Vec::new()),
            Comparison::Untold(reason) => (State::Untold(reason), Vec::new()),
            Comparison::Refused(reason) => {
                (State::Unusable(TopologyError::Refused { thing: declaration.thing(), reason }), Vec::new())
            }
            Comparison::Exists(mut differences) => {
                let verdict = judge(connection, plan, declaration, &mut differences, Probe::IfNothingStays).await?;
                (State::of(verdict, &differences), differences)
            }
        };
        findings.push(Finding { declaration: declaration.clone(), state, differences });
    }
    declarer.close().await?;
    Ok(findings)
}

/// A binding can't be asked for, but goes with the queue and the exchange.
fn binding(findings: &[Finding], queue: &str, exchange: &str) -> State {
    let is_end = |declaration: &Declaration| match declaration {
        Declaration::Exchange(found) => found.name == exchange,
        Declaration::Queue(found) => found.name == queue,
        Declaration::Binding { .. } => false,
    };
    let missing = |finding: &Finding| matches!(finding.state, State::Missing) && is_end(&finding.declaration);
    match findings.iter().any(missing) {
        true => State::Missing,
        false => State::Untold("AMQP can't ask for bindings".to_owned()),
    }
}

impl State {
    fn of(verdict: Verdict, differences: &[Mismatch]) -> Self {
        match verdict {
            Verdict::Usable if differences.is_empty() => Self::Right,
            Verdict::Usable => Self::Usable,
            Verdict::Unusable(error) => Self::Unusable(error),
            Verdict::Untold(reason) => Self::Untold(reason),
        }
    }
}
