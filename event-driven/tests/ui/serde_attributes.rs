//! What serde was told that does not fit a field that became optional, or four types.

use event_driven::EventObject;
use serde::{Deserialize, Serialize};

mod seconds {
    pub fn serialize<S: serde::Serializer>(seconds: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(*seconds)
    }

    pub fn deserialize<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        serde::Deserialize::deserialize(deserializer)
    }
}

#[derive(Serialize, Deserialize)]
struct Address {
    city: String,
}

#[derive(Serialize, Deserialize, EventObject)]
#[event(crud)]
struct With {
    #[event(key)]
    id: i64,
    #[serde(with = "seconds")]
    age: u64,
}

#[derive(Serialize, Deserialize, EventObject)]
#[event(crud)]
struct Flatten {
    #[event(key)]
    id: i64,
    #[serde(flatten)]
    address: Address,
}

#[derive(Default, Serialize, Deserialize, EventObject)]
#[event(crud)]
#[serde(default)]
struct Defaults {
    #[event(key)]
    id: i64,
}

fn main() {}
