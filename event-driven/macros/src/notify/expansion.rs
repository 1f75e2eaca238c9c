//! Writes the method again, with its body in a block of its own and what publishes behind that.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{ImplItemFn, LitStr, spanned::Spanned as _};

use super::signature::Parts;

/// The method that publishes what the author's body returned.
pub(super) fn write(name: &LitStr, method: &ImplItemFn, parts: &Parts<'_>) -> TokenStream {
    let Parts { publisher, returned } = parts;
    let ImplItemFn { attrs, vis, defaultness, sig, block } = method;
    let statements = &block.stmts;
    // Errors about the value or the error point at the returned type, while the code still counts as the macro's own.
    let at = returned.span().resolved_at(Span::mixed_site());
    let publish = quote_spanned! {at=>
        ::event_driven::__private::notification::<Self, _>(#publisher, #name, &value)?.await?;
    };
    // `return` and `?` of the body end the block, not the method. The block doesn't know by itself what it returns: a
    // `return` that is never reached tells it.
    let body = quote_spanned! {Span::mixed_site()=>
        let result: #returned = async move {
            #[allow(unreachable_code, clippy::diverging_sub_expression, clippy::empty_loop)]
            if false {
                let returned: #returned = loop {};
                return returned;
            }
            #(#statements)*
        }
        .await;
        match result {
            ::core::result::Result::Ok(value) => {
                #publish
                ::core::result::Result::Ok(value)
            }
            ::core::result::Result::Err(error) => ::core::result::Result::Err(error),
        }
    };
    quote!(#(#attrs)* #vis #defaultness #sig { #body })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::expand;

    #[test]
    fn an_error_keeps_the_method_beside_it() {
        let tokens = expand(
            TokenStream::new(),
            quote!(
                async fn a() {}
            ),
        )
        .to_string();
        assert!(tokens.contains("compile_error"), "{tokens}");
        assert!(tokens.ends_with("async fn a () { }"), "{tokens}");
    }
}
