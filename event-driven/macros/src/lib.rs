//! The macros of `event-driven`: `#[derive(EventObject)]` makes an entity of a struct, `#[on_notify]` makes a method tell
//! what it did.
//!
//! A crate of its own because Rust asks that of a macro; its one user is `event-driven`, which re-exports it. In each of
//! `entity` and `notify`, `signature` refuses what can't be, `expansion` writes the code. What is written names
//! `::event_driven` only, so that an author needs no crate beside it.

#![deny(missing_docs)]

mod entity;
mod notify;

use proc_macro::TokenStream;

/// Makes an entity of a struct with named fields: implements the trait `event_driven::entity::EventObject`.
///
/// ```text
/// #[derive(Serialize, Deserialize, EventObject)]
/// #[event(entity = "user", crud)]
/// struct User {
///     #[event(key)]
///     user_id: i64,
///     username: String,
///     #[event(disable_update)]
///     email: String,
///     full_name: Option<String>,
/// }
/// ```
///
/// On the struct: `entity = "…"` is its name in routing keys (without it the struct's own in snake_case: `OrderLine` is
/// `order_line`); `crud` writes a type for each event of its life:
///
/// | type | key | the other fields | published by |
/// |---|---|---|---|
/// | `UserCreate` | optional | as declared | `user.on_create(&publisher)` |
/// | `UserUpdate` | required | optional, without those that say `disable_update` | `user.on_update(&publisher)` |
/// | `UserDelete` | required | optional | `user.on_delete(&publisher)` |
/// | `UserRead` | required | as declared | `user.on_read(&publisher)` |
///
/// Each implements `event_driven::entity::Event`, `From<&User>`, `Clone`, `Debug`, `Serialize`, `Deserialize` and
/// `JsonSchema`. So with `crud` the types of all fields have to implement these, and the key `Display` too.
///
/// A field that became optional is not in the JSON when it is `None`. One whose type is written as `Option<…>` does not
/// become an option of an option; an alias of `Option` does, since a macro sees no types. In an update such a field is always
/// told, as `null` if it is `None`: whoever hears of the update would keep the old value otherwise.
///
/// The event types have the struct's visibility, the fields their own. Documentation and the attributes `#[serde(…)]` and
/// `#[schemars(…)]` are carried over, the latter even if the struct itself is no `JsonSchema`. `default` and
/// `skip_serializing_if` are not carried to a field that became optional: what is absent there is absent. What can't be
/// carried over is a compile error that says what to write. Where serde is told `with`, schemars wants to be told of which
/// type the JSON is: `#[schemars(with = "Option<String>")]`.
#[proc_macro_derive(EventObject, attributes(event, schemars))]
pub fn event_object(item: TokenStream) -> TokenStream {
    entity::expand(item.into()).into()
}

/// Publishes what this method returned as a notify event of its entity (`routing.event.notify.user`).
///
/// ```text
/// impl User {
///     #[on_notify("password_changed")]
///     async fn change_password(&mut self, new: &str, publisher: &Publisher) -> Result<PasswordChanged, Error> { … }
/// }
/// ```
///
/// The method stands in an `impl` of the entity, is async, has a parameter of type `&Publisher`, and returns `Result<T, E>`
/// (or an alias that ends with this name), where `T: Serialize` and `E: From<PublishError>`.
///
/// When the body returned `Ok`, its value is published, and then returned. The payload is the value's JSON object with
/// `event_name` added; a value that is no object becomes `{"event_name": …, "value": …}`. Subscribers read it as
/// `event_driven::entity::Notify<T>`. An error of the body is returned as it is, and nothing is published. If publishing
/// fails, the method returns that error: what the body did is done all the same.
#[proc_macro_attribute]
pub fn on_notify(arguments: TokenStream, item: TokenStream) -> TokenStream {
    notify::expand(arguments.into(), item.into()).into()
}
