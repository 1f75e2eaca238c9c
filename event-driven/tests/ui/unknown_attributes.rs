//! What is said in the wrong place, or nowhere.

use event_driven::EventObject;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, EventObject)]
#[event(entity = "user", crub)]
struct OnStruct {
    id: i64,
}

#[derive(Serialize, Deserialize, EventObject)]
#[event(crud)]
struct OnField {
    #[event(key)]
    id: i64,
    #[event(no_update)]
    email: String,
}

#[derive(Serialize, Deserialize, EventObject)]
#[event(key)]
struct OfAField {
    id: i64,
}

#[derive(Serialize, Deserialize, EventObject)]
struct WithoutCrud {
    #[event(key)]
    id: i64,
}

fn main() {}
