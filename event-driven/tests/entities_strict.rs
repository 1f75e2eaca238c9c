//! In a crate that allows nothing, by what stands in a module, with names that the macros write themselves.

#![deny(warnings, missing_docs, unused_qualifications)]
#![forbid(unsafe_code)]

mod model {
    //! Entities that are public here.
    #![allow(unreachable_pub)]

    use event_driven::{EventObject, on_notify};
    use serde::{Deserialize, Serialize};

    /// An order.
    #[derive(Serialize, Deserialize, EventObject)]
    #[event(crud)]
    pub struct Order {
        /// Which one.
        #[event(key)]
        pub id: String,
        #[deprecated]
        of: Option<String>,
        event: Vec<u8>,
        publisher: bool,
        key: u8,
    }

    #[allow(dead_code)]
    impl Order {
        #[on_notify("shipped")]
        pub(crate) async fn ship<'a, T>(
            &'a self,
            result: &event_driven::publisher::Publisher,
            value: T,
        ) -> Result<&'a str, event_driven::publisher::PublishError>
        where
            T: AsRef<str> + Send + Sync + 'a,
        {
            if value.as_ref().is_empty() {
                return Ok("nothing");
            }
            Ok(&self.id)
        }
    }
}

fn send<T: Send>(_: T) {}

#[allow(dead_code)]
fn in_a_task(order: &model::Order, publisher: &event_driven::publisher::Publisher) {
    send(order.on_create(publisher));
    send(order.ship(publisher, "x"));
}

#[test]
fn what_the_macros_write_needs_no_permission() {
    use event_driven::{EventObject, entity::Event};
    assert_eq!(model::Order::ENTITY, "order");
    assert_eq!(model::OrderCreate::key().routing_key(), "routing.event.create.order");
}
