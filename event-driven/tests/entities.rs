//! Entities: the JSON and the schemas of their derived events.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

use event_driven::{
    EventObject,
    entity::Event,
    names::{Entity, EventType},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Who may log in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, EventObject)]
#[event(entity = "user", crud)]
#[serde(rename_all = "camelCase")]
struct User {
    #[event(key)]
    user_id: i64,
    /// What others see.
    #[serde(rename = "login")]
    username: String,
    #[event(disable_update)]
    email: String,
    full_name: Option<String>,
    #[serde(default = "one", skip_serializing_if = "is_one")]
    #[schemars(range(min = 1))]
    visits: u32,
    #[serde(with = "upper_case")]
    #[schemars(with = "Option<String>")]
    country: std::option::Option<String>,
    #[cfg(any())]
    absent: ThereIsNoSuchType,
    r#type: char,
}

fn one() -> u32 {
    1
}

fn is_one(visits: &u32) -> bool {
    *visits == 1
}

mod upper_case {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(text: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
        text.as_ref().map(|text| text.to_uppercase()).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
        Ok(Option::<String>::deserialize(deserializer)?.map(|text| text.to_lowercase()))
    }
}

fn ada() -> User {
    User {
        user_id: 7,
        username: "ada".to_owned(),
        email: "ada@example.org".to_owned(),
        full_name: None,
        visits: 1,
        country: Some("uk".to_owned()),
        r#type: 'a',
    }
}

fn json_of(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap()
}

fn read<T: Event>(payload: Value) -> T {
    serde_json::from_value(payload).unwrap()
}

#[test]
fn create_holds_all_and_may_lack_the_key() {
    let created = UserCreate::from(&ada());
    let whole = json!({
        "userId": 7, "login": "ada", "email": "ada@example.org", "fullName": null, "country": "UK", "type": "a",
    });
    assert_eq!(json_of(&created), whole);
    assert_eq!(created.entity_key().as_deref(), Some("7"));
    let not_yet: UserCreate = read(json!({ "login": "b", "email": "", "country": null, "type": "b" }));
    assert_eq!((not_yet.user_id, not_yet.visits, not_yet.entity_key()), (None, 1, None));
    assert_eq!(json_of(&not_yet).get("userId"), None, "what is not known is not said");
    let error = serde_json::from_value::<UserCreate>(json!({ "login": "b" })).unwrap_err();
    assert!(error.to_string().contains("missing field `email`"), "{error}");
}

#[test]
fn update_holds_what_may_change() {
    let updated = UserUpdate::from(&ada());
    assert_eq!(
        json_of(&updated),
        json!({ "userId": 7, "login": "ada", "fullName": null, "visits": 1, "country": "UK", "type": "a" }),
        "that she has no full name is told, or the old one would stay"
    );
    let some: UserUpdate = read(json!({ "userId": 7, "fullName": "Ada L.", "country": "UK" }));
    assert_eq!((some.full_name.as_deref(), some.country.as_deref()), (Some("Ada L."), Some("uk")));
    assert_eq!((some.visits, &some.username), (None, &None), "what is not said is not taken for a default");
    assert_eq!(json_of(&some), json!({ "userId": 7, "fullName": "Ada L.", "country": "UK" }));
    assert_eq!(some.entity_key().as_deref(), Some("7"));
    let error = serde_json::from_value::<UserUpdate>(json!({ "login": "b" })).unwrap_err();
    assert!(error.to_string().contains("missing field `userId`"), "{error}");
}

#[test]
fn delete_needs_no_more_than_the_key() {
    let deleted: UserDelete = read(json!({ "userId": 7 }));
    assert_eq!(json_of(&deleted), json!({ "userId": 7 }));
    assert_eq!((deleted.email.clone(), deleted.entity_key().as_deref()), (None, Some("7")));
    assert_eq!(json_of(&UserDelete::from(&ada()))["email"], "ada@example.org");
}

#[test]
fn read_is_the_whole() {
    let event = UserRead::from(&ada());
    assert_eq!(json_of(&event), json_of(&ada()));
    let User { user_id, username, email, full_name, visits, country, r#type } = ada();
    let UserRead {
        user_id: id,
        username: name,
        email: mail,
        full_name: full,
        visits: seen,
        country: from,
        r#type: kind,
    } = event.clone();
    assert_eq!(
        (id, name, mail, full, seen, from, kind),
        (user_id, username, email, full_name, visits, country, r#type)
    );
    assert_eq!(event.entity_key().as_deref(), Some("7"));
}

#[test]
fn each_event_has_its_key() {
    assert_eq!(UserCreate::key().routing_key(), "routing.event.create.user");
    assert_eq!(UserUpdate::key().routing_key(), "routing.event.update.user");
    assert_eq!(UserDelete::key().routing_key(), "routing.event.delete.user");
    assert_eq!(UserRead::key().routing_key(), "routing.event.read.user");
    assert_eq!(User::event_key(EventType::Notify).routing_key(), "routing.event.notify.user");
}

#[test]
fn schemas_say_what_is_required() {
    let schema = |schema: event_driven::schemars::Schema| -> Value { schema.to_value() };
    let required = |schema: &Value| schema.get("required").cloned().unwrap_or_default();
    let created = schema(UserCreate::schema());
    assert_eq!(created["title"], "UserCreate");
    assert_eq!(created["description"], "What is told when a `User` was created.\n\nWho may log in.");
    assert_eq!(created["properties"]["login"]["description"], "What others see.");
    assert_eq!(created["properties"]["visits"]["minimum"], 1);
    // Serde wants a field with a function of its own to be there, even if it is an option.
    assert_eq!(required(&created), json!(["login", "email", "type"]));
    assert_eq!(required(&schema(UserUpdate::schema())), json!(["userId"]));
    assert_eq!(schema(UserUpdate::schema())["properties"].get("email"), None);
    assert_eq!(required(&schema(UserDelete::schema())), json!(["userId"]));
    assert_eq!(required(&schema(UserRead::schema())), json!(["userId", "login", "email", "type"]));
}

macro_rules! named_by_themselves {
    ($($name:ident),*) => {$(
        #[derive(Serialize, Deserialize, EventObject)]
        struct $name {}
    )*

    #[test]
    fn an_entity_without_a_name_has_that_of_its_type() {
        $(assert_eq!(<$name as EventObject>::entity(), Entity::from_type_name(stringify!($name)).unwrap());)*
    }};
}

named_by_themselves!(Order, OrderLine, HTTPServer, A1B, X, Abc123Def);

/// Types that come out of a macro are wrapped in groups that nobody sees.
macro_rules! entity {
    ($name:ident { $key:ident: $key_type:ty, $field:ident: $type:ty }) => {
        #[derive(Serialize, Deserialize, EventObject)]
        #[event(crud)]
        struct $name {
            #[event(key)]
            $key: $key_type,
            $field: $type,
        }
    };
}

entity!(Parcel { number: String, weight: Option<u32> });

#[test]
fn an_entity_that_a_macro_wrote() {
    let parcel = Parcel { number: "p-1".to_owned(), weight: Some(3) };
    let deleted = ParcelDelete::from(&parcel);
    let weight: Option<u32> = deleted.weight;
    assert_eq!((weight, deleted.entity_key().as_deref()), (Some(3), Some("p-1")));
}
