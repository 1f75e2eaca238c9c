//! Decides whether a method can tell what it did, and says what to write where it can't.

use proc_macro2::{Span, TokenStream};
use syn::{Error, FnArg, Ident, ImplItemFn, LitStr, Pat, PatType, Result, ReturnType, Signature, Type};

/// What every message about a signature ends with: one that works.
const EXAMPLE: &str = "async fn change_password(&mut self, publisher: &Publisher) -> Result<PasswordChanged, Error>";

/// What matters of the method.
pub(super) struct Parts<'a> {
    /// The parameter that publishes.
    pub(super) publisher: &'a Ident,
    /// What the method returns, as written: a `Result` or an alias of one.
    pub(super) returned: &'a Type,
}

/// Which of the entity's notifications it is.
pub(super) fn name(arguments: TokenStream) -> Result<LitStr> {
    let example = "say which notification it is, as a text: write `#[on_notify(\"password_changed\")]`";
    if arguments.is_empty() {
        return Err(Error::new(Span::call_site(), example));
    }
    let name: LitStr = syn::parse2(arguments).map_err(|error| Error::new(error.span(), example))?;
    if name.value().is_empty() {
        return Err(Error::new(name.span(), example));
    }
    Ok(name)
}

/// The annotated item, if it is a function with a body.
pub(super) fn method(item: TokenStream) -> Result<ImplItemFn> {
    let start = item.clone().into_iter().next().map_or_else(Span::call_site, |token| token.span());
    syn::parse2(item)
        .map_err(|_| Error::new(start, format!("`#[on_notify]` belongs on a method of an entity: write `{EXAMPLE}`")))
}

/// What matters of the method, or an error at the token that keeps it from telling.
pub(super) fn check(method: &ImplItemFn) -> Result<Parts<'_>> {
    let signature = &method.sig;
    if signature.asyncness.is_none() {
        let message = format!("publishing is waited for, so the method is async: write `{EXAMPLE}`");
        return Err(Error::new(signature.fn_token.span, message));
    }
    Ok(Parts { publisher: publisher(signature)?, returned: returned(signature)? })
}

fn publisher(signature: &Signature) -> Result<&Ident> {
    let parameters = signature.inputs.iter().filter_map(|input| match input {
        FnArg::Typed(parameter) => Some(parameter),
        FnArg::Receiver(_) => None,
    });
    let Some(parameter) = parameters.into_iter().find(|parameter| is_publisher(parameter)) else {
        let message = format!("the method needs a publisher to publish with: add the parameter, as in `{EXAMPLE}`");
        return Err(Error::new(signature.paren_token.span.join(), message));
    };
    match &*parameter.pat {
        Pat::Ident(named) if named.subpat.is_none() => Ok(&named.ident),
        pattern => Err(Error::new_spanned(pattern, format!("the publisher needs a name here: write `{EXAMPLE}`"))),
    }
}

/// Whether it is a reference to a type that is called so, whatever its path.
fn is_publisher(parameter: &PatType) -> bool {
    let Type::Reference(reference) = &*parameter.ty else { return false };
    reference.mutability.is_none() && is_called(&reference.elem, |name| name == "Publisher")
}

fn returned(signature: &Signature) -> Result<&Type> {
    let example = format!("only what went well is published, so the method returns a `Result`: write `{EXAMPLE}`");
    match &signature.output {
        ReturnType::Default => Err(Error::new(signature.paren_token.span.close(), example)),
        ReturnType::Type(_, returned) if is_called(returned, |name| name.ends_with("Result")) => Ok(returned),
        ReturnType::Type(_, returned) => Err(Error::new_spanned(returned, example)),
    }
}

/// The last segment of a path tells what a type is called.
fn is_called(ty: &Type, is: impl Fn(&str) -> bool) -> bool {
    match ty {
        // As macros hand types on.
        Type::Group(group) => is_called(&group.elem, is),
        Type::Path(path) => path.path.segments.last().is_some_and(|last| is(&last.ident.to_string())),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
