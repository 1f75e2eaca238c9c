//! With `crud` an entity has one key, which is always there.

use event_driven::EventObject;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, EventObject)]
#[event(crud)]
struct NoKey {
    id: i64,
}

#[derive(Serialize, Deserialize, EventObject)]
#[event(crud)]
struct TwoKeys {
    #[event(key)]
    id: i64,
    #[event(key)]
    email: String,
}

#[derive(Serialize, Deserialize, EventObject)]
#[event(crud)]
struct PerhapsAKey {
    #[event(key)]
    id: Option<i64>,
}

#[derive(Serialize, Deserialize, EventObject)]
#[event(crud)]
struct NeverUpdatedAnyway {
    #[event(key, disable_update)]
    id: i64,
}

fn main() {}
