//! More than its share of time, memory and output.

use std::fs;

use serde_json::json;
use warren::outcome::ErrorClass;

use super::attacker::{Prison, execute};
use crate::guest::{self, answer, component, guest_with};

#[tokio::test]
async fn whatever_it_takes_too_much_of_ends_it_with_the_line_that_would_allow_more() {
    let prison = Prison::strict();
    let attacks = [
        (
            "[limits]\ntimeout = '100ms'",
            json!({ "attack": "sleep", "ms": 60_000 }),
            ErrorClass::Timeout,
            "[limits] timeout",
        ),
        ("[limits]\ncpu = '100ms'", json!({ "attack": "spin" }), ErrorClass::CpuTime, "[limits] cpu"),
        ("[limits]\nmemory = '8MiB'", json!({ "attack": "hoard" }), ErrorClass::OutOfMemory, "[limits] memory"),
        ("[limits]\nlog = '64KiB'", json!({ "attack": "chatter" }), ErrorClass::LogTooLarge, "[limits] log"),
        (
            "[limits]\noutput = '1KiB'",
            json!({ "attack": "large", "bytes": 5000 }),
            ErrorClass::OutputTooLarge,
            "[limits] output",
        ),
        ("", json!({ "attack": "large", "bytes": 5_000_000 }), ErrorClass::OutputTooLarge, "[limits] output"),
        ("[limits]\npayload = '10B'", json!({ "attack": "none" }), ErrorClass::PayloadTooLarge, "[limits] payload"),
    ];
    for (manifest, attack, class, line) in attacks {
        prison.attack(manifest, attack).await.failed_as(class, &[line, "its limit is"]);
    }
}

#[tokio::test]
async fn waiting_costs_no_processor_time() {
    let attacked = Prison::strict().attack("[limits]\ncpu = '2s'", json!({ "attack": "sleep", "ms": 4000 })).await;
    assert_eq!(attacked.got(), 4000);
    assert!(attacked.receipt().wall.as_millis() >= 4000 && attacked.receipt().cpu.as_millis() < 2000, "{attacked:?}");
}

#[tokio::test]
async fn a_log_is_bounded_in_the_host_too() {
    let attacked = Prison::strict().attack("[limits]\nlog = '8MiB'", json!({ "attack": "chatter" })).await;
    attacked.failed_as(ErrorClass::LogTooLarge, &[]);
    assert!(attacked.receipt().log_bytes > 8 << 20);
    assert!(attacked.receipt().log.len() <= 16 << 10);
}

#[tokio::test]
async fn tables_and_several_memories_count_as_memory() {
    let prison = Prison::strict();
    let run = async |bytes: Vec<u8>| {
        let compiler = warren::components::Compiler::new(
            prison.sandbox.engine().clone(),
            warren::components::Place::InProcess,
            None,
        );
        let (_, compiled) = compiler.compile(bytes.into()).await.unwrap();
        let limits = warren::manifest::Limits { memory: bytesize::ByteSize::kib(200), ..Default::default() };
        let manifest = warren::manifest::Manifest { limits, ..prison.bounds().without_manifest() };
        let program = prison.sandbox.prepare(&compiled, manifest).unwrap();
        execute(&prison.sandbox, std::sync::Arc::new(program), json!({})).await
    };
    let memory = r#"(memory (export "memory") 1) (data (i32.const 64) "{}")"#;
    let small = run(guest_with(memory, &answer(64, 2))).await;
    assert_eq!(small.got(), json!({}));
    let table = format!("{memory} (table 18000 funcref)");
    assert_eq!(run(guest_with(&table, &answer(64, 2))).await.failed().class, ErrorClass::OutOfMemory);
    let growing = format!("{memory} (table $t 1 funcref)");
    let grow = "(loop $more (br_if $more (i32.ne (table.grow $t (ref.null func) (i32.const 1000)) (i32.const -1)))) (unreachable)";
    assert_eq!(run(guest_with(&growing, grow)).await.failed().class, ErrorClass::OutOfMemory);
    let memories: String =
        (0..3).map(|n| format!("(core module $m{n} (memory 1)) (core instance (instantiate $m{n}))")).collect();
    let several = component(&format!("{memories} {}", guest::execute(memory, &answer(64, 2))));
    assert_eq!(run(several).await.failed().class, ErrorClass::OutOfMemory);
}

/// Resident memory of this process, in KiB.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse().unwrap()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn ten_thousand_traps_leave_nothing_behind() {
    let prison = Prison::strict();
    let program = prison.program("").await;
    let mut after_the_first = 0;
    for n in 0..10_000 {
        execute(&prison.sandbox, program.clone(), json!({ "attack": "panic" })).await.failed_as(ErrorClass::Trap, &[]);
        if n == 1000 {
            after_the_first = resident();
        }
    }
    let grown = resident().saturating_sub(after_the_first);
    assert!(grown < 16 << 10, "9,000 traps took {grown} KiB");
}
