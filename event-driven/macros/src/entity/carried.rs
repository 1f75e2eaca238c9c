//! What the event types take over from the struct and its fields: documentation, and how serde and schemars treat them.
//!
//! A field that became optional has another type than the one that its author wrote functions for, and a struct that exists
//! four times can't be converted from one other. What can't work there is refused, at the word, with what to write.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Attribute, Error, Field, Meta, Result, Token, Type, punctuated::Punctuated, spanned::Spanned as _};

/// The two crates that read attributes of the types that they write code for.
const READERS: [&str; 2] = ["serde", "schemars"];

/// Of a struct: its documentation.
pub(super) fn documentation(attributes: &[Attribute]) -> impl Iterator<Item = &Attribute> {
    attributes.iter().filter(|attribute| attribute.path().is_ident("doc"))
}

/// Of a struct: what serde and schemars are told about the whole of it.
pub(super) fn of_struct(attributes: &[Attribute]) -> Result<TokenStream> {
    told(attributes, |said| {
        let Some(ident) = said.path().get_ident().map(ToString::to_string) else { return Ok(true) };
        let reason = match ident.as_str() {
            // The event types say their own: the re-exports of event-driven.
            "crate" => return Ok(false),
            "default" => {
                "the event types have no `Default`: write `#[serde(default)]` on the fields that may be absent"
            }
            "rename" => "four event types can't have one name: remove it, the name of a struct is not in its JSON",
            "transparent" => "the payload of an event is an object: remove it",
            "from" | "try_from" | "into" | "remote" => {
                "the event types can't be converted as the entity is: write the conversion as a newtype of the fields"
            }
            _ => return Ok(true),
        };
        Err(Error::new(said.path().span(), format!("`{ident}` can't be carried over with `crud`: {reason}")))
    })
}

/// Of a field as it was declared.
pub(super) fn of_field(field: &Field) -> Result<TokenStream> {
    let documentation = documentation(&field.attrs);
    let told = told(&field.attrs, |_| Ok(true))?;
    Ok(quote!(#(#documentation)* #told))
}

/// Of a field that is optional in the event, and left out if it is `None`. What its author said of an absent value is not
/// said of this one.
pub(super) fn of_optional_field(field: &Field) -> Result<TokenStream> {
    let may_be_absent = of_field_that_may_be_absent(field)?;
    Ok(quote!(#may_be_absent #[serde(skip_serializing_if = "::core::option::Option::is_none")]))
}

/// Of a field that may be absent from an event that others publish, and that we never leave out.
pub(super) fn of_field_that_may_be_absent(field: &Field) -> Result<TokenStream> {
    let documentation = documentation(&field.attrs);
    let told =
        told(
            &field.attrs,
            |said| Ok(!said.path().is_ident("default") && !said.path().is_ident("skip_serializing_if")),
        )?;
    Ok(quote! {
        #(#documentation)*
        #told
        #[serde(default)]
    })
}

/// Refuses what only fits the type that was declared, on a field that becomes optional in some event.
pub(super) fn check_field(field: &Field) -> Result<()> {
    if is_option(&field.ty) {
        return Ok(());
    }
    let serde = field.attrs.iter().filter(|attribute| attribute.path().is_ident("serde"));
    for said in serde.map(settings).collect::<Result<Vec<_>>>()?.into_iter().flatten() {
        let Some(ident) = said.path().get_ident().map(ToString::to_string) else { continue };
        if ["with", "serialize_with", "deserialize_with", "flatten"].contains(&ident.as_str()) {
            let instead = match ident.as_str() {
                "flatten" => "name its fields here, or let it be a field with a name",
                _ => {
                    "write a newtype that implements `Serialize`, `Deserialize` and `JsonSchema`, and let it be the \
                     field's type"
                }
            };
            let message =
                format!("`{ident}` does not fit the events in which this field is optional (`crud`): {instead}");
            return Err(Error::new(said.path().span(), message));
        }
    }
    Ok(())
}

/// Whether the type is written as an option.
pub(super) fn is_option(ty: &Type) -> bool {
    match ty {
        // As macros hand types on.
        Type::Group(group) => is_option(&group.elem),
        Type::Path(path) if path.qself.is_none() => {
            path.path.segments.last().is_some_and(|last| last.ident == "Option")
        }
        _ => false,
    }
}

/// The attributes of serde and schemars again, with the settings that `keep` keeps.
fn told(attributes: &[Attribute], keep: impl Fn(&Meta) -> Result<bool>) -> Result<TokenStream> {
    let mut told = TokenStream::new();
    for attribute in attributes {
        if !READERS.iter().any(|reader| attribute.path().is_ident(reader)) {
            continue;
        }
        let mut kept = Vec::new();
        for said in settings(attribute)? {
            if keep(&said)? {
                kept.push(said);
            }
        }
        if !kept.is_empty() {
            let reader = attribute.path();
            told.extend(quote!(#[#reader(#(#kept),*)]));
        }
    }
    Ok(told)
}

fn settings(attribute: &Attribute) -> Result<Punctuated<Meta, Token![,]>> {
    attribute.parse_args_with(Punctuated::parse_terminated)
}
