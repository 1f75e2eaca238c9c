//! Each wrong struct: the token its error points at, and what it tells the author to write.

use super::*;

/// The error that this source gives, as the source text under its span and its message.
fn refused(source: &str) -> (String, String) {
    let input: DeriveInput = syn::parse_str(source).unwrap();
    let Err(error) = check(&input) else { panic!("{source} is not refused") };
    (error.span().source_text().unwrap_or_default(), error.to_string())
}

#[test]
fn each_wrong_struct_points_at_its_token_and_says_what_to_write() {
    let cases = [
        ("struct A(i64);", "(i64)", "write `struct A { … }`"),
        ("struct A;", "A", "write `struct A { … }`"),
        ("enum A { B }", "enum", "write `struct A { … }`"),
        ("union A { b: i64 }", "union", "write `struct A { … }`"),
        ("struct A<T> { b: T }", "<T>", "an entity is not generic"),
        ("struct A where u8: Copy { b: u8 }", "where u8: Copy", "remove it"),
        ("#[event(entity = \"A\")] struct A { b: u8 }", "\"A\"", "in snake_case, as in \"order_line\""),
        ("struct Ä { b: u8 }", "Ä", "choose one in snake_case"),
        ("#[event(entity)] struct A { b: u8 }", "entity", "write the entity's name as a text"),
        ("#[event(entity = a)] struct A { b: u8 }", "a", "write the entity's name as a text"),
        ("#[event(entity = \"a\", entity = \"b\")] struct A { b: u8 }", "entity = \"b\"", "remove the second"),
        (
            "#[event(crub)] struct A { b: u8 }",
            "crub",
            "`crub` is unknown: on the struct write `entity = \"…\"` and `crud`",
        ),
        ("#[event(key)] struct A { b: u8 }", "key", "said of a field"),
        ("struct A { #[event(key)] b: u8 }", "key", "write `#[event(crud)]` above the struct"),
        ("#[event(crud)] struct A { b: u8 }", "A", "write `#[event(key)]` above the one that does"),
        (
            "#[event(crud)] struct A { #[event(kee)] b: u8 }",
            "kee",
            "`kee` is unknown: on a field write `key` and `disable_update`",
        ),
        ("#[event(crud)] struct A { #[event(crud)] b: u8 }", "crud", "said of the struct"),
        (
            "#[event(crud)] struct A { #[event(key, disable_update)] b: u8 }",
            "disable_update",
            "remove `disable_update`",
        ),
        ("#[event(crud)] struct A { #[event(disable_update)] #[event(key)] b: u8 }", "key", "remove `disable_update`"),
        ("#[event(crud)] struct A { #[event(key)] b: Option<u8> }", "Option<u8>", "write its type without `Option`"),
        ("#[event(crud)] struct A { #[event(key)] b: u8, #[event(key)] c: u8 }", "key", "`b` is one already"),
        ("#[event(crud)] struct A { #[event(key)] #[serde(with = \"x\")] b: u8 }", "with", "write a newtype"),
        ("#[event(crud)] struct A { #[event(key)] b: u8, #[serde(flatten)] c: C }", "flatten", "name its fields here"),
        ("#[event(crud)] #[serde(default)] struct A { #[event(key)] b: u8 }", "default", "on the fields"),
        ("#[event(crud)] #[serde(rename = \"b\")] struct A { #[event(key)] b: u8 }", "rename", "remove it"),
        ("#[event(crud)] #[schemars(transparent)] struct A { #[event(key)] b: u8 }", "transparent", "remove it"),
        ("#[event(crud)] #[serde(into = \"B\")] struct A { #[event(key)] b: u8 }", "into", "a newtype of the fields"),
    ];
    for (source, token, message) in cases {
        let (found_token, found_message) = refused(source);
        assert_eq!(found_token, token, "{source}: {found_message}");
        assert!(found_message.contains(message), "{source}: {found_message}");
    }
}

#[test]
fn what_can_be_an_entity() {
    for source in [
        "struct OrderLine { id: i64 }",
        "#[event(entity = \"order_line\")] struct A {}",
        "#[event(crud)] #[serde(rename_all = \"camelCase\", deny_unknown_fields)] struct A { #[event(key)] b: u8 }",
        "#[event(crud)] struct A { #[event(key)] b: u8, #[serde(with = \"x\")] c: Option<C> }",
        "#[event(crud)] struct A { #[event(key)] b: u8, #[event(disable_update)] #[serde(rename = \"d\")] c: C }",
    ] {
        let input: DeriveInput = syn::parse_str(source).unwrap();
        if let Err(error) = check(&input) {
            panic!("{source}: {error}");
        }
    }
}
