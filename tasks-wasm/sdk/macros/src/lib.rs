//! The attribute `#[warren_task::task]`, which makes a Rust function the entry of a component.
//!
//! A crate of its own because Rust asks that of a macro; its one user is `warren-task`, which re-exports it and holds
//! the documentation for authors. `signature` refuses what can't be a task, `expansion` writes the glue.

#![deny(missing_docs)]

mod expansion;
mod signature;

use proc_macro::TokenStream;

/// Makes this function what the component executes. Once in a crate.
///
/// The function takes one argument, the payload: any type that implements `serde::Deserialize` and owns its data. It
/// returns `Result<T, Failure>`, where `T: serde::Serialize`. It stays an ordinary function, so a unit test calls it
/// by its name.
///
/// ```text
/// #[warren_task::task]
/// fn execute(order: Order) -> Result<Receipt, Failure> { … }
/// ```
///
/// A signature that can't be a task is a compile error at the token that is wrong, with what to write in its place.
#[proc_macro_attribute]
pub fn task(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expansion::expand(arguments.into(), item.into()).into()
}
