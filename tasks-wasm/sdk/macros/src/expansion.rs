//! Writes the author's function back unchanged, and beside it the glue that the runtime calls.
//!
//! The glue is type-checked on the host too, so that `cargo check` finds a payload that is not `Deserialize` without
//! the wasm target. The export itself exists in a component only: on the host a symbol named `execute` has no business.
//! Nothing here needs an `allow(unsafe_code)` in the author's crate, which may therefore forbid unsafe code.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::ItemFn;
use syn::spanned::Spanned as _;

use crate::signature::{self, Entry};

/// The whole macro: what to compile instead of the annotated item.
pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let parsed = signature::no_arguments(&arguments).and_then(|()| signature::function(item.clone()));
    match parsed.and_then(|function| signature::check(&function).map(|entry| glue(&function, &entry))) {
        Ok(tokens) => tokens,
        Err(error) => {
            let error = error.to_compile_error();
            // The item stays, so that its other uses don't add errors that only distract.
            quote!(#error #item)
        }
    }
}

fn glue(function: &ItemFn, entry: &Entry<'_>) -> TokenStream {
    let name = &function.sig.ident;
    let payload = entry.payload;
    // Errors about a missing trait point at the author's types, while the code still counts as the macro's own.
    let at_payload = payload.span().resolved_at(Span::call_site());
    let at_returned = entry.returned.span().resolved_at(Span::call_site());
    let decode = quote_spanned!(at_payload=> ::warren_task::__private::decode::<#payload>(payload)?);
    let encode = quote_spanned!(at_returned=> ::warren_task::__private::encode(result));
    quote! {
        #function

        const _: () = {
            fn component(
                payload: ::std::string::String,
            ) -> ::std::result::Result<::std::string::String, ::warren_task::Failure> {
                let result = #name(#decode);
                #encode
            }

            #[cfg(target_family = "wasm")]
            ::warren_task::__export_component!(component);

            // On the host nothing calls it: this use keeps the author's crate free of "never used" warnings.
            #[cfg(not(target_family = "wasm"))]
            const _: fn(
                ::std::string::String,
            ) -> ::std::result::Result<::std::string::String, ::warren_task::Failure> = component;
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(arguments: TokenStream, item: TokenStream) -> String {
        expand(arguments, item).to_string()
    }

    #[test]
    fn the_function_stays_as_it_was_written() {
        let item = quote! {
            /// What it does.
            pub fn resize(order: Order) -> Result<Receipt, Failure> { todo() }
        };
        let tokens = expanded(TokenStream::new(), item.clone());
        assert!(tokens.starts_with(&item.to_string()), "{tokens}");
        assert!(tokens.contains("resize (:: warren_task :: __private :: decode :: < Order > (payload) ?)"), "{tokens}");
        assert!(!tokens.contains("unsafe"), "{tokens}");
    }

    #[test]
    fn an_error_keeps_the_function_beside_it() {
        let tokens = expanded(
            TokenStream::new(),
            quote!(
                fn execute() {}
            ),
        );
        assert!(tokens.contains("compile_error"), "{tokens}");
        assert!(tokens.ends_with("fn execute () { }"), "{tokens}");
    }

    #[test]
    fn arguments_of_the_attribute_are_an_error() {
        let tokens = expanded(
            quote!(name = "x"),
            quote!(
                fn execute(payload: Value) -> Result<Value, Failure> {}
            ),
        );
        assert!(tokens.contains("takes no arguments"), "{tokens}");
    }
}
