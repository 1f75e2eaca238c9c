//! What is no struct with named fields, or has more than one form.

use event_driven::EventObject;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, EventObject)]
struct Tuple(i64);

#[derive(Serialize, Deserialize, EventObject)]
struct Unit;

#[derive(Serialize, Deserialize, EventObject)]
enum Choice {
    One,
}

#[derive(Serialize, Deserialize, EventObject)]
struct Generic<T> {
    id: T,
}

fn main() {}
