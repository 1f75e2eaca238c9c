//! `#[on_notify("…")]`: a method that tells what it did.

mod expansion;
mod signature;

use proc_macro2::TokenStream;
use quote::quote;

/// What to compile instead of the method.
pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let written = signature::name(arguments)
        .and_then(|name| signature::method(item.clone()).map(|method| (name, method)))
        .and_then(|(name, method)| signature::check(&method).map(|parts| expansion::write(&name, &method, &parts)));
    written.unwrap_or_else(|error| {
        let error = error.to_compile_error();
        // The method stays, so that its other uses don't add errors that only distract.
        quote!(#error #item)
    })
}
