//! Two runtimes under load, while they and their servers are killed, stopped, cut off and stalled: nothing is lost,
//! nothing ends wrong, nothing that is COMPLETED is executed again.
//!
//! `make chaos SEED=… ROUNDS=… TASKS=…` runs it for longer. A seed decides what is published and which faults there
//! are; when exactly they hit is left to the machine. RabbitMQ and PostgreSQL are started here, on free ports, since they
//! are killed; where their programs are not installed the test says so and passes, unless WARREN_TEST_STRICT is set.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

use std::{fs, path::Path};

use programs::Programs;
use run::Plan;

#[path = "chaos/child.rs"]
mod child;
#[path = "chaos/completions.rs"]
mod completions;
#[path = "chaos/dead_letters.rs"]
mod dead_letters;
#[path = "chaos/dice.rs"]
mod dice;
#[path = "chaos/executions.rs"]
mod executions;
#[path = "chaos/fault.rs"]
mod fault;
#[path = "chaos/field.rs"]
mod field;
#[path = "support/guest.rs"]
mod guest;
#[path = "chaos/guests.rs"]
mod guests;
#[path = "chaos/kind.rs"]
mod kind;
#[path = "chaos/load.rs"]
mod load;
#[path = "chaos/postgres.rs"]
mod postgres;
#[path = "support/process.rs"]
mod process;
#[path = "chaos/programs.rs"]
mod programs;
#[path = "../../event-driven/tests/support/proxy.rs"]
mod proxy;
#[path = "chaos/rabbitmq.rs"]
mod rabbitmq;
#[path = "chaos/report.rs"]
mod report;
#[path = "chaos/rows.rs"]
mod rows;
#[path = "chaos/run.rs"]
mod run;
#[path = "chaos/runtime.rs"]
mod runtime;
#[path = "chaos/verdict.rs"]
mod verdict;
#[path = "chaos/violations.rs"]
mod violations;

/// A number from the environment; an empty one is none, as `make` passes it.
fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok().filter(|text| !text.is_empty())?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} takes a number, not {text:?}")))
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_whatever_fails() {
    let programs = match Programs::find() {
        Ok(programs) => programs,
        Err(missing) if std::env::var_os("WARREN_TEST_STRICT").is_some() => panic!("{missing}, and it has to be there"),
        Err(missing) => return eprintln!("SKIPPED: {missing}, and this test needs one that it can kill"),
    };
    let seed = setting("WARREN_CHAOS_SEED")
        .unwrap_or_else(|| chrono::Utc::now().timestamp_millis().unsigned_abs() % 1_000_000);
    let plan = Plan {
        seed,
        rounds: usize::try_from(setting("WARREN_CHAOS_ROUNDS").unwrap_or(6)).unwrap(),
        tasks: usize::try_from(setting("WARREN_CHAOS_TASKS").unwrap_or(2000)).unwrap(),
    };
    println!("chaos: {plan:?}; to run it again: make chaos SEED={seed} ROUNDS={} TASKS={}", plan.rounds, plan.tasks);
    let logs = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("chaos-{seed}"));
    // Of an earlier run with the same seed, if there was one.
    let _ = fs::remove_dir_all(&logs);
    fs::create_dir_all(&logs).expect("the folder can be made");
    let violations = run::run(plan, field::Field::start(&programs, &logs).await).await;
    assert_eq!(violations, 0, "the logs of the runtimes are in {}", logs.display());
    fs::remove_dir_all(&logs).expect("the logs are ours");
}
