//! A key whose type has no text.

use event_driven::EventObject;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, EventObject)]
#[event(crud)]
struct NoText {
    #[event(key)]
    id: (i64, i64),
}

fn main() {}
