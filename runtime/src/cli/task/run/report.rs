//! What is printed of an execution: the result alone on stdout, for the next program; the rest on stderr, for a person. Or
//! everything as one JSON object.

use serde_json::{Value, json};

use super::{input::Input, trial::Trial};
use crate::{
    cli::{attempts, output},
    outcome::Outcome,
    receipt::{HttpReceipt, Receipt},
};

/// Prints it for a person.
pub(super) fn print(trial: &Trial) -> anyhow::Result<()> {
    let error = match &trial.execution.outcome {
        Outcome::Completed(result) => {
            output::print_text(result)?;
            String::new()
        }
        Outcome::Failed(failure) | Outcome::GivenUp(failure) => format!("  {}", output::harmless(&failure.to_string())),
        Outcome::Interrupted | Outcome::Cancelled => String::new(),
    };
    output::tell(&format!("{}{error}", output::styled(status(&trial.execution.outcome))))?;
    for line in attempts::used(&receipt(&trial.execution.receipt)) {
        output::tell(&format!("  {line}"))?;
    }
    Ok(())
}

/// The whole of it.
pub(super) fn json(input: &Input, trial: &Trial) -> anyhow::Result<Value> {
    let (result, failure) = match &trial.execution.outcome {
        Outcome::Completed(result) => (Some(result), None),
        Outcome::Failed(failure) | Outcome::GivenUp(failure) => (None, Some(failure)),
        Outcome::Interrupted | Outcome::Cancelled => (None, None),
    };
    Ok(json!({
        "task_name": input.task_name,
        "component_digest": trial.digest.as_str(),
        "manifest": input.manifest.as_ref().map(|manifest| &manifest.origin),
        "status": status(&trial.execution.outcome),
        "result": result.map(|result| serde_json::from_str::<Value>(result)).transpose()?,
        "error": failure.map(ToString::to_string),
        "error_class": failure.map(|failure| failure.class.as_str()),
        // Whether a runtime would attempt it again.
        "may_pass": failure.map(|failure| failure.class.may_pass()),
        "receipt": receipt(&trial.execution.receipt),
        "log": trial.log,
    }))
}

/// As it stands in `task_store.status` once no attempt is left.
fn status(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Completed(_) => "COMPLETED",
        Outcome::Failed(_) | Outcome::GivenUp(_) => "FAILED",
        Outcome::Interrupted | Outcome::Cancelled => "CANCELLED",
    }
}

/// A receipt as `GET /v1/tasks/{id}` has it.
fn receipt(receipt: &Receipt) -> Value {
    let micros = |time: std::time::Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    let HttpReceipt { requests, sent, received, hosts } = &receipt.http;
    let http = json!({ "requests": requests, "sent_bytes": sent, "received_bytes": received, "hosts": hosts });
    json!({
        "cpu_us": micros(receipt.cpu),
        "wall_us": micros(receipt.wall),
        "memory_bytes": receipt.memory,
        "payload_bytes": receipt.payload,
        "result_bytes": receipt.result,
        "log_bytes": receipt.log_bytes,
        "http": (*requests > 0).then_some(http),
    })
}
