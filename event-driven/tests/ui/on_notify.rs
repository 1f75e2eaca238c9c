//! Methods that can't tell what they did.

#![allow(unused_variables)]

use event_driven::{EventObject, on_notify, publisher::{PublishError, Publisher}};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, EventObject)]
struct User {
    id: i64,
}

struct OtherError;

impl User {
    #[on_notify("renamed")]
    fn not_async(&self, publisher: &Publisher) -> Result<i64, PublishError> {
        Ok(self.id)
    }

    #[on_notify("renamed")]
    async fn no_publisher(&self, name: &str) -> Result<i64, PublishError> {
        Ok(self.id)
    }

    #[on_notify("renamed")]
    async fn no_result(&self, publisher: &Publisher) -> i64 {
        self.id
    }

    #[on_notify("renamed")]
    async fn nothing(&self, publisher: &Publisher) {}

    #[on_notify]
    async fn no_name(&self, publisher: &Publisher) -> Result<i64, PublishError> {
        Ok(self.id)
    }

    #[on_notify(renamed)]
    async fn no_text(&self, publisher: &Publisher) -> Result<i64, PublishError> {
        Ok(self.id)
    }

    #[on_notify("renamed")]
    async fn other_error(&self, publisher: &Publisher) -> Result<i64, OtherError> {
        Ok(self.id)
    }
}

#[on_notify("renamed")]
struct NoMethod;

fn main() {}
