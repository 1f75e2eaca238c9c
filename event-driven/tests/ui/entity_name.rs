//! Names that would change the meaning of a routing key.

use event_driven::EventObject;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, EventObject)]
#[event(entity = "User")]
struct Capital {}

#[derive(Serialize, Deserialize, EventObject)]
#[event(entity = "user.order")]
struct Dot {}

#[derive(Serialize, Deserialize, EventObject)]
#[event(entity = user)]
struct NoText {}

#[derive(Serialize, Deserialize, EventObject)]
struct Größe {}

fn main() {}
