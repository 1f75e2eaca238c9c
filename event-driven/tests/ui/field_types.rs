//! The types of fields that lack what the events need.

use event_driven::EventObject;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Address {
    city: String,
}

#[derive(Serialize, Deserialize, EventObject)]
#[event(crud)]
struct NoSchema {
    #[event(key)]
    id: i64,
    address: Address,
}

#[derive(Serialize, Deserialize, EventObject)]
#[event(crud)]
struct NoText {
    #[event(key)]
    id: (i64, i64),
}

#[derive(EventObject)]
struct NoSerde {
    id: i64,
}

fn main() {}
