//! Declares a plan.

use lapin::Connection;

use super::{
    Declaration, Mismatch, TopologyError,
    compare::{Comparison, compare},
    declarer::{Declarer, Refusal},
    judge::{Verdict, judge},
    probe::Probe,
    shape::Shape,
};

/// Declares all of `plan`, in order, and gives what differs but is used as it stands, one line each. What is there
/// already is left as it is, so this can be called again at any time.
///
/// A `task.exchange` without the argument `alternate-exchange` may have got it by a policy: where the plan needs it, a
/// message asks ([`is_probe`](super::is_probe)), which may wait in `tasks` for its next consumer.
///
/// # Errors
/// At the first thing that can't be used or declared.
pub async fn apply(connection: &Connection, plan: &[Declaration]) -> Result<Vec<String>, TopologyError> {
    let mut lines = Vec::new();
    let mut declarer = Declarer::open(connection).await?;
    for declaration in plan {
        let mut differences = match declaration {
            Declaration::Exchange(exchange) => declare(&mut declarer, declaration, &exchange.into()).await?,
            Declaration::Queue(queue) => declare(&mut declarer, declaration, &queue.into()).await?,
            Declaration::Binding { queue, exchange, key } => {
                let bound = declarer.bind(queue, exchange, key).await;
                bound.map_err(|refusal| refused(declaration, refusal))?;
                continue;
            }
        };
        match judge(connection, plan, declaration, &mut differences, Probe::Always).await? {
            Verdict::Usable => {}
            Verdict::Unusable(error) => return Err(error),
            Verdict::Untold(reason) => return Err(TopologyError::Refused { thing: declaration.thing(), reason }),
        }
        let line = |mismatch| format!("{} exists already, but {mismatch}", declaration.thing());
        lines.extend(differences.iter().map(line));
    }
    declarer.close().await?;
    Ok(lines)
}

/// Creates the thing, or gives how what exists differs.
async fn declare(
    declarer: &mut Declarer<'_>,
    declaration: &Declaration,
    shape: &Shape,
) -> Result<Vec<Mismatch>, TopologyError> {
    let first = match declarer.declare(shape).await {
        Ok(()) => return Ok(Vec::new()),
        Err(Refusal::Differs(mismatch)) => mismatch,
        Err(refusal) => return Err(refused(declaration, refusal)),
    };
    match compare(declarer, shape).await? {
        Comparison::Exists(differences) => Ok(differences),
        Comparison::Untold(_) | Comparison::Refused(_) => Ok(vec![first]),
        Comparison::Missing => {
            let reason = "it was deleted while it was looked at".to_owned();
            Err(TopologyError::Refused { thing: declaration.thing(), reason })
        }
    }
}

fn refused(declaration: &Declaration, refusal: Refusal) -> TopologyError {
    let reason = match refusal {
        Refusal::Connection(error) => return error.into(),
        Refusal::Differs(mismatch) => mismatch.to_string(),
        Refusal::Missing(reason) | Refusal::Other(reason) => reason,
    };
    TopologyError::Refused { thing: declaration.thing(), reason }
}
