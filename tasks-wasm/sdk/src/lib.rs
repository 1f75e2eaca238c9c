//! Write a warren component in Rust: one function from a payload to a result.
//!
//! A component is compiled code that warren runs in a sandbox, once for each task that names it. This crate turns a
//! function over your own types into one. There is no WIT to write, no build script and no `unsafe`: the crate of a
//! component may say `#![forbid(unsafe_code)]`.
//!
//! ```
//! use serde::{Deserialize, Serialize};
//! use warren_task::Failure;
//!
//! #[derive(Deserialize)]
//! struct Order {
//!     sku: String,
//!     quantity: u32,
//! }
//!
//! #[derive(Serialize)]
//! struct Receipt {
//!     reserved: u32,
//! }
//!
//! #[warren_task::task]
//! fn execute(order: Order) -> Result<Receipt, Failure> {
//!     if order.quantity > 100 {
//!         return Err(Failure::business(format_args!("not enough {} in stock", order.sku)));
//!     }
//!     Ok(Receipt { reserved: order.quantity })
//! }
//! # assert_eq!(execute(Order { sku: "cup".to_owned(), quantity: 2 }).unwrap().reserved, 2);
//! ```
//!
//! # From nothing to a task that ran
//!
//! **1. A crate.** `warren component new reserve_stock` writes one that builds, with a test. By hand it is
//! `cargo new --lib reserve_stock` and this in its `Cargo.toml`:
//!
//! ```toml
//! [lib]
//! crate-type = ["cdylib"]
//!
//! [dependencies]
//! serde = { version = "1", features = ["derive"] }
//! warren-task = { path = "…/tasks-wasm/sdk" }    # it is on no registry yet
//!
//! [profile.release]
//! lto = "fat"
//! codegen-units = 1
//! panic = "abort"
//! strip = true
//! ```
//!
//! **2. The function**, as above, in `src/lib.rs`. One `#[warren_task::task]` in a crate.
//!
//! **3. Its test.** The function stays ordinary Rust; `cargo test` runs on your machine, without a sandbox:
//!
//! ```
//! # use warren_task::{Failure, serde_json::{Value, json}};
//! #[warren_task::task]
//! fn execute(payload: Value) -> Result<Value, Failure> {
//!     let lines = payload["lines"].as_array().ok_or_else(|| Failure::invalid("payload.lines: expected an array"))?;
//!     Ok(json!({ "lines": lines.len() }))
//! }
//!
//! # // In a crate this is a function under #[test].
//! assert_eq!(execute(json!({ "lines": [1, 2] })), Ok(json!({ "lines": 2 })));
//! assert!(matches!(execute(json!({})), Err(Failure::Invalid(_))));
//! ```
//!
//! **4. The component.**
//!
//! ```sh
//! warren component build      # in the crate's folder; says what to install where something is missing
//! warren task run target/wasm32-wasip2/release/reserve_stock.wasm --payload '{"sku": "cup", "quantity": 2}'
//! ```
//!
//! The second line executes it in the sandbox of the runtime, and needs no service. What it may use and reach stands in
//! `component.toml` beside `Cargo.toml`.
//!
//! **5. A runtime, the upload, a task.** `warren dev` needs nothing installed. Start it in the same folder, leave it
//! running, and open a second terminal there: the upload goes into the folder `components`, which it watches.
//!
//! ```sh
//! warren component push target/wasm32-wasip2/release/reserve_stock.wasm
//! warren task publish reserve_stock --payload '{"sku": "cup", "quantity": 2}' --wait
//! ```
//!
//! A task is named after its component's file. Cargo writes `-` as `_` in file names: the crate `my-task` becomes
//! `my_task.wasm`, and its tasks are published as `my_task`. Task names may have both, so a file that was renamed to
//! `my-task.wasm` is fine too.
//!
//! # Payload and result
//!
//! The payload is any type that implements `serde::Deserialize` and owns its data; the result is any that implements
//! `serde::Serialize`. For JSON that is not known beforehand there is [`serde_json::Value`], and to hand JSON on without
//! taking it apart `Box<`[`RawValue`](serde_json::value::RawValue)`>`. Your crate needs no `serde_json` of its own.
//!
//! A payload that doesn't fit never reaches the function. The task fails as `invalid`, with the place and the reason:
//! ``payload.lines[1].quantity: invalid type: string "two", expected u32 at line 1 column 45``.
//!
//! # Failures
//!
//! | failure | means | then |
//! |---|---|---|
//! | [`Failure::Invalid`] | the payload is wrong | FAILED, not retried |
//! | [`Failure::Business`] | the work is refused by a rule | FAILED, not retried |
//! | [`Failure::Technical`] | something failed that may pass | retried with a growing delay, then FAILED |
//!
//! `?` works on a [`Failure`] and on every `std::error::Error`. The latter becomes technical, with its whole chain of
//! sources in the text; where that is not what it means, say so with `map_err`:
//!
//! ```
//! # use warren_task::Failure;
//! #[warren_task::task]
//! fn execute(amount: String) -> Result<u64, Failure> {
//!     let amount: u64 = amount.parse().map_err(Failure::invalid)?;
//!     let limit: u64 = std::fs::read_to_string("/data/limit")?.trim().parse()?;
//!     if amount > limit {
//!         return Err(Failure::business(format_args!("{amount} is above the limit of {limit}")));
//!     }
//!     Ok(amount)
//! }
//! # assert!(matches!(execute("ten".to_owned()), Err(Failure::Invalid(_))));
//! # assert!(matches!(execute("10".to_owned()), Err(Failure::Technical(_))));
//! ```
//!
//! A panic, a deadline that passed and memory that ran out count as technical as well, since a component can't tell
//! whether they would pass. What it prints to stdout and stderr goes to the runtime's log, within a limit.
//!
//! # What a component may do
//!
//! Compute, by itself; anything else (a directory, a host, an environment variable) is granted by the manifest beside
//! the component, `reserve_stock.toml`, and is otherwise just not there. Each task gets an instance of its own: nothing
//! in memory outlives it. Functions are not async, and needn't be: one that waits holds up no other.
//!
//! [`context()`] tells which task this is, which attempt, and how long it may still take.
//!
//! # What is refused while compiling
//!
//! A signature that can't be a task is an error at the word that is wrong, with what to write in its place:
//!
//! ```compile_fail
//! # use warren_task::Failure;
//! #[warren_task::task]
//! async fn execute(order: String) -> Result<String, Failure> {
//!     Ok(order) // error: a task is not async: remove `async` and write `fn execute(order: Order) -> …`
//! }
//! ```
//!
//! So are a task without its payload, with a second argument, with generics, with a borrowed payload, without a result:
//!
//! ```compile_fail
//! # use warren_task::Failure;
//! #[warren_task::task]
//! fn execute() -> Result<String, Failure> { Ok(String::new()) }
//! ```
//! ```compile_fail
//! # use warren_task::Failure;
//! #[warren_task::task]
//! fn execute(order: String, note: String) -> Result<String, Failure> { Ok(order + &note) }
//! ```
//! ```compile_fail
//! # use warren_task::{Failure, serde_json::Value};
//! #[warren_task::task]
//! fn execute<T: From<Value>>(order: Value) -> Result<Value, Failure> { Ok(order) }
//! ```
//! ```compile_fail
//! # use warren_task::Failure;
//! #[warren_task::task]
//! fn execute(order: &str) -> Result<String, Failure> { Ok(order.to_owned()) }
//! ```
//! ```compile_fail
//! #[warren_task::task]
//! fn execute(order: String) {}
//! ```
//!
//! And types that don't fit, which are found on the host as well as for wasm: a payload that is not `Deserialize`, a
//! return type that is not a `Result<T, Failure>`:
//!
//! ```compile_fail,E0277
//! # use warren_task::Failure;
//! struct Order; // no #[derive(Deserialize)]
//!
//! #[warren_task::task]
//! fn execute(order: Order) -> Result<(), Failure> { Ok(()) }
//! ```
//! ```compile_fail,E0277
//! #[warren_task::task]
//! fn execute(order: String) -> String { order } // error: a task returns `Result<T, Failure>`, not `String`
//! ```

#![deny(missing_docs)]

#[cfg(target_family = "wasm")]
#[doc(hidden)]
pub mod bindings;
mod context;
mod execution;
mod failure;

#[cfg(not(target_family = "wasm"))]
pub use context::testing;
pub use context::{Context, context};
pub use failure::Failure;
pub use serde_json;
pub use warren_task_macros::task;

// The bindings name this crate by the path that it has in an author's crate.
extern crate self as warren_task;

/// What the macro's glue calls. No part of the interface: it may change in any version.
#[doc(hidden)]
pub mod __private {
    #[cfg(target_family = "wasm")]
    pub use wit_bindgen;

    #[cfg(target_family = "wasm")]
    pub use crate::bindings;
    pub use crate::execution::{decode, encode};
}
