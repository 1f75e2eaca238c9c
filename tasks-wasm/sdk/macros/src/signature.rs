//! Decides whether a function can be a task, and says what to write where it can't.
//!
//! Only what the syntax shows: whether the payload is `Deserialize` and the result a `Result` is left to the compiler,
//! which knows the types (and aliases of them).

use proc_macro2::TokenStream;
use syn::spanned::Spanned as _;
use syn::{Error, FnArg, ItemFn, Result, ReturnType, Signature, Type};

/// What every message ends with: a signature that works.
const EXAMPLE: &str = "fn execute(order: Order) -> Result<Receipt, Failure>";

/// The two types of a function that can be a task.
pub(crate) struct Entry<'a> {
    /// What the payload is decoded into.
    pub(crate) payload: &'a Type,
    /// What the function returns, as written: a `Result` or an alias of one.
    pub(crate) returned: &'a Type,
}

/// The attribute has nothing to set: limits, grants and retries are the manifest's.
pub(crate) fn no_arguments(arguments: &TokenStream) -> Result<()> {
    if arguments.is_empty() {
        return Ok(());
    }
    Err(Error::new_spanned(arguments, "this attribute takes no arguments: write `#[warren_task::task]`"))
}

/// The annotated item, if it is a function with a body.
pub(crate) fn function(item: TokenStream) -> Result<ItemFn> {
    let start = item.clone().into_iter().next().map_or_else(proc_macro2::Span::call_site, |token| token.span());
    syn::parse2(item)
        .map_err(|_| Error::new(start, format!("`#[warren_task::task]` belongs on a function: write `{EXAMPLE}`")))
}

/// The function's payload and result types, or an error at the token that keeps it from being a task.
pub(crate) fn check(function: &ItemFn) -> Result<Entry<'_>> {
    let signature = &function.sig;
    qualifiers(signature)?;
    generics(signature)?;
    Ok(Entry { payload: payload(signature)?, returned: returned(signature)? })
}

fn qualifiers(signature: &Signature) -> Result<()> {
    if let Some(token) = &signature.asyncness {
        let message = format!(
            "a task is not async: remove `async` and write `{EXAMPLE}` (each task has an instance of its own, so one \
             that waits holds up no other)"
        );
        return Err(Error::new_spanned(token, message));
    }
    if let Some(token) = &signature.unsafety {
        return Err(Error::new_spanned(token, format!("a task is safe to call: write `{EXAMPLE}`")));
    }
    if let Some(abi) = &signature.abi {
        return Err(Error::new_spanned(abi, format!("a task is a plain Rust function: write `{EXAMPLE}`")));
    }
    Ok(())
}

fn generics(signature: &Signature) -> Result<()> {
    let generics = &signature.generics;
    if !generics.params.is_empty() {
        let message = format!("a task is not generic, its payload has one type: write `{EXAMPLE}`");
        return Err(Error::new_spanned(generics, message));
    }
    if let Some(clause) = &generics.where_clause {
        return Err(Error::new_spanned(clause, format!("a task has no `where` clause: write `{EXAMPLE}`")));
    }
    Ok(())
}

fn payload(signature: &Signature) -> Result<&Type> {
    let mut inputs = signature.inputs.iter();
    let Some(first) = inputs.next() else {
        let message = format!(
            "a task takes its payload as its one argument: write `{EXAMPLE}`, or \
             `payload: warren_task::serde_json::Value` to take any JSON"
        );
        return Err(Error::new(signature.paren_token.span.join(), message));
    };
    if let Some(second) = inputs.next() {
        let message = format!(
            "a task takes one argument, its payload: put the fields of both in one struct and write `{EXAMPLE}` \
             (the task's id, attempt and deadline are in `warren_task::context()`)"
        );
        return Err(Error::new_spanned(second, message));
    }
    match first {
        FnArg::Receiver(receiver) => {
            let message = format!("a task is a free function, not a method: remove `self` and write `{EXAMPLE}`");
            Err(Error::new_spanned(receiver, message))
        }
        FnArg::Typed(argument) => owned(&argument.ty),
    }
}

/// The payload's text is gone before the function runs, so nothing may borrow from it.
fn owned(payload: &Type) -> Result<&Type> {
    match payload {
        Type::Reference(reference) => {
            let message = format!("a task owns its payload: take it by value, as in `{EXAMPLE}`");
            Err(Error::new(reference.and_token.span(), message))
        }
        Type::ImplTrait(generic) => {
            let message = format!("a task is not generic, its payload has one type: write `{EXAMPLE}`");
            Err(Error::new_spanned(generic, message))
        }
        owned => Ok(owned),
    }
}

fn returned(signature: &Signature) -> Result<&Type> {
    match &signature.output {
        ReturnType::Type(_, returned) => Ok(returned),
        ReturnType::Default => {
            let message = format!(
                "a task returns a result: write `{EXAMPLE}`, or `-> Result<(), Failure>` where there is nothing to tell"
            );
            Err(Error::new(signature.paren_token.span.close(), message))
        }
    }
}

#[cfg(test)]
mod tests;
