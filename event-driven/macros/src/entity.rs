//! `#[derive(EventObject)]`: from a struct to an entity, and to the types of its events.

mod carried;
mod expansion;
mod name;
mod signature;

use proc_macro2::TokenStream;

/// What to compile beside the struct.
pub(crate) fn expand(item: TokenStream) -> TokenStream {
    let written = syn::parse2(item).and_then(|input| signature::check(&input).map(|entity| expansion::write(&entity)));
    written.unwrap_or_else(|error| error.to_compile_error())
}
