//! A guest that writes to stdout, and takes its time.

use crate::guest::{EXECUTE, FAILURE, MEMORY, NUMBER, WAITING, answer, component};

/// A component that writes `begun` so many times, each a line, waits for as many milliseconds as its payload says (a number
/// in decimals), writes `done` and gives `"done"`.
pub(crate) fn talker(times: u32) -> Vec<u8> {
    let done = answer(64, 6);
    component(&format!(
        r#"{FAILURE} {WAITING} {STDOUT} {MEMORY}
        (core func $stdout (canon lower (func $stdout "get-stdout")))
        (core func $write (canon lower (func $streams "[method]output-stream.blocking-write-and-flush")
          (memory $memory)))
        (core module $code
          (import "base" "memory" (memory 1))
          (import "host" "block" (func $block (param i32)))
          (import "host" "subscribe" (func $subscribe (param i64) (result i32)))
          (import "host" "stdout" (func $stdout (result i32)))
          (import "host" "write" (func $write (param i32 i32 i32 i32)))
          (data (i32.const 64) "\"done\"begun\ndone\n")
          {NUMBER}
          (func (export "execute") (param $at i32) (param $length i32) (result i32)
            (local $ms i64) (local $out i32) (local $times i32)
            (local.set $ms (call $number (local.get $at) (local.get $length)))
            (local.set $out (call $stdout))
            (loop $again
              (call $write (local.get $out) (i32.const 70) (i32.const 6) (i32.const 128))
              (local.set $times (i32.add (local.get $times) (i32.const 1)))
              (br_if $again (i32.lt_u (local.get $times) (i32.const {times}))))
            (call $block (call $subscribe (i64.mul (local.get $ms) (i64.const 1000000))))
            (call $write (local.get $out) (i32.const 76) (i32.const 5) (i32.const 128))
            {done}))
        (core instance $code (instantiate $code (with "base" (instance $base)) (with "host" (instance
          (export "block" (func $block)) (export "subscribe" (func $subscribe))
          (export "stdout" (func $stdout)) (export "write" (func $write))))))
        {EXECUTE}"#
    ))
}

const STDOUT: &str = r#"
    (import "wasi:io/error@0.2.0" (instance $error (export "error" (type (sub resource)))))
    (alias export $error "error" (type $error-resource))
    (import "wasi:io/streams@0.2.0" (instance $streams
      (export "output-stream" (type $out (sub resource)))
      (alias outer 1 $error-resource (type $e))
      (type $failed (variant (case "last-operation-failed" (own $e)) (case "closed")))
      (export "stream-error" (type $stream-error (eq $failed)))
      (export "[method]output-stream.blocking-write-and-flush"
        (func (param "self" (borrow $out)) (param "contents" (list u8)) (result (result (error $stream-error)))))))
    (alias export $streams "output-stream" (type $output-stream))
    (import "wasi:cli/stdout@0.2.0" (instance $stdout
      (alias outer 1 $output-stream (type $o))
      (export "get-stdout" (func (result (own $o))))))"#;
