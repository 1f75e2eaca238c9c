//! Finds every argument in which what exists differs from what is wanted, and changes nothing.
//!
//! AMQP can't ask for arguments, and a declare names one difference at a time. A declare also creates what does not exist,
//! and what exists now may be deleted a moment later. So it is looked for passively first, and then declared only in a
//! shape in which RabbitMQ compares but creates nothing ([`Shape::uncreatable`]).

use super::{
    Current, Mismatch,
    declarer::{Declarer, Refusal},
    shape::Shape,
};

/// Most differences of one thing that are told one after the other; RabbitMQ compares fewer arguments.
const MAX_DIFFERENCES: usize = 24;

/// What is there, beside what is wanted.
#[derive(Debug)]
pub(super) enum Comparison {
    /// Nothing.
    Missing,
    /// Something that differs in these arguments.
    Exists(Vec<Mismatch>),
    /// RabbitMQ refuses to compare it, and would refuse to declare it, in its words.
    Refused(String),
    /// Its answer was cut, so that it can't be told.
    Untold(String),
}

/// Compares `wanted` with what exists.
pub(super) async fn compare(declarer: &mut Declarer<'_>, wanted: &Shape) -> Result<Comparison, lapin::Error> {
    if let Err(refusal) = declarer.find(wanted).await {
        return Comparison::of(refusal);
    }
    let mut shape = wanted.uncreatable();
    let mut differences = Vec::new();
    while differences.len() < MAX_DIFFERENCES {
        let mismatch = match declarer.declare(&shape).await {
            Ok(()) => break,
            Err(Refusal::Differs(mismatch)) => mismatch,
            // It may have been deleted since it was found: then RabbitMQ says that it can't create such a thing.
            Err(refusal) => return Comparison::of(declarer.find(wanted).await.err().unwrap_or(refusal)),
        };
        if mismatch.argument == shape.decoy() {
            let Mismatch { argument, current, .. } = mismatch;
            let wanted = wanted.wanted(&argument);
            if current == Current::Untold {
                return Ok(Comparison::Untold(format!("{argument} is {current}")));
            }
            if current.text() != wanted.text() {
                differences.push(Mismatch { argument, wanted, current });
            }
            break;
        }
        let told = shape.adopt(&mismatch);
        differences.push(mismatch);
        if !told {
            break;
        }
    }
    Ok(Comparison::Exists(differences))
}

impl Comparison {
    fn of(refusal: Refusal) -> Result<Self, lapin::Error> {
        match refusal {
            Refusal::Missing(_) => Ok(Self::Missing),
            Refusal::Differs(mismatch) => Ok(Self::Exists(vec![mismatch])),
            Refusal::Other(reason) => Ok(Self::Refused(reason)),
            Refusal::Connection(error) => Err(error),
        }
    }
}
