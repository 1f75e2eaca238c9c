//! Decides whether a struct can be an entity, and says what to write where it can't.
//!
//! Only what the syntax shows: whether the types implement what events need is left to the compiler.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{
    Attribute, Data, DeriveInput, Error, Field, Fields, Ident, LitStr, Result, Type, Visibility, meta::ParseNestedMeta,
};

use super::{carried, name};

/// What an attribute on the struct may say.
const OF_STRUCT: &str = "`entity = \"…\"` and `crud`";
/// What an attribute on a field may say.
const OF_FIELD: &str = "`key` and `disable_update`";

/// A struct that can be an entity.
pub(super) struct Entity<'a> {
    pub(super) ident: &'a Ident,
    pub(super) vis: &'a Visibility,
    /// Its name in routing keys.
    pub(super) name: String,
    /// With `crud`: what its events are made of.
    pub(super) crud: Option<Crud<'a>>,
}

/// What the four events are made of.
pub(super) struct Crud<'a> {
    pub(super) documentation: Vec<&'a Attribute>,
    /// What serde and schemars are told about the whole struct.
    pub(super) told: TokenStream,
    pub(super) key: &'a Ident,
    pub(super) key_type: &'a Type,
    pub(super) members: Vec<Member<'a>>,
}

/// A field, and what it is to the events.
pub(super) struct Member<'a> {
    pub(super) field: &'a Field,
    pub(super) ident: &'a Ident,
    pub(super) role: Role,
    pub(super) declared: TokenStream,
    pub(super) optional: TokenStream,
    /// Its attributes where it is optional, and `None` says that it was emptied.
    pub(super) emptied: TokenStream,
}

/// What a field is to the events.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Identifies the entity.
    Key,
    /// Stands in every event.
    Plain,
    /// Stands in every event but the update.
    NotUpdated,
}

/// The entity, or an error at the token that keeps the struct from being one.
pub(super) fn check(input: &DeriveInput) -> Result<Entity<'_>> {
    let fields = named_fields(input)?;
    let generics = &input.generics;
    if !generics.params.is_empty() {
        let message = "an entity is not generic, its events have one form: write a struct for each type that it has";
        return Err(Error::new_spanned(generics, message));
    }
    if let Some(clause) = &generics.where_clause {
        return Err(Error::new_spanned(clause, "an entity has no `where` clause: remove it"));
    }
    let (chosen, crud) = said_of_struct(&input.attrs)?;
    let name = match &chosen {
        Some(chosen) => name::chosen(chosen)?,
        None => name::of_type(&input.ident)?,
    };
    let crud = if crud { Some(check_crud(input, fields)?) } else { check_plain(fields).map(|()| None)? };
    Ok(Entity { ident: &input.ident, vis: &input.vis, name, crud })
}

fn named_fields(input: &DeriveInput) -> Result<impl Iterator<Item = (&Field, &Ident)> + Clone> {
    let instead = format!("write `struct {} {{ … }}`", input.ident);
    let fields = match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) => fields,
            Fields::Unnamed(fields) => {
                let message = format!("the fields of an entity have names, which are those in its JSON: {instead}");
                return Err(Error::new_spanned(fields, message));
            }
            Fields::Unit => {
                let message = format!("an entity has fields: {instead}");
                return Err(Error::new_spanned(&input.ident, message));
            }
        },
        Data::Enum(data) => {
            let message = format!("an entity is a struct, so that its JSON is always an object: {instead}");
            return Err(Error::new(data.enum_token.span, message));
        }
        Data::Union(data) => {
            return Err(Error::new(data.union_token.span, format!("an entity is a struct: {instead}")));
        }
    };
    Ok(fields.named.iter().filter_map(|field| Some((field, field.ident.as_ref()?))))
}

/// The name, and whether there is `crud`.
fn said_of_struct(attributes: &[Attribute]) -> Result<(Option<LitStr>, bool)> {
    let (mut name, mut crud) = (None, false);
    nested(attributes, |said| {
        if said.path.is_ident("entity") {
            let example = "write the entity's name as a text: `entity = \"user\"`";
            let chosen: LitStr = said
                .value()
                .map_err(|_| said.error(example))
                .and_then(|value| value.parse().map_err(|error| Error::new(error.span(), example)))?;
            if name.replace(chosen).is_some() {
                return Err(said.error("an entity has one name: remove the second `entity`"));
            }
        } else if said.path.is_ident("crud") {
            crud = true;
        } else if said.path.is_ident("key") || said.path.is_ident("disable_update") {
            return Err(said.error(format!("this is said of a field: write it above that; of the struct: {OF_STRUCT}")));
        } else {
            return Err(unknown(&said, "the struct", OF_STRUCT));
        }
        Ok(())
    })?;
    Ok((name, crud))
}

/// Without `crud` nothing is to say of a field.
fn check_plain<'a>(fields: impl Iterator<Item = (&'a Field, &'a Ident)>) -> Result<()> {
    for (field, _) in fields {
        nested(&field.attrs, |said| {
            Err(said.error(
                "this is for the events that `crud` writes: write `#[event(crud)]` above the struct, or remove it",
            ))
        })?;
    }
    Ok(())
}

fn check_crud<'a>(input: &'a DeriveInput, fields: impl Iterator<Item = (&'a Field, &'a Ident)>) -> Result<Crud<'a>> {
    let mut key = None;
    let mut members = Vec::new();
    for (field, ident) in fields {
        let role = said_of_field(field, key.map(|(ident, _)| ident))?;
        carried::check_field(field)?;
        if role == Role::Key {
            key = Some((ident, &field.ty));
        }
        let (declared, optional) = (carried::of_field(field)?, carried::of_optional_field(field)?);
        let emptied = carried::of_field_that_may_be_absent(field)?;
        members.push(Member { field, ident, role, declared, optional, emptied });
    }
    let (key, key_type) = key.ok_or_else(|| {
        let message =
            "no field says which of the entities an event is about: write `#[event(key)]` above the one that does";
        Error::new(input.ident.span(), message)
    })?;
    let documentation = carried::documentation(&input.attrs).collect();
    Ok(Crud { documentation, told: carried::of_struct(&input.attrs)?, key, key_type, members })
}

/// What a field is; `key` is the field that was said to be the key before.
fn said_of_field(field: &Field, key: Option<&Ident>) -> Result<Role> {
    let mut role = Role::Plain;
    nested(&field.attrs, |said| {
        let new = if said.path.is_ident("key") {
            Role::Key
        } else if said.path.is_ident("disable_update") {
            Role::NotUpdated
        } else if said.path.is_ident("entity") || said.path.is_ident("crud") {
            return Err(said.error(format!("this is said of the struct: write it above that; of a field: {OF_FIELD}")));
        } else {
            return Err(unknown(&said, "a field", OF_FIELD));
        };
        if role != Role::Plain && role != new {
            return Err(said.error("the key is never updated, it says what is: remove `disable_update`"));
        }
        if let (Role::Key, Some(key)) = (new, key) {
            let message = format!(
                "an entity has one key, and `{key}` is one already: remove one, or make both a field of one type"
            );
            return Err(said.error(message));
        }
        role = new;
        Ok(())
    })?;
    match carried::is_option(&field.ty) {
        true if role == Role::Key => {
            let message = "the key says what an event is about, so it is always there: write its type without `Option`";
            Err(Error::new_spanned(&field.ty, message))
        }
        _ => Ok(role),
    }
}

fn unknown(said: &ParseNestedMeta<'_>, place: &str, known: &str) -> Error {
    let path = &said.path;
    said.error(format!("`{}` is unknown: on {place} write {known}", quote!(#path)))
}

fn nested(attributes: &[Attribute], mut said: impl FnMut(ParseNestedMeta<'_>) -> Result<()>) -> Result<()> {
    let ours = attributes.iter().filter(|attribute| attribute.path().is_ident("event"));
    ours.into_iter().try_for_each(|attribute| attribute.parse_nested_meta(&mut said))
}

#[cfg(test)]
mod tests;
