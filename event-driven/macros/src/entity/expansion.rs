//! Writes the entity's implementation of the trait, and the types of its events.
//!
//! What is written is meant to be read in `cargo expand`: four plain structs with what they implement, and one `impl` with
//! the four methods that publish them.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::{Ident, spanned::Spanned as _};

use super::{
    carried,
    signature::{Crud, Entity, Member, Role},
};

/// The whole of what is written.
pub(super) fn write(entity: &Entity<'_>) -> TokenStream {
    let Entity { ident, name, crud, .. } = entity;
    let events = crud.as_ref().map(|crud| write_crud(entity, crud));
    quote! {
        #[automatically_derived]
        impl ::event_driven::entity::EventObject for #ident {
            const ENTITY: &'static str = #name;
        }
        #events
    }
}

/// The events of an entity's life.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Create,
    Update,
    Delete,
    Read,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Create, Self::Update, Self::Delete, Self::Read];

    /// As `event_driven::names::EventType` calls it.
    const fn name(self) -> &'static str {
        match self {
            Self::Create => "Create",
            Self::Update => "Update",
            Self::Delete => "Delete",
            Self::Read => "Read",
        }
    }

    const fn method(self) -> &'static str {
        match self {
            Self::Create => "on_create",
            Self::Update => "on_update",
            Self::Delete => "on_delete",
            Self::Read => "on_read",
        }
    }

    /// What happened to the entity.
    const fn past(self) -> &'static str {
        match self {
            Self::Create => "created",
            Self::Update => "updated",
            Self::Delete => "deleted",
            Self::Read => "read",
        }
    }

    /// How a field stands in this event.
    const fn presence(self, role: Role) -> Presence {
        match (self, role) {
            (Self::Read, _) | (Self::Create, Role::Plain | Role::NotUpdated) => Presence::Declared,
            (Self::Update | Self::Delete, Role::Key) => Presence::Declared,
            (Self::Update, Role::NotUpdated) => Presence::Absent,
            (Self::Create, Role::Key) | (Self::Update, Role::Plain) => Presence::Optional,
            (Self::Delete, Role::Plain | Role::NotUpdated) => Presence::Optional,
        }
    }
}

enum Presence {
    Declared,
    Optional,
    Absent,
}

fn write_crud(entity: &Entity<'_>, crud: &Crud<'_>) -> TokenStream {
    let Entity { ident, vis, .. } = entity;
    let types = Kind::ALL.iter().map(|kind| write_event(*kind, entity, crud));
    let methods = Kind::ALL.iter().map(|kind| {
        let (event, method) = (event_ident(*kind, entity), format_ident!("{}", kind.method()));
        let doc = format!(
            "Publishes [`{event}`], and returns when RabbitMQ has confirmed it.\n\n# Errors\nAs \
             [`Publisher::publish`](::event_driven::publisher::Publisher::publish)."
        );
        quote! {
            #[doc = #doc]
            #[allow(dead_code)]
            #vis async fn #method(
                &self,
                publisher: &::event_driven::publisher::Publisher,
            ) -> ::core::result::Result<(), ::event_driven::publisher::PublishError> {
                let event = #event::from(self);
                publisher.event(&event).await
            }
        }
    });
    quote! {
        #(#types)*

        #[automatically_derived]
        impl #ident {
            #(#methods)*
        }
    }
}

fn write_event(kind: Kind, entity: &Entity<'_>, crud: &Crud<'_>) -> TokenStream {
    let Entity { ident, vis, .. } = entity;
    let Crud { documentation, told, members, .. } = crud;
    let event = event_ident(kind, entity);
    let event_type = format_ident!("{}", kind.name());
    let doc = format!(" What is told when a `{ident}` was {}.", kind.past());
    let separator = (!documentation.is_empty()).then(|| quote!(#[doc = ""]));
    let fields = members.iter().filter_map(|member| write_field(kind, member));
    let values = members.iter().filter_map(|member| write_value(kind, member));
    let entity_key = write_entity_key(kind, crud);
    quote! {
        #[doc = #doc]
        #separator
        #(#documentation)*
        #[derive(
            ::core::clone::Clone,
            ::core::fmt::Debug,
            ::event_driven::__private::serde::Serialize,
            ::event_driven::__private::serde::Deserialize,
            ::event_driven::__private::schemars::JsonSchema,
        )]
        #[serde(crate = "::event_driven::__private::serde")]
        #[schemars(crate = "::event_driven::__private::schemars")]
        #told
        #[allow(dead_code)]
        #vis struct #event {
            #(#fields)*
        }

        #[automatically_derived]
        impl ::core::convert::From<&#ident> for #event {
            fn from(of: &#ident) -> Self {
                Self { #(#values)* }
            }
        }

        #[automatically_derived]
        impl ::event_driven::entity::Event for #event {
            type Of = #ident;

            const TYPE: ::event_driven::names::EventType = ::event_driven::names::EventType::#event_type;

            fn entity_key(&self) -> ::core::option::Option<::std::string::String> {
                #entity_key
            }
        }
    }
}

fn write_field(kind: Kind, member: &Member<'_>) -> Option<TokenStream> {
    let Member { field, ident, role, declared, optional, emptied } = member;
    let (vis, ty) = (&field.vis, &field.ty);
    match kind.presence(*role) {
        Presence::Declared => Some(quote!(#declared #vis #ident: #ty,)),
        // An update that left it out would keep the old value at whoever hears of it.
        Presence::Optional if carried::is_option(ty) && kind == Kind::Update => {
            Some(quote!(#emptied #vis #ident: #ty,))
        }
        Presence::Optional if carried::is_option(ty) => Some(quote!(#optional #vis #ident: #ty,)),
        Presence::Optional => Some(quote!(#optional #vis #ident: ::core::option::Option<#ty>,)),
        Presence::Absent => None,
    }
}

fn write_value(kind: Kind, member: &Member<'_>) -> Option<TokenStream> {
    let Member { field, ident, role, .. } = member;
    let value = quote_spanned!(at(&field.ty)=> ::core::clone::Clone::clone(&of.#ident));
    match kind.presence(*role) {
        Presence::Optional if !carried::is_option(&field.ty) => {
            Some(quote!(#ident: ::core::option::Option::Some(#value),))
        }
        Presence::Declared | Presence::Optional => Some(quote!(#ident: #value,)),
        Presence::Absent => None,
    }
}

fn write_entity_key(kind: Kind, crud: &Crud<'_>) -> TokenStream {
    let (key, at) = (crud.key, at(crud.key_type));
    match kind.presence(Role::Key) {
        Presence::Optional => {
            let text = quote_spanned!(at=> ::std::string::ToString::to_string(key));
            quote!(self.#key.as_ref().map(|key| #text))
        }
        Presence::Declared | Presence::Absent => {
            let text = quote_spanned!(at=> ::std::string::ToString::to_string(&self.#key));
            quote!(::core::option::Option::Some(#text))
        }
    }
}

/// Errors about a missing trait point at the author's type, while the code still counts as the macro's own.
fn at(ty: &syn::Type) -> Span {
    ty.span().resolved_at(Span::call_site())
}

fn event_ident(kind: Kind, entity: &Entity<'_>) -> Ident {
    format_ident!("{}{}", entity.ident, kind.name())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entity::expand;

    /// The part of the expansion that defines this type.
    fn defined(expansion: &str, event: &str) -> String {
        let (_, rest) = expansion.split_once(&format!("struct {event} {{")).unwrap();
        rest.split_once('}').unwrap().0.trim().to_owned()
    }

    #[test]
    fn a_field_stands_in_each_event_as_its_role_says() {
        let expansion = expand(quote! {
            #[event(crud)]
            struct A {
                #[event(key)] id: u8,
                #[serde(default = "one", rename = "p")] pub plain: u8,
                #[event(disable_update)] fixed: Option<u8>,
            }
        })
        .to_string();
        let optional = quote!(#[serde(default)] #[serde(skip_serializing_if = "::core::option::Option::is_none")]);
        let (maybe, plain) = (quote!(::core::option::Option<u8>), quote!(#[serde(rename = "p")]));
        let whole = quote!(#[serde(default = "one", rename = "p")] pub plain: u8, fixed: Option<u8>,);
        for (event, fields) in [
            ("ACreate", quote!(#optional id: #maybe, #whole)),
            ("AUpdate", quote!(id: u8, #plain #optional pub plain: #maybe,)),
            ("ADelete", quote!(id: u8, #plain #optional pub plain: #maybe, #optional fixed: Option<u8>,)),
            ("ARead", quote!(id: u8, #whole)),
        ] {
            assert_eq!(defined(&expansion, event), fields.to_string(), "{event}");
        }
    }

    #[test]
    fn what_is_written_names_event_driven_only() {
        let expansion = expand(quote! {
            #[event(crud)]
            struct A { #[event(key)] id: u8, b: Vec<u8> }
        })
        .to_string();
        for (at, _) in expansion.match_indices(":: ") {
            let (before, after) = expansion.split_at(at);
            let is_root = before.trim_end().ends_with(|c: char| !(c.is_alphanumeric() || c == '_' || c == '>'));
            let known = [":: core", ":: std", ":: event_driven"].iter().any(|root| after.starts_with(root));
            assert!(!is_root || known, "{after}");
        }
    }

    #[test]
    fn without_crud_it_is_an_entity_and_no_more() {
        let expansion = expand(quote!(
            struct OrderLine {
                id: u8,
            }
        ))
        .to_string();
        let expected = quote! {
            #[automatically_derived]
            impl ::event_driven::entity::EventObject for OrderLine {
                const ENTITY: &'static str = "order_line";
            }
        };
        assert_eq!(expansion, expected.to_string());
    }
}
