//! What the steps of a task's way cost, each alone: reading the envelope, instantiate and execute, merging states in the
//! recorder, acks in groups. `cargo bench -p warren-bench`; among the tests each is run once, to see that it still runs.

#![allow(missing_docs, reason = "criterion's macros make public functions")]

#[path = "../../runtime/examples/support/execute.rs"]
mod execute;

use std::{hint::black_box, path::PathBuf, sync::Arc, time::Duration};

use chrono::Utc;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use event_driven::{client::AckWindow, message::TaskRequest};
use execute::execute;
use futures_util::future::join_all;
use tokio::runtime::Runtime;
use uuid::Uuid;
use warren::{
    bench::Workload,
    components::{Compiler, Place},
    config::Config,
    lifecycle::{AttemptOutcome, AttemptRow, Database, DatabaseConfig, Recorder, TaskRow, TaskStatus},
    sandbox::{EngineSettings, Program, Sandbox},
};

const PAYLOAD: &str = r#"{"n":1,"text":"a task of some eighty bytes, as one of this kind has"}"#;

/// Rows that share a statement, and deliveries that share an ack.
const GROUP: u16 = 500;

/// What is asked for, as a publisher writes it and as it is read.
fn envelope(criterion: &mut Criterion) {
    let workload = Workload {
        task_name: "echo".parse().expect("it is a name"),
        payload: PAYLOAD.parse().expect("it is JSON"),
        with_ids: true,
        routing_key: None,
    };
    let correlation_id = Uuid::now_v7().to_string().parse().expect("it is short");
    let request = TaskRequest { correlation_id, ..workload.task(0, None) };
    let message = request.encode();
    criterion.bench_function("envelope: decode", |bencher| {
        bencher.iter(|| {
            TaskRequest::decode(&request.routing_key, &message.properties, black_box(&message.body), 1 << 20)
                .expect("it was made so")
        });
    });
}

/// One execution of `echo` after the other, with limits, receipt and log.
fn execution(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("threads can be started");
    let settings = EngineSettings { concurrency: 64, threads: 2, max_memory: 64 << 20, stack: 512 << 10 };
    let sandbox = Sandbox::new(&settings).expect("there is address space");
    let program = Arc::new(runtime.block_on(echo(&sandbox)));
    criterion.bench_function("sandbox: instantiate and execute", |bencher| {
        bencher.iter(|| runtime.block_on(execute(&sandbox, program.clone(), PAYLOAD)).expect("it is executed"));
    });
}

async fn echo(sandbox: &Sandbox) -> Program {
    let folder = ["BENCH_COMPONENTS", "WARREN_TEST_COMPONENTS"].into_iter().find_map(std::env::var_os);
    let folder = folder.map_or_else(|| PathBuf::from("../target/components"), PathBuf::from);
    let file = folder.join("echo.wasm");
    let bytes = std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}; `make components`", file.display()));
    let compiler = Compiler::new(sandbox.engine().clone(), Place::InProcess, None);
    let (_, component) = compiler.compile(bytes.into()).await.expect("it compiles");
    sandbox.prepare(&component, Config::default().to_bounds().without_manifest()).expect("it is a task")
}

/// Tasks that are told to run and then to be over: each is one row, many are one statement.
fn recorder(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("threads can be started");
    let (_database, recorder) = runtime.block_on(async {
        let database = Database::connect(&DatabaseConfig::new("sqlite::memory:")).await.expect("it is in memory");
        database.migrate().await.expect("it is empty");
        let recorder = Recorder::start(&database);
        (database, recorder)
    });
    let mut group = criterion.benchmark_group("recorder");
    group.throughput(Throughput::Elements(GROUP.into()));
    group.bench_function("announce, merge and write, SQLite in memory", |bencher| {
        bencher.iter_batched(
            || (0..GROUP).map(|_| running_and_completed()).collect::<Vec<_>>(),
            |states| {
                runtime.block_on(async {
                    for (running, _) in &states {
                        recorder.announce(running.clone());
                    }
                    for recorded in join_all(states.into_iter().map(|(_, over)| recorder.record(over))).await {
                        recorded.expect("SQLite takes every row");
                    }
                });
            },
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

fn running_and_completed() -> (TaskRow, TaskRow) {
    let now = Utc::now();
    let mut attempt = AttemptRow::begun(0, "bench".into(), now);
    let mut running = TaskRow::new(Uuid::now_v7(), now);
    running.task_name = Some("echo".into());
    running.payload = Some(PAYLOAD.into());
    running.status = TaskStatus::Running;
    running.started_at = Some(now);
    running.attempts = vec![attempt.clone()];
    attempt.end(AttemptOutcome::Completed, None, now);
    let over = TaskRow {
        status: TaskStatus::Completed,
        result: Some(PAYLOAD.into()),
        finished_at: Some(now),
        attempts: vec![attempt],
        ..running.clone()
    };
    (running, over)
}

/// Deliveries that are done out of order, and the acks that tell of them.
fn acks(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("acks");
    group.throughput(Throughput::Elements(GROUP.into()));
    group.bench_function("a group that is done out of order", |bencher| {
        let (mut window, mut first) = (AckWindow::new(GROUP * 4), 1);
        bencher.iter(|| {
            let tags = first..first + u64::from(GROUP);
            tags.clone().for_each(|tag| window.delivered(tag));
            // Neighbours in turn, as two threads are done with them.
            tags.clone().skip(1).step_by(2).for_each(|tag| window.done(tag));
            tags.step_by(2).for_each(|tag| window.done(tag));
            first += u64::from(GROUP);
            black_box(window.take())
        });
    });
    group.finish();
}

criterion_group! {
    name = steps;
    config = Criterion::default().measurement_time(Duration::from_secs(3)).without_plots();
    targets = envelope, execution, recorder, acks
}
criterion_main!(steps);
